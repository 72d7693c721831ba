#include <algorithm>
#include <fstream>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "stack/cluster.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

void add(std::vector<ProcessId>& to, const std::vector<ProcessId>& more) {
  for (const auto& id : more) {
    if (std::find(to.begin(), to.end(), id) == to.end()) to.push_back(id);
  }
}

/// The last line of a log that says something, for the error of a process which ended at once.
std::string last_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line, last;
  while (std::getline(in, line)) {
    if (!line.empty()) last = line;
  }
  return last.substr(0, 300);
}

bool signal_all(const std::vector<ProcessId>& ids, int signal) {
  bool any = false;
  for (const auto& id : ids) any = send_signal(id, signal) || any;
  return any;
}

}  // namespace

/// Stands in the environment of an agent and of what it starts: the way back to a guard whose agent
/// is gone.
std::string Cluster::marker(std::size_t node) const {
  return fmt::format("AURUM_STACK_NODE={}", data_of(node).string());
}

std::optional<ProcessId> Cluster::etcd(std::size_t member) const {
  return read_pid_file(plan_.dir / "run" / (plan_.etcds.at(member).name + ".pid"));
}

std::optional<ProcessId> Cluster::agent(std::size_t node) const {
  return read_pid_file(plan_.dir / "run" / (plan_.nodes.at(node).name + ".pid"));
}

std::optional<ProcessId> Cluster::postmaster(std::size_t node) const {
  // First line of postmaster.pid (PostgreSQL manual, "Database File Layout"). The file survives a
  // crash, so the process counts only while it works in this very directory.
  std::ifstream in(data_of(node) / "postmaster.pid");
  pid_t pid = 0;
  if (!(in >> pid) || pid <= 0) return std::nullopt;
  const auto info = inspect(pid);
  std::error_code ec;
  const auto cwd = fs::read_symlink(fmt::format("/proc/{}/cwd", pid), ec);
  if (!info || ec || cwd != data_of(node) || !alive(info->id)) return std::nullopt;
  return info->id;
}

std::vector<ProcessId> Cluster::processes(std::size_t node, Part part) const {
  std::vector<ProcessId> found;
  if (part == Part::agent) {
    if (auto id = agent(node)) found.push_back(*id);
    return found;
  }
  auto server = working_in(data_of(node));
  if (auto id = postmaster(node)) add(server, with_descendants({*id}));
  if (part == Part::postgres) return server;
  // The environment also names helpers of an agent that died, and the guard, which outlives its
  // agent.
  auto roots = with_environment(marker(node));
  if (auto id = agent(node)) add(roots, {*id});
  found = with_descendants(roots);
  add(found, server);
  return found;
}

bool Cluster::kill(std::size_t node, Part part) {
  if (processes(node, part).empty()) return false;
  if (part == Part::node) return kill_all([&] { return processes(node, part); });
  const auto victims = processes(node, part);
  const bool any = signal_all(victims, SIGKILL);
  for (const auto& id : victims) wait_gone(id, seconds(5));
  return any;
}

bool Cluster::freeze(std::size_t node, Part part) {
  return signal_all(processes(node, part), SIGSTOP);
}
bool Cluster::thaw(std::size_t node, Part part) {
  return signal_all(processes(node, part), SIGCONT);
}

bool Cluster::kill_etcd(std::size_t member) {
  const auto id = etcd(member);
  return id && send_signal(*id, SIGKILL) && wait_gone(*id, seconds(5));
}
bool Cluster::freeze_etcd(std::size_t member) {
  const auto id = etcd(member);
  return id && send_signal(*id, SIGSTOP);
}
bool Cluster::thaw_etcd(std::size_t member) {
  const auto id = etcd(member);
  return id && send_signal(*id, SIGCONT);
}

bool Cluster::kill_everything() {
  return kill_all([&] {
    std::vector<ProcessId> all;
    for (std::size_t i = 0; i < plan_.nodes.size(); ++i) add(all, processes(i, Part::node));
    for (std::size_t i = 0; i < plan_.etcds.size(); ++i) {
      if (auto id = etcd(i)) all.push_back(*id);
    }
    for (const auto& name : doors()) add(all, door_processes(name));
    return all;
  });
}

