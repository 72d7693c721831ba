// HAProxy and PgBouncer of a stack: how they are started, told of what has changed, and looked at.

#include <algorithm>
#include <memory>
#include <signal.h>
#include <sstream>
#include <sys/un.h>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "runtime/clock.h"
#include "stack/cluster.h"
#include "stack/door.h"
#include "stack/exchange.h"
#include "stack/files.h"
#include "stack/libpq.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

/// One command, or several on a line, by HAProxy's socket; it closes behind the answer.
Result<std::string> ask_haproxy(const std::string& socket, const std::string& command,
                                Duration timeout) {
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  if (socket.size() >= sizeof where.sun_path)
    return fail(Code::unavailable,
                fmt::format("HAProxy at {}: the socket's name is too long", socket));
  std::copy(socket.begin(), socket.end(), where.sun_path);
  return exchange(reinterpret_cast<const sockaddr*>(&where), sizeof where, "HAProxy at " + socket,
                  command + "\n", runtime::now() + timeout, [](auto) { return false; });
}

/// HAProxy's command for a text of several lines (Management Guide §9.3): it ends with an empty
/// one, so it may have none inside.
std::string without_empty_lines(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) out += line + "\n";
  return out;
}

}  // namespace

std::vector<std::string> Cluster::doors() const { return door_names(plan_); }

std::optional<ProcessId> Cluster::door(const std::string& name) const {
  return read_pid_file(plan_.dir / "run" / (name + ".pid"));
}

std::vector<ProcessId> Cluster::door_processes(const std::string& name) const {
  const auto id = door(name);
  return id ? with_descendants({*id}) : std::vector<ProcessId>{};
}

/// Its configuration as it is to be: the files that it reads, and all of their text.
Result<std::string> Cluster::write_door(const std::string& name) const {
  const fs::path conf = plan_.dir / "conf";
  if (name == "haproxy") {
    auto text = haproxy_conf(plan_);
    if (auto written = write(conf / "haproxy.cfg", text); !written) return fail(written.error());
    return text;
  }
  auto text = pgbouncer_conf(plan_);
  const auto users = fmt::format("\"pgbouncer\" \"{}\"\n", secrets_.pooler);
  auto written = write(conf / "pgbouncer.ini", text);
  if (written) written = write(pgbouncer_users(plan_), users);
  if (!written) return fail(written.error());
  return text + users;
}

Status Cluster::start_door(const std::string& name) {
  const auto text = write_door(name);
  if (!text) return fail(text.error());
  // What the running one has read: who is killed between writing and telling tells it next time.
  const fs::path taken = plan_.dir / "run" / (name + ".taken");
  if (const auto id = door(name)) {
    const bool same = read_file(taken).value_or("") == *text;
    auto told = name == "haproxy" ? renew_haproxy(*id, same) : Status{};
    if (name == "pgbouncer") send_signal(*id, SIGHUP);  // also for certificates
    if (told && !same) told = write(taken, *text);
    return told;
  }
  const auto program = find_server(name);
  if (!program) return fail(program.error());
  const std::string conf = (plan_.dir / "conf").string();
  Launch what;
  if (name == "haproxy") {
    // A master, which hands its ports on when it is to read a new configuration.
    what.argv = {*program, "-W", "-f", conf + "/haproxy.cfg"};
    if (auto fresh = write(plan_.dir / "run/haproxy.state", state_to_keep("1", plan_)); !fresh)
      return fresh;
  } else {
    what.argv = {*program, conf + "/pgbouncer.ini"};
  }
  what.working_dir = plan_.dir;
  what.log_file = log_of(name);
  auto id = launch(what, account_);
  if (!id) return fail(id.error());
  auto done = write_pid_file(plan_.dir / "run" / (name + ".pid"), *id);
  if (done) done = write(taken, *text);
  if (!done) return done;
  // It ends within moments where something is wrong with its configuration.
  if (!wait_gone(*id, milliseconds(300))) return {};
  return fail(Code::io, name + " ended at once", fmt::format("See {}.", what.log_file.string()));
}

Status Cluster::start_doors() {
  for (const auto& name : doors())
    if (auto started = start_door(name); !started) return started;
  return {};
}

