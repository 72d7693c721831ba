#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/async.h"

namespace aurum::pg {

using runtime::Task;

/// libpq connection keywords
/// (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-PARAMKEYWORDS).
using Keywords = std::vector<std::pair<std::string, std::string>>;

/// The rows of one statement, every value in PostgreSQL's text form; unset = NULL.
struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;

  /// The value, or "" for NULL and for a row or column that is not there.
  std::string text(std::size_t row, std::size_t column) const;
  std::string text(std::size_t row, std::string_view column) const;
  bool is_null(std::size_t row, std::string_view column) const;
};

/// What PostgreSQL said of a failed statement or connection.
struct ServerError {
  std::string sqlstate;  ///< "" when the failure is not PostgreSQL's
  Error error;           ///< message on one line, without PostgreSQL's severity word
};

/// One connection, asynchronous on the event loop. One statement at a time.
///
/// A deadline that passes does not break the session: it becomes `busy`, the question stays asked,
/// and resume() goes on waiting for its answer. That is how a probe of a frozen server keeps to one
/// connection instead of leaving a new one behind each time. Destroying the session closes the
/// connection at once, without waiting for anybody.
class Session {
 public:
  enum class Phase { closed, connecting, idle, busy };

  explicit Session(runtime::asio::any_io_executor executor);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Connects. `keywords` must hold `hostaddr` or a directory as `host`: libpq would resolve a name
  /// while it blocks the loop (checked). Code::timeout leaves the attempt under way (phase
  /// connecting); every other error closes. Code::unavailable: refused or starting up;
  /// Code::permission: wrong password, no pg_hba line, no such role.
  Task<Status> connect(Keywords keywords, Duration timeout);

  /// Runs one or several statements separated by ';' (simple protocol, one implicit transaction)
  /// and gives the rows of each. Code::timeout: the phase is busy. An SQL error leaves the session
  /// usable; see last_sqlstate().
  Task<Result<std::vector<Rows>>> query_all(std::string sql, Duration timeout);
  /// The rows of the last statement.
  Task<Result<Rows>> query(std::string sql, Duration timeout);

  /// Goes on with what timed out: the connection attempt (no rows) or the statement.
  Task<Result<std::vector<Rows>>> resume(Duration timeout);

  Phase phase() const { return phase_; }
  const std::string& last_sqlstate() const { return sqlstate_; }
  /// The last connect() failed behind the server's demand for a password: it may be the wrong one.
  /// Unlike Code::permission this does not depend on the server's language.
  bool password_was_asked() const { return password_asked_; }
  int server_version() const;                     ///< 150020; 0 unless connected
  std::string parameter(const char* name) const;  ///< reported setting, "" when unknown
  /// SCRAM-SHA-256 secret of a password, made on this side: the server and its log never see the
  /// password.
  Result<std::string> encrypt_password(const std::string& user, const std::string& password) const;
  std::string literal(std::string_view text) const;     ///< 'quoted' for SQL
  std::string identifier(std::string_view text) const;  ///< "quoted" for SQL
  void close();

 private:
  struct Impl;
  Task<bool> ready(bool for_write, Instant deadline);
  Task<Status> go_on_connecting(Instant deadline);
  Task<Result<std::vector<Rows>>> collect(Instant deadline);
  Error connection_error() const;

  std::unique_ptr<Impl> impl_;
  Phase phase_ = Phase::closed;
  std::string sqlstate_;
  bool password_asked_ = false;
};

/// Kind of an SQLSTATE for callers that react to kinds: 28xxx and 42501 are permission, 57P03,
/// 08xxx and 53300 are unavailable, 57014 is timeout, 42710 and 42P04 are exists, 42704 is
/// not_found.
Code code_of_sqlstate(std::string_view sqlstate);

/// SQL text helpers that need no connection (standard_conforming_strings is on in every server we
/// start).
std::string quote_literal(std::string_view text);
std::string quote_identifier(std::string_view text);

}  // namespace aurum::pg