Status Cluster::start_etcd(std::size_t member) {
  const EtcdPlan& me = plan_.etcds.at(member);
  if (etcd(member)) return {};
  if (etcd_program_.empty()) {
    auto ready = prepare();
    if (!ready) return ready;
  }
  Launch what;
  what.argv = {etcd_program_};
  for (auto& word : etcd_arguments(plan_, secrets_, member)) what.argv.push_back(std::move(word));
  what.working_dir = plan_.dir;
  what.log_file = log_of(me.name);
  what.network_namespace = me.network_namespace;
  auto id = launch(what, account_);
  if (!id) return fail(id.error());
  return write_pid_file(plan_.dir / "run" / (me.name + ".pid"), *id);
}

Status Cluster::start_node(std::size_t node) {
  const NodePlan& me = plan_.nodes.at(node);
  if (agent(node)) return {};
  if (agent_commands_.empty()) {
    auto ready = prepare();
    if (!ready) return ready;
  }
  Launch what;
  what.argv = agent_commands_.at(node);
  what.argv.push_back(config_of(node).string());
  what.environment = {marker(node),
                      "HOME=" + (plan_.dir / "run").string(),
                      "LANG=C.UTF-8",
                      "LC_ALL=C.UTF-8",
                      "USER=" + account_.name,
                      "LOGNAME=" + account_.name};
  what.working_dir = plan_.dir;
  what.log_file = log_of(me.name);
  what.network_namespace = me.network_namespace;
  auto id = launch(what, account_);
  if (!id) return fail(id.error());
  auto written = write_pid_file(plan_.dir / "run" / (me.name + ".pid"), *id);
  if (!written) return written;
  // A wrong argument or configuration ends it within moments: say so here, not after a long wait.
  if (wait_gone(*id, milliseconds(150))) {
    return fail(Code::io,
                fmt::format("{}: the agent ended at once: {}", me.name, last_line(what.log_file)),
                fmt::format("See {}.", what.log_file.string()));
  }
  return {};
}

Status Cluster::stop_etcd(std::size_t member, Duration timeout) {
  const auto id = etcd(member);
  if (!id) return {};
  send_signal(*id, SIGCONT);
  send_signal(*id, SIGTERM);
  if (wait_gone(*id, timeout)) return {};
  send_signal(*id, SIGKILL);
  if (wait_gone(*id, seconds(5))) return {};
  return fail(Code::timeout,
              fmt::format("{} (pid {}) does not end", plan_.etcds[member].name, id->pid));
}

Status Cluster::stop_node(std::size_t node, Duration timeout) {
  const Instant until = runtime::now() + timeout;
  thaw(node, Part::node);
  if (const auto id = agent(node)) {
    send_signal(*id, SIGTERM);
    wait_gone(*id, timeout);
  }
  // A server whose agent is gone: SIGINT is PostgreSQL's fast stop (manual, "Shutting Down the
  // Server").
  if (const auto id = postmaster(node)) {
    send_signal(*id, SIGINT);
    wait_gone(*id, std::max<Duration>(until - runtime::now(), seconds(5)));
  }
  // A guard that lost its agent waits a while for the next one, unless it is told to end.
  for (const auto& id : processes(node, Part::node)) send_signal(id, SIGTERM);
  for (const auto& id : processes(node, Part::node)) wait_gone(id, seconds(5));
  if (processes(node, Part::node).empty()) return {};
  const bool gone = kill_all([&] { return processes(node, Part::node); });
  if (gone) {
    return fail(Code::timeout, fmt::format("{} did not stop in {:.0f} s and was killed",
                                           plan_.nodes[node].name, to_seconds(timeout)));
  }
  return fail(Code::timeout, fmt::format("{} does not end", plan_.nodes[node].name));
}

}  // namespace aurum::stack