/// New certificates by its socket: a new process would take all servers for well at first, and the
/// connections that are open would stay with one that watches no server. A new configuration needs
/// that; then the new one learns what the former knew of the servers.
Status Cluster::renew_haproxy(ProcessId id, bool same) const {
  const auto socket = haproxy_socket(plan_);
  if (!same) {
    const auto state = ask_haproxy(socket, "show servers state", seconds(2));
    if (!state) return fail(state.error());
    auto kept = write(plan_.dir / "run/haproxy.state", state_to_keep(*state, plan_));
    if (kept && !send_signal(id, SIGUSR2)) kept = fail(Code::unavailable, "HAProxy has ended");
    return kept;
  }
  if (!plan_.tls) return {};
  const std::string file = plan_.certificate("haproxy", "server.pem");
  auto answer = ask_haproxy(socket,
                            fmt::format("set ssl cert {} <<\n{}", file,
                                        without_empty_lines(read_file(file).value_or(""))),
                            seconds(2));
  if (answer) answer = ask_haproxy(socket, "commit ssl cert " + file, seconds(10));
  if (!answer) return fail(answer.error());
  if (answer->find("Success") != std::string::npos) return {};
  std::replace(answer->begin(), answer->end(), '\n', ' ');
  return fail(Code::rejected, "HAProxy does not take its certificate: " + *answer);
}

Status Cluster::stop_door(const std::string& name, Duration timeout) {
  const auto all = door_processes(name);
  for (const auto& id : all) send_signal(id, SIGCONT);
  if (!all.empty()) send_signal(all.front(), SIGTERM);
  const Instant until = runtime::now() + timeout;
  for (const auto& id : all) {
    if (wait_gone(id, std::max<Duration>(until - runtime::now(), milliseconds(1)))) continue;
    send_signal(id, SIGKILL);
    if (!wait_gone(id, seconds(5)))
      return fail(Code::timeout, fmt::format("{} (pid {}) does not end", name, id.pid));
  }
  return {};
}

bool Cluster::kill_door(const std::string& name) {
  const bool any = door(name).has_value();
  return any && kill_all([&] { return door_processes(name); });
}

DoorView Cluster::look_at_door(const std::string& name, Duration timeout) const {
  DoorView view;
  view.name = name;
  view.alive = door(name).has_value();
  if (!view.alive || name != "haproxy") return view;
  if (const auto state =
          ask_haproxy(haproxy_socket(plan_), "show servers state read-write", timeout))
    view.primary = chosen_server(*state);
  return view;
}

/// Where a role is not known to PgBouncer itself, it asks the database: by a function that only it
/// may call, in the databases that are there and those that will be.
Status Cluster::open_lookup() const {
  if (!plan_.door || plan_.door->pooler == 0) return {};
  const auto primary = leader();
  if (!primary) return fail(Code::unavailable, "the cluster has no leader");
  for (const char* database : {"postgres", "template1"}) {
    const Connection conn(PQconnectdb((conninfo(*primary) + " dbname=" + database).c_str()));
    const auto failed = [&] {
      std::string why = PQerrorMessage(conn.get());
      why = why.substr(0, why.find('\n'));
      return fail(Code::unavailable,
                  fmt::format("PgBouncer's way to look roles up, in {}: {}", database, why));
    };
    PQsetNoticeProcessor(conn.get(), [](void*, const char*) {}, nullptr);
    if (PQstatus(conn.get()) != CONNECTION_OK) return failed();
    const Answer there(
        PQexec(conn.get(), "SELECT to_regprocedure('pgbouncer.user_lookup(text)') IS NOT NULL"));
    if (PQresultStatus(there.get()) != PGRES_TUPLES_OK) return failed();
    if (PQgetvalue(there.get(), 0, 0)[0] == 't') continue;
    // The password itself does not come near the server's log.
    const std::unique_ptr<char, decltype(&PQfreemem)> verifier(
        PQencryptPasswordConn(conn.get(), secrets_.pooler.c_str(), "pgbouncer", "scram-sha-256"),
        PQfreemem);
    if (!verifier) return failed();
    const std::string sql = fmt::format(
        "DO $$ BEGIN IF to_regrole('pgbouncer') IS NULL THEN\n"
        "  CREATE ROLE pgbouncer LOGIN CONNECTION LIMIT 20; END IF; END $$;\n"
        "ALTER ROLE pgbouncer PASSWORD '{}';\n{}",
        verifier.get(), lookup_sql());
    const Answer done(PQexec(conn.get(), sql.c_str()));
    if (PQresultStatus(done.get()) != PGRES_COMMAND_OK) return failed();
  }
  return {};
}

std::string Cluster::door_conninfo(Way way, Access access) const {
  const auto pairs = door_pairs(plan_, way, access);
  return pairs.empty() ? pairs : pairs + " password=" + secrets_.superuser;
}

}  // namespace aurum::stack
