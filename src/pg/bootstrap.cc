#include <algorithm>
#include <signal.h>
#include <unistd.h>

#include "pg/conninfo.h"
#include "pg/files.h"
#include "pg/postgres.h"
#include "pg/programs.h"
#include "pg/render.h"
#include "runtime/process.h"

/// A new cluster: initdb or the custom method, roles and grants (PATRONI_COMPAT §6.3).
namespace aurum::pg {

namespace {

constexpr auto kBootstrapTimeout = std::chrono::hours(24);
constexpr auto kSqlTimeout = seconds(30);

/// --name=value for every own key of a method's section.
std::vector<std::string> method_options(const model::Value& section,
                                        std::initializer_list<std::string_view> not_these) {
  model::Value own = model::Value::object();
  for (const auto& [name, value] : section.as_object())
    if (std::find(not_these.begin(), not_these.end(), name) == not_these.end())
      own.set(name, value);
  std::vector<std::string> out;
  for (const auto& [name, value] : own.as_object()) out.push_back("--" + name + "=" + value.text());
  return out;
}

/// recovery.signal as the method's section wants it.
Status settle_recovery(const fs::path& dir, bool recovers, bool keep) {
  std::error_code ec;
  const fs::path signal = dir / "recovery.signal";
  // A standby would never end its recovery.
  const bool asked = fs::exists(signal, ec) || fs::exists(dir / "standby.signal", ec);
  if (recovers || (keep && asked)) {
    auto written = write_file(signal, "", file_mode(dir));
    if (!written) return fail(written.error());
  } else {
    fs::remove(signal, ec);
  }
  return {};
}

}  // namespace

Task<Status> Postgres::prepare_empty_dir(std::string what) {
  const auto dir = config_->pg.data_dir;
  auto running = co_await live_postmaster();
  if (running) co_return fail(Code::exists, "a PostgreSQL runs in " + dir.string());
  auto prepared = co_await runtime::in_pool(pool_, [dir, what]() -> Status {
    auto made = make_data_dir(dir);
    if (!made) return made;
    switch (inspect_data_dir(dir)) {
      case model::DataDir::empty:
        break;
      case model::DataDir::incomplete: {
        auto cleared = clear_directory(dir, what);
        if (!cleared) return cleared;
        break;
      }
      case model::DataDir::ready:
        return fail(Code::exists, "data directory " + dir.string() + " holds a database already",
                    "It is never overwritten; remove it by hand, or use reinit.");
      case model::DataDir::foreign:
        return fail(Code::exists,
                    "data directory " + dir.string() + " is not empty and holds no database",
                    "Look at the files in it, and move them away if they are not needed.");
    }
    return {};
  });
  co_return prepared;
}

Task<Result<std::string>> Postgres::initdb(model::DynamicConfig dynamic) {
  static_cast<void>(dynamic);  // its parameters are written by start()
  const auto dir = config_->pg.data_dir;
  const bool custom = config_->bootstrap.is_custom();
  auto prepared = co_await prepare_empty_dir("bootstrap");
  if (!prepared) co_return fail(prepared.error());
  Status made;
  if (custom) {
    made = co_await run_custom_bootstrap();
  } else {
    auto marked =
        co_await runtime::in_pool(pool_, [dir] { return mark_incomplete(dir, "initdb"); });
    if (!marked) co_return fail(marked.error());
    made = co_await run_initdb(dir / kStaging);
    if (made) {
      auto hba = bootstrap_hba(*config_);
      made = co_await runtime::in_pool(pool_, [dir, hba]() -> Status {
        const auto path = dir / kStaging / "pg_hba.conf";
        auto text = read_file(path);
        if (!text) return fail(text.error());
        auto written = write_file(path, *text + hba, file_mode(dir / kStaging));
        if (!written) return fail(written.error());
        return move_out_of_staging(dir);
      });
    }
    if (made) made = co_await finish_copy(true);
  }
  if (!made) {
    co_await runtime::in_pool(pool_, [dir] { return clear_directory(dir, "a failed bootstrap"); });
    co_return fail(made.error());
  }
  auto control = co_await control_data();
  if (!control) co_return fail(control.error());
  co_return control->system_identifier;
}

Task<Status> Postgres::run_initdb(fs::path staging) {
  const auto& pg = config_->pg;
  auto tool = co_await program("initdb");
  if (!tool) co_return fail(tool.error());
  const auto password_file = pg.data_dir / "aurum.initdb-password";
  std::vector<std::string> refused;
  runtime::ProcessSpec spec;
  spec.argv = {*tool, "--pgdata=" + staging.string()};
  for (auto& option :
       long_options(config_->bootstrap.initdb,
                    {"pgdata", "nosync", "pwfile", "sync-only", "version", "username", "pwprompt"},
                    &refused))
    spec.argv.push_back(std::move(option));
  for (const auto& name : refused)
    log_.warn("initdb.option",
              "bootstrap.initdb: option " + name + " is set by the agent, it is ignored");
  if (!pg.superuser.username.empty()) spec.argv.push_back("--username=" + pg.superuser.username);
  if (!pg.superuser.password.empty()) {
    auto written =
        co_await runtime::in_pool(pool_, [password_file, text = pg.superuser.password + "\n"] {
          return write_file(password_file, text, 0600);
        });
    if (!written) co_return fail(written.error());
    spec.argv.push_back("--pwfile=" + password_file.string());
    auto version = co_await version_of(*tool);
    // Before 14 a password is kept as MD5 unless initdb is told otherwise, and such a one can not
    // pass a line scram-sha-256 of pg_hba.conf; a SCRAM secret passes lines of both kinds.
    if (version && *version < 14)
      for (const char* option : {"--auth-host=scram-sha-256", "--auth-local=scram-sha-256"})
        spec.argv.insert(spec.argv.begin() + 1, option);  // the user's own come later, and win
  }
  spec.env = plain_environment();
  spec.timeout = std::chrono::minutes(30);
  auto end = co_await runtime::run_process(std::move(spec));
  co_await runtime::in_pool(pool_, [password_file] { return ::unlink(password_file.c_str()); });
  if (!end) co_return fail(end.error().within("initdb"));
  if (!end->ok()) co_return fail(Code::io, "initdb failed: " + tool_reason(*end));
  co_return Status{};
}

/// Patroni's options and what follows. Whether it is recovered before it is a primary stands in the
/// directory itself, as recovery.signal: PostgreSQL takes it away at the end of recovery, so a
/// founding that is cut short goes on where it was. The settings are written by start().
Task<Status> Postgres::run_custom_bootstrap() {
  const auto& name = config_->bootstrap.method;
  const auto dir = config_->pg.data_dir;
  const auto* section = config_->bootstrap.custom_method();
  const auto* command = section ? section->find("command") : nullptr;
  if (!command || command->empty())
    co_return fail(Code::invalid, "bootstrap." + name + ".command is missing",
                   "bootstrap.method names a section of bootstrap that must have a command.");
  std::vector<std::string> more;
  const auto* plain = section->find("no_params");
  if (!plain || model::read_bool(*plain) != true) {
    more = {"--scope=" + config_->scope, "--datadir=" + dir.string()};
  }
  for (auto& option :
       method_options(*section, {"command", "no_params", "keep_existing_recovery_conf",
                                 "recovery_conf", "scope", "datadir"}))
    more.push_back(std::move(option));
  co_await runtime::in_pool(pool_, [dir, name] { return begin_custom_founding(dir, name); });
  auto done = co_await run_hook("bootstrap." + name, command->text(), std::move(more), {},
                                kBootstrapTimeout);
  if (!done) co_return done;
  auto signalled =
      co_await runtime::in_pool(pool_, [dir, recovers = bootstrap_recovers(config_->bootstrap),
                                        keep = keeps_recovery_conf(config_->bootstrap)] {
        return settle_recovery(dir, recovers, keep);
      });
  if (!signalled) co_return signalled;
  auto finished = co_await finish_copy(true);
  co_return finished;
}

Task<Status> Postgres::post_bootstrap() {
  auto session = co_await open_local(seconds(10));
  if (!session) co_return fail(session.error());
  const auto& script = config_->bootstrap.post_bootstrap;
  if (!script.empty()) {
    auto server = co_await live_postmaster();
    if (!server) co_return fail(Code::unavailable, "PostgreSQL is not running");
    auto keywords = co_await local_keywords(Purpose::work, server->file, seconds(5));
    if (!keywords) co_return fail(keywords.error());
    std::erase_if(*keywords, [](const auto& k) {
      return k.first == "password" || k.first == "sslpassword" || k.first == "options" ||
             k.first == "application_name" || k.first == "hostaddr" || k.first == "gssencmode";
    });
    auto passfile = co_await write_local_passfile(server->file);
    if (!passfile) co_return passfile;
    std::vector<std::string> environment{
        "PGPASSFILE=" + config_->pg.pgpass.string(),
        "PGOPTIONS=-c synchronous_commit=local -c statement_timeout=0"};
    auto done = co_await run_hook("bootstrap.post_bootstrap", script, {render_conninfo(*keywords)},
                                  std::move(environment), kBootstrapTimeout);
    if (!done) co_return done;
  }
  auto made = co_await make_roles(**session);
  if (!made) co_return made;
  auto closed = co_await close_door();
  co_return closed;
}

Task<Status> Postgres::end_founding() {
  auto closed = co_await close_door();
  if (!closed) co_return closed;
  auto ended = co_await runtime::in_pool(
      pool_, [dir = config_->pg.data_dir] { return pg::end_founding(dir); });
  co_return ended;
}

Task<Status> Postgres::close_door() {
  const auto dir = config_->pg.data_dir;
  auto closed = co_await runtime::in_pool(
      pool_, [file = config_dir() / "pg_hba.conf", mode = file_mode(dir)]() -> Result<bool> {
        auto text = read_file(file);
        if (!text) return false;
        return write_file(file, without_open_door(*text), mode);
      });
  if (!closed) co_return fail(closed.error());
  auto server = co_await live_postmaster();
  if (*closed && server) {
    auto told = launcher_.signal(server->file.pid, SIGHUP);
    if (!told) co_return told;
  }
  co_return Status{};
}

Task<Status> Postgres::make_roles(Session& session) {
  const auto& pg = config_->pg;
  // The secrets sent are SCRAM verifiers; even those stay out of the server's log.
  auto quiet = co_await session.query(
      "SET log_statement TO 'none'; SET log_min_duration_statement TO -1; SET "
      "log_min_error_statement TO 'panic'",
      kSqlTimeout);
  if (!quiet) co_return fail(quiet.error());
  auto super = co_await make_role(session, pg.superuser, "SUPERUSER LOGIN");
  if (!super) co_return super;
  auto replication = co_await make_role(session, pg.replication, "REPLICATION LOGIN");
  if (!replication) co_return replication;
  if (pg.rewind.username.empty() || pg.rewind.username == pg.superuser.username) co_return Status{};
  auto rewind = co_await make_role(session, pg.rewind, "LOGIN");
  if (!rewind) co_return rewind;
  std::string grants;
  for (const char* function :
       {"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)",
        "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"})
    grants += std::string("GRANT EXECUTE ON FUNCTION pg_catalog.") + function + " TO " +
              quote_identifier(pg.rewind.username) + ";";
  // Lets a rewind begin at once after a failover, when the source has not made its first checkpoint
  // yet.
  if (session.server_version() >= 150000)
    grants += "GRANT pg_checkpoint TO " + quote_identifier(pg.rewind.username) + ";";
  auto granted = co_await session.query(grants, kSqlTimeout);
  if (!granted) co_return fail(granted.error().within("grants for role " + pg.rewind.username));
  co_return Status{};
}

Task<Result<std::vector<std::string>>> Postgres::missing_roles() {
  const auto& pg = config_->pg;
  auto session = co_await open_local(seconds(5));
  if (!session) co_return fail(session.error());
  std::vector<std::string> missing;
  const auto check = [&](const Rows& rows, const std::string& path, const model::Login& login,
                         const std::string& right, const std::string& need) {
    const bool there = !rows.rows.empty();
    if (there && rows.text(0, std::size_t{0}) == "t") return;
    const std::string name = quote_identifier(login.username);
    missing.push_back("postgresql.authentication." + path + ": role " + name +
                      (there ? " has not the rights it needs" : " does not exist") + ": " + need +
                      " (hint: " + (there ? "ALTER ROLE " : "CREATE ROLE ") + name + " LOGIN" +
                      right + (there ? ")" : " PASSWORD '...')"));
  };
  const auto look = [](const model::Login& login, const char* right) {
    return "SELECT rolcanlogin AND (rolsuper OR " + std::string(right) +
           ") FROM pg_catalog.pg_roles WHERE rolname = " + quote_literal(login.username);
  };
  auto replication = co_await (*session)->query(look(pg.replication, "rolreplication"), seconds(5));
  if (!replication) co_return fail(replication.error());
  check(*replication, "replication", pg.replication, " REPLICATION",
        "replicas can not be made, nor stream");
  if (pg.rewind.username.empty() || pg.rewind.username == pg.superuser.username) co_return missing;
  auto rewind = co_await (*session)->query(look(pg.rewind, "true"), seconds(5));
  if (!rewind) co_return fail(rewind.error());
  check(*rewind, "rewind", pg.rewind, "", "pg_rewind can not log in");
  co_return missing;
}

Task<Status> Postgres::make_role(Session& session, model::Login login, std::string attributes) {
  if (login.username.empty()) co_return Status{};
  auto known = co_await session.query(
      "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = " + quote_literal(login.username),
      kSqlTimeout);
  if (!known) co_return fail(known.error());
  std::string sql = (known->rows.empty() ? "CREATE ROLE " : "ALTER ROLE ") +
                    quote_identifier(login.username) + " WITH " + attributes;
  if (!login.password.empty()) {
    auto secret = session.encrypt_password(login.username, login.password);
    if (!secret) co_return fail(secret.error());
    sql += " PASSWORD " + quote_literal(*secret);
  }
  auto done = co_await session.query(sql, kSqlTimeout);
  if (!done) co_return fail(done.error().within("role " + login.username));
  co_return Status{};
}

}  // namespace aurum::pg
