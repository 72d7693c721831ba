#include "support/insistent_client.h"

#include <memory>
#include <sys/socket.h>

#include <libpq-fe.h>

#include "runtime/clock.h"
#include "stack/libpq.h"
#include "support/inspect.h"

namespace aurum::tests {

Status InsistentClient::make_table(const std::string& conninfo) {
  auto made = sql(conninfo, "CREATE TABLE IF NOT EXISTS insistent (at timestamptz DEFAULT now())");
  if (!made) return fail(made.error());
  return {};
}

InsistentClient::InsistentClient(std::string conninfo)
    : thread_([this, conninfo = std::move(conninfo)](const std::stop_token& stop) {
        write(stop, conninfo);
      }) {}

/// A server that is frozen, or withholds its answer, must not hold us: the connection is cut.
InsistentClient::~InsistentClient() {
  thread_.request_stop();
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void InsistentClient::write(const std::stop_token& stop, const std::string& conninfo) {
  const stack::Connection conn(
      PQconnectdb((conninfo + " options='-c aurum.fence_wait=100ms'").c_str()));
  {
    const std::lock_guard lock(mutex_);
    socket_ = PQsocket(conn.get());
  }
  while (!stop.stop_requested() && PQstatus(conn.get()) == CONNECTION_OK) {
    const stack::Answer answer(PQexec(conn.get(), "INSERT INTO insistent DEFAULT VALUES"));
    const std::lock_guard lock(mutex_);
    if (PQresultStatus(answer.get()) == PGRES_COMMAND_OK) {
      last_acked_ = runtime::now();
    } else if (const char* state = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE)) {
      ++refusals_[state];
    }
  }
  const std::lock_guard lock(mutex_);
  socket_ = -1;
}

std::optional<Instant> InsistentClient::last_acked() const {
  const std::lock_guard lock(mutex_);
  return last_acked_;
}

std::size_t InsistentClient::refusals(const std::string& sqlstate) const {
  const std::lock_guard lock(mutex_);
  const auto at = refusals_.find(sqlstate);
  return at == refusals_.end() ? 0 : at->second;
}

}  // namespace aurum::tests
