#include "stack/workload.h"

#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "runtime/clock.h"
#include "stack/libpq.h"

namespace aurum::stack {

namespace {

// The answer names its server and timeline itself, so that it counts whoever is asked and through
// whatever.
constexpr const char* kInsert =
    "INSERT INTO aurum_history(id, client) VALUES ($1, $2) RETURNING host(inet_server_addr()) || "
    "':' || "
    "inet_server_port(), ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, "
    "8))::bit(32)::int";
constexpr const char* kCreate =
    "SET client_min_messages = error; "
    "CREATE TABLE IF NOT EXISTS aurum_history(id bigint PRIMARY KEY, client int NOT NULL)";

bool wait_socket(PGconn* conn, short events, Instant until) {
  const Duration left = until - runtime::now();
  if (left <= Duration::zero()) return false;
  pollfd wait{PQsocket(conn), events, 0};
  return ::poll(&wait, 1, static_cast<int>(to_ms(left) + 1)) > 0;
}

void sleep_until(Instant moment) {
  const timespec at{moment.ns / 1'000'000'000, moment.ns % 1'000'000'000};
  ::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, nullptr);
}

/// Nothing when the deadline passed or no host takes writes.
Connection connect(const std::string& conninfo, Instant until) {
  Connection conn(PQconnectStart(conninfo.c_str()));
  if (!conn || PQstatus(conn.get()) == CONNECTION_BAD) return nullptr;
  PQsetNoticeProcessor(conn.get(), [](void*, const char*) {}, nullptr);
  for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    if (state == PGRES_POLLING_FAILED) return nullptr;
    if (!wait_socket(conn.get(), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
      return nullptr;
    state = PQconnectPoll(conn.get());
  }
  return conn;
}

std::filesystem::path space(const WorkloadSettings& settings) {
  return std::filesystem::path("/run/netns") / settings.network_namespace;
}

/// A network namespace is a thread's own (setns(2)): the others stay where they are.
bool enter(const std::filesystem::path& network) {
  const int fd = ::open(network.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool entered = ::setns(fd, CLONE_NEWNET) == 0;
  ::close(fd);
  return entered;
}

/// Counts a write from before it is decided to when its outcome is known.
class UnderWay {
 public:
  explicit UnderWay(std::atomic<int>& count) : count_(count) { ++count_; }
  ~UnderWay() { --count_; }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

 private:
  std::atomic<int>& count_;
};

enum class Outcome { acknowledged, refused, unknown };

struct Written {
  Outcome outcome = Outcome::unknown;
  std::string node;
  std::uint32_t timeline = 0;
  bool broken = false;  ///< the connection is of no more use
};

/// SQLSTATE classes that say nothing about the outcome of a commit: connection lost (08), operator
/// intervention (57: the server ended the session, perhaps after its commit), internal (XX).
/// PostgreSQL manual, appendix A.
bool proves_refusal(const char* sqlstate) {
  if (sqlstate == nullptr) return false;
  const std::string_view state(sqlstate);
  return !state.starts_with("08") && !state.starts_with("57") && !state.starts_with("XX");
}

Written write_row(PGconn* conn, std::int64_t id, std::size_t client, Instant until) {
  Written written;
  const std::string key = std::to_string(id);
  const std::string who = std::to_string(client);
  const char* values[] = {key.c_str(), who.c_str()};
  if (PQsendQueryParams(conn, kInsert, 2, nullptr, values, nullptr, nullptr, 0) == 0) {
    written.broken = true;
    return written;
  }
  for (;;) {
    while (PQisBusy(conn) != 0) {
      if (!wait_socket(conn, POLLIN, until) || PQconsumeInput(conn) == 0) {
        written.broken = true;
        return written;
      }
    }
    const Answer answer(PQgetResult(conn));
    if (!answer) break;  // only now the server is ready again: its commit is done
    if (PQresultStatus(answer.get()) == PGRES_TUPLES_OK && PQntuples(answer.get()) == 1) {
      written.outcome = Outcome::acknowledged;
      written.node = PQgetvalue(answer.get(), 0, 0);
      written.timeline =
          static_cast<std::uint32_t>(std::strtoul(PQgetvalue(answer.get(), 0, 1), nullptr, 10));
    } else {
      // A row and then an error: the commit failed after the insert had answered.
      const bool refused = proves_refusal(PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE));
      written.outcome = refused ? Outcome::refused : Outcome::unknown;
      written.broken = true;
    }
  }
  return written;
}

}  // namespace

Workload::Workload(std::vector<std::string> conninfos, WorkloadSettings settings)
    : conninfos_(std::move(conninfos)),
      settings_(std::move(settings)),
      next_id_(settings_.first_id) {}

Result<std::unique_ptr<Workload>> Workload::start(const Cluster& cluster,
                                                  WorkloadSettings settings) {
  if (settings.clients < 1 || settings.rate <= 0)
    return fail(Code::invalid, "a workload needs clients and a rate");
  std::vector<std::string> conninfos;
  for (std::size_t i = 0; i < cluster.plan().nodes.size(); ++i)
    conninfos.push_back(settings.conninfo.empty() ? cluster.write_conninfo(i) : settings.conninfo);
  const Connection conn = connect(conninfos[0], runtime::now() + seconds(10));
  if (!conn) return fail(Code::unavailable, "no node takes writes");
  const Answer made(PQexec(conn.get(), kCreate));
  if (PQresultStatus(made.get()) != PGRES_COMMAND_OK) {
    return fail(Code::unavailable,
                fmt::format("cannot make the table: {}", PQerrorMessage(conn.get())));
  }
  const auto clients = static_cast<std::size_t>(settings.clients);
  if (!settings.network_namespace.empty() && !std::filesystem::exists(space(settings)))
    return fail(Code::not_found, "there is no " + space(settings).string());
  std::unique_ptr<Workload> workload(new Workload(std::move(conninfos), std::move(settings)));
  for (std::size_t i = 0; i < clients; ++i) {
    workload->threads_.emplace_back([w = workload.get(), i] { w->client(i); });
  }
  return workload;
}

Workload::~Workload() { stop(); }
void Workload::pause() {
  paused_ = true;
  while (under_way_ > 0) sleep_until(runtime::now() + milliseconds(1));
}
void Workload::resume() { paused_ = false; }
void Workload::stop() {
  stop_ = true;
  threads_.clear();
}

void Workload::client(std::size_t index) {
  if (!settings_.network_namespace.empty() && !enter(space(settings_))) return;
  const auto clients = static_cast<double>(settings_.clients);
  const Duration period(static_cast<std::int64_t>(1e9 * clients / settings_.rate));
  Instant slot = runtime::now() + period * static_cast<std::int64_t>(index) / settings_.clients;
  std::size_t host = index % conninfos_.size();
  Connection conn;
  while (!stop_) {
    if (paused_) conn.reset();
    if (!conn && !paused_) {
      conn = connect(conninfos_[host], runtime::now() + settings_.connect_deadline);
      host = (host + 1) % conninfos_.size();
    }
    if (!conn) {
      sleep_until(runtime::now() + milliseconds(10));
      continue;
    }
    while (slot < runtime::now()) slot = slot + period;
    sleep_until(slot);
    const UnderWay write(under_way_);
    if (paused_) continue;  // looked at behind the count, so that pause() sees one or the other
    const std::int64_t id = next_id_++;
    const Instant sent = runtime::now();
    auto written = write_row(conn.get(), id, index, sent + settings_.answer_deadline);
    if (written.outcome == Outcome::acknowledged && !written.broken) {
      history_.acknowledge({id, sent, runtime::now(), std::move(written.node), written.timeline});
    } else if (written.outcome == Outcome::refused) {
      history_.refused(id);
    } else {
      history_.unknown(id);
    }
    if (written.broken) conn.reset();
  }
}

bool Workload::wait_for_write(Instant moment, Duration timeout) const {
  const Instant until = runtime::now() + timeout;
  for (;;) {
    const auto last = history_.last_acked();
    if (last && *last > moment) return true;
    if (runtime::now() >= until) return false;
    sleep_until(runtime::now() + milliseconds(5));
  }
}

Result<std::set<std::int64_t>> read_rows(const Cluster& cluster, Duration timeout) {
  const Instant until = runtime::now() + timeout;
  std::string why = "no node takes writes";
  for (std::size_t tries = 0; runtime::now() < until; ++tries) {
    const auto at = tries % cluster.plan().nodes.size();
    const Connection conn = connect(cluster.write_conninfo(at), runtime::now() + seconds(2));
    if (conn) {
      const Answer answer(PQexec(conn.get(), "SELECT id FROM aurum_history"));
      if (PQresultStatus(answer.get()) == PGRES_TUPLES_OK) {
        std::set<std::int64_t> rows;
        for (int i = 0; i < PQntuples(answer.get()); ++i)
          rows.insert(std::atoll(PQgetvalue(answer.get(), i, 0)));
        return rows;
      }
      why = PQerrorMessage(conn.get());
    }
    sleep_until(runtime::now() + milliseconds(100));
  }
  return fail(Code::timeout, fmt::format("cannot read the rows back: {}", why));
}

}  // namespace aurum::stack
