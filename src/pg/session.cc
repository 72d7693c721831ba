#include "pg/session.h"

#include <algorithm>
#include <array>
#include <exception>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <libpq-fe.h>

#include "base/ensure.h"
#include "runtime/clock.h"

namespace aurum::pg {

namespace asio = runtime::asio;

std::string Rows::text(std::size_t row, std::size_t column) const {
  if (row >= rows.size() || column >= rows[row].size()) return {};
  return rows[row][column].value_or(std::string());
}

std::string Rows::text(std::size_t row, std::string_view column) const {
  auto at = std::find(columns.begin(), columns.end(), column);
  return text(row, static_cast<std::size_t>(at - columns.begin()));
}

bool Rows::is_null(std::size_t row, std::string_view column) const {
  auto at =
      static_cast<std::size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin());
  return row >= rows.size() || at >= rows[row].size() || !rows[row][at];
}

struct Session::Impl {
  explicit Impl(asio::any_io_executor executor) : descriptor(executor), timer(executor) {}
  asio::posix::stream_descriptor descriptor;  ///< holds libpq's socket only while it is awaited
  asio::steady_timer timer;
  PGconn* connection = nullptr;
  PostgresPollingStatusType poll = PGRES_POLLING_WRITING;
  bool flushing = false;
  std::vector<Rows> rows;        ///< what arrived of the running statement
  std::optional<Error> failure;  ///< of the running statement
};

namespace {

/// libpq speaks in several lines ("connection to server at … failed: FATAL:  …\n"): the last one,
/// without its word of severity, is what the operator wants to read.
std::string one_line(std::string_view text) {
  std::string joined;
  while (!text.empty()) {
    auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    if (line.empty()) continue;
    if (!joined.empty()) joined += ", ";
    joined += line;
  }
  for (std::string_view word : {"FATAL:  ", "ERROR:  ", "PANIC:  "})
    if (auto at = joined.find(word); at != std::string::npos) joined.erase(at, word.size());
  return joined;
}

bool has_no_name_to_resolve(const Keywords& keywords) {
  std::string_view host, address;
  for (const auto& [key, value] : keywords) {
    if (key == "host") host = value;
    if (key == "hostaddr") address = value;
  }
  return !address.empty() || (!host.empty() && (host.front() == '/' || host.front() == '@'));
}

Code code_of_connection_text(std::string_view text) {
  for (std::string_view sign :
       {"password authentication failed", "no pg_hba.conf entry", "no password supplied",
        "authentication failed", "permission denied", "pg_hba.conf rejects",
        "is not permitted to log in"})
    if (text.find(sign) != std::string_view::npos) return Code::permission;
  if (text.find("role \"") != std::string_view::npos &&
      text.find("does not exist") != std::string_view::npos)
    return Code::permission;
  return Code::unavailable;
}

Rows rows_of(const PGresult* result) {
  Rows out;
  const int columns = PQnfields(result), rows = PQntuples(result);
  for (int c = 0; c < columns; ++c) out.columns.emplace_back(PQfname(result, c));
  for (int r = 0; r < rows; ++r) {
    auto& row = out.rows.emplace_back();
    for (int c = 0; c < columns; ++c) {
      if (PQgetisnull(result, r, c)) {
        row.emplace_back(std::nullopt);
      } else {
        row.emplace_back(std::string(PQgetvalue(result, r, c),
                                     static_cast<std::size_t>(PQgetlength(result, r, c))));
      }
    }
  }
  return out;
}

}  // namespace

Code code_of_sqlstate(std::string_view state) {
  if (state.starts_with("28") || state == "42501") return Code::permission;
  if (state == "57P03" || state.starts_with("08") || state == "53300" || state.starts_with("57P0"))
    return Code::unavailable;
  if (state == "57014") return Code::timeout;
  if (state == "42710" || state == "42P04" || state == "42P06") return Code::exists;
  if (state == "42704" || state == "42883" || state == "3D000") return Code::not_found;
  if (state.starts_with("53") || state.starts_with("58")) return Code::io;
  return Code::invalid;
}

