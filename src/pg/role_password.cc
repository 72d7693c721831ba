#include "pg/conninfo.h"
#include "pg/postgres.h"

/// Changing a role's password, and knowing which of two a server takes (docs/decisions/0018).
namespace aurum::pg {

namespace {
constexpr Duration kSqlTimeout = seconds(10);
/// An upstream that is asked which password it takes; one that does not answer is not waited for.
constexpr Duration kTryTimeout = seconds(2);
}  // namespace

Task<Result<std::string>> Postgres::role_secret(std::string role) {
  auto session = co_await open_local(kSqlTimeout);
  if (!session) co_return fail(session.error());
  auto rows = co_await (*session)->query(
      "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = " + quote_literal(role),
      kSqlTimeout);
  if (!rows) co_return fail(rows.error());
  if (rows->rows.empty()) co_return fail(Code::not_found, "there is no role " + role);
  co_return rows->text(0, std::size_t{0});
}

Task<Status> Postgres::set_role_password(std::string role, std::string password) {
  auto session = co_await open_local(kSqlTimeout);
  if (!session) co_return fail(session.error());
  const auto secret = (*session)->encrypt_password(role, password);
  if (!secret) co_return fail(secret.error());
  // What is sent is a SCRAM secret; even that stays out of the server's log.
  auto done = co_await (*session)->query(
      "SET log_statement TO 'none'; SET log_min_duration_statement TO -1; "
      "SET log_min_error_statement TO 'panic'",
      kSqlTimeout);
  if (done)
    done = co_await (*session)->query(
        "ALTER ROLE " + quote_identifier(role) + " PASSWORD " + quote_literal(*secret),
        kSqlTimeout);
  if (!done) co_return fail(done.error().within("role " + role));
  co_return Status{};
}

/// The one of a login's two passwords that this upstream takes now: a replica may be behind with
/// the change. libpq takes one only from its file.
Task<std::string> Postgres::accepted_password(model::Upstream upstream, model::Login login,
                                              Keywords more) {
  if (login.other_password.empty()) co_return login.password;
  const std::string other = std::exchange(login.other_password, {});
  const std::string first = login.password;
  auto session = co_await open_remote(upstream, std::move(login), std::move(more), kTryTimeout);
  const bool refused = !session && session.error().code == Code::permission;
  co_return refused ? other : first;
}

Task<Status> Postgres::rewrite_passfile() {
  auto written = co_await write_passfile(passfile_of_);
  co_return written;
}

}  // namespace aurum::pg