std::string quote_literal(std::string_view text) {
  std::string out = text.find('\\') == std::string_view::npos ? "'" : "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

std::string quote_identifier(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

Session::Session(asio::any_io_executor executor) : impl_(std::make_unique<Impl>(executor)) {}
Session::~Session() { close(); }

void Session::close() {
  if (impl_->descriptor.is_open()) impl_->descriptor.release();
  if (impl_->connection) PQfinish(impl_->connection);
  impl_->connection = nullptr;
  impl_->rows.clear();
  impl_->failure.reset();
  phase_ = Phase::closed;
}

/// Waits until libpq's socket is readable or writable. libpq may close its socket and open another
/// one with the same number between two calls, which epoll would never tell: so the socket is
/// registered anew for each wait.
Task<bool> Session::ready(bool for_write, Instant deadline) {
  using namespace asio::experimental::awaitable_operators;
  using Descriptor = asio::posix::stream_descriptor;
  const int fd = PQsocket(impl_->connection);
  if (fd < 0) co_return true;  // libpq will say what happened
  const Duration left = deadline - runtime::now();
  if (left <= Duration::zero()) co_return false;
  struct Release {
    Descriptor& descriptor;
    ~Release() {
      if (descriptor.is_open()) descriptor.release();
    }
  };
  boost::system::error_code failed;
  impl_->descriptor.assign(fd, failed);
  if (failed) co_return true;
  Release release{impl_->descriptor};
  impl_->timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(left));
  auto who = co_await (
      impl_->descriptor.async_wait(for_write ? Descriptor::wait_write : Descriptor::wait_read,
                                   runtime::use_task) ||
      impl_->timer.async_wait(runtime::use_task));
  co_return who.index() == 0;
}

Error Session::connection_error() const {
  std::string text = one_line(PQerrorMessage(impl_->connection));
  return Error{code_of_connection_text(text), std::move(text), {}};
}

Task<Status> Session::connect(Keywords keywords, Duration timeout) {
  ensure(has_no_name_to_resolve(keywords), "a connection is opened by address, never by name");
  close();
  password_asked_ = false;
  std::vector<const char*> names, values;
  for (const auto& [key, value] : keywords) {
    names.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  impl_->connection = PQconnectStartParams(names.data(), values.data(), 0);
  if (!impl_->connection) co_return fail(Code::internal, "libpq has no memory for a connection");
  if (PQstatus(impl_->connection) == CONNECTION_BAD) {
    Error error = connection_error();
    close();
    co_return fail(std::move(error));
  }
  phase_ = Phase::connecting;
  impl_->poll = PGRES_POLLING_WRITING;
  auto status = co_await go_on_connecting(runtime::now() + timeout);
  co_return status;
}

Task<Status> Session::go_on_connecting(Instant deadline) {
  while (impl_->poll != PGRES_POLLING_OK) {
    if (impl_->poll == PGRES_POLLING_FAILED) {
      password_asked_ = PQconnectionUsedPassword(impl_->connection) != 0;
      Error error = connection_error();
      close();
      co_return fail(std::move(error));
    }
    const bool in_time = co_await ready(impl_->poll == PGRES_POLLING_WRITING, deadline);
    if (!in_time)
      co_return fail(Code::timeout, "the server took the connection and does not answer");
    impl_->poll = PQconnectPoll(impl_->connection);
  }
  PQsetnonblocking(impl_->connection, 1);
  // Notices would go to our standard error.
  PQsetNoticeReceiver(impl_->connection, [](void*, const PGresult*) {}, nullptr);
  phase_ = Phase::idle;
  co_return Status{};
}

Task<Result<std::vector<Rows>>> Session::query_all(std::string sql, Duration timeout) {
  if (phase_ == Phase::closed) co_return fail(Code::unavailable, "not connected");
  if (phase_ != Phase::idle)
    co_return fail(Code::timeout, "an earlier statement still has no answer");
  impl_->rows.clear();
  impl_->failure.reset();
  sqlstate_.clear();
  if (!PQsendQuery(impl_->connection, sql.c_str())) {
    Error error = connection_error();
    close();
    co_return fail(std::move(error));
  }
  phase_ = Phase::busy;
  impl_->flushing = true;
  auto rows = co_await collect(runtime::now() + timeout);
  co_return rows;
}

Task<Result<Rows>> Session::query(std::string sql, Duration timeout) {
  auto all = co_await query_all(std::move(sql), timeout);
  if (!all) co_return fail(all.error());
  if (all->empty()) co_return Rows{};
  co_return std::move(all->back());
}

Task<Result<std::vector<Rows>>> Session::resume(Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  if (phase_ == Phase::connecting) {
    auto status = co_await go_on_connecting(deadline);
    if (!status) co_return fail(status.error());
    co_return std::vector<Rows>{};
  }
  if (phase_ == Phase::busy) {
    auto rows = co_await collect(deadline);
    co_return rows;
  }
  co_return std::vector<Rows>{};
}

Task<Result<std::vector<Rows>>> Session::collect(Instant deadline) {
  PGconn* const connection = impl_->connection;
  const Error late{Code::timeout, "the server did not answer a query in time", {}};
  while (impl_->flushing) {
    const int left = PQflush(connection);
    if (left < 0) break;  // the reason comes with the result
    impl_->flushing = left > 0;
    if (!impl_->flushing) break;
    const bool in_time = co_await ready(true, deadline);
    if (!in_time) co_return fail(late);
  }
  for (;;) {
    while (PQisBusy(connection)) {
      const bool in_time = co_await ready(false, deadline);
      if (!in_time) co_return fail(late);
      if (!PQconsumeInput(connection)) break;  // the loss shows in the result
    }
    if (PQisBusy(connection)) {
      Error error = connection_error();
      close();
      co_return fail(std::move(error));
    }
    std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(connection), &PQclear);
    if (!result) break;
    const auto status = PQresultStatus(result.get());
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
        status == PGRES_NONFATAL_ERROR) {
      const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
      const char* primary = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
      sqlstate_ = state ? state : "";
      std::string text = primary ? primary : one_line(PQresultErrorMessage(result.get()));
      if (!impl_->failure) impl_->failure = Error{code_of_sqlstate(sqlstate_), std::move(text), {}};
    } else if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) {
      close();
      co_return fail(Code::protocol, "the server began a copy that was not asked for");
    } else {
      impl_->rows.push_back(rows_of(result.get()));
    }
  }
  auto rows = std::exchange(impl_->rows, {});
  auto failure = std::exchange(impl_->failure, {});
  if (PQstatus(connection) == CONNECTION_BAD) {
    Error lost = failure ? *failure : connection_error();
    lost.code = Code::unavailable;
    close();
    co_return fail(std::move(lost));
  }
  phase_ = Phase::idle;
  if (failure) co_return fail(std::move(*failure));
  co_return rows;
}

int Session::server_version() const {
  return impl_->connection ? PQserverVersion(impl_->connection) : 0;
}

std::string Session::parameter(const char* name) const {
  const char* value = impl_->connection ? PQparameterStatus(impl_->connection, name) : nullptr;
  return value ? value : "";
}

Result<std::string> Session::encrypt_password(const std::string& user,
                                              const std::string& password) const {
  std::unique_ptr<char, decltype(&PQfreemem)> secret(
      PQencryptPasswordConn(impl_->connection, password.c_str(), user.c_str(), "scram-sha-256"),
      &PQfreemem);
  if (!secret) return fail(Code::internal, "libpq could not encrypt the password of role " + user);
  return std::string(secret.get());
}

std::string Session::literal(std::string_view text) const { return quote_literal(text); }
std::string Session::identifier(std::string_view text) const { return quote_identifier(text); }

}  // namespace aurum::pg
