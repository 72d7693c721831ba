#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "stack/bench.h"
#include "stack/nap.h"

namespace aurum::stack {

namespace {

constexpr std::array<std::pair<std::string_view, Fault>, 7> kFaults = {{
    {"pg-kill", Fault::pg_kill},
    {"switchover", Fault::switchover},
    {"node-kill", Fault::node_kill},
    {"agent-kill", Fault::agent_kill},
    {"agent-stop", Fault::agent_stop},
    {"pg-freeze", Fault::pg_freeze},
    {"etcd-leader-kill", Fault::etcd_leader_kill},
}};

std::optional<Instant> moment(std::int64_t ns) {
  if (ns == 0) return std::nullopt;
  return Instant{ns};
}

/// Proportional share of memory, kB (proc(5), smaps_rollup).
std::uint64_t pss_kb(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/smaps_rollup", pid));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("Pss:")) return std::strtoull(line.c_str() + 4, nullptr, 10);
  }
  return 0;
}

/// User and system time of a process, in clock ticks: fields 14 and 15 of /proc/PID/stat.
std::uint64_t cpu_ticks(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto close = text.rfind(')');
  if (close == std::string::npos) return 0;
  std::istringstream rest(text.substr(close + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  std::uint64_t user = 0, system = 0;
  rest >> user >> system;
  return user + system;
}

/// Agent, guard and helpers, without PostgreSQL.
std::vector<ProcessId> agent_side(const Cluster& cluster, std::size_t node) {
  auto all = cluster.processes(node, Part::node);
  const auto server = cluster.processes(node, Part::postgres);
  std::erase_if(all, [&](const ProcessId& id) {
    return std::find(server.begin(), server.end(), id) != server.end();
  });
  return all;
}

}  // namespace

std::string_view to_string(Fault fault) {
  for (const auto& [name, value] : kFaults) {
    if (value == fault) return name;
  }
  return "?";
}

Result<Fault> fault_from(std::string_view name) {
  std::string known;
  for (const auto& [word, value] : kFaults) {
    if (word == name) return value;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", word);
  }
  return fail(Code::invalid, fmt::format("no event \"{}\"", name),
              fmt::format("There are {}.", known));
}

bool moves_leader(Fault fault) {
  return fault == Fault::node_kill || fault == Fault::pg_freeze || fault == Fault::switchover ||
         lasts(fault);
}

bool lasts(Fault fault) { return fault == Fault::agent_kill || fault == Fault::agent_stop; }

PhaseWatch::PhaseWatch(const Cluster& cluster, LeaderKey before)
    : cluster_(cluster),
      before_(std::move(before)),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

PhaseWatch::~PhaseWatch() = default;

PhaseWatch::Phases PhaseWatch::seen() const {
  const std::size_t owner = owner_;
  return {moment(detected_), moment(acquired_), moment(promoted_),
          owner == kNobody ? std::nullopt : std::optional(owner)};
}

void PhaseWatch::watch(const std::stop_token& stop) {
  while (!stop.stop_requested() && promoted_ == 0) {
    const auto key = cluster_.leader_key();
    if (key) {
      const bool changed = key->value != before_.value || key->mod_revision != before_.mod_revision;
      if (changed && detected_ == 0) detected_ = runtime::now().ns;
      if (changed && !key->value.empty()) {
        if (acquired_ == 0) acquired_ = runtime::now().ns;
        for (std::size_t i = 0; i < cluster_.plan().nodes.size(); ++i) {
          if (cluster_.plan().nodes[i].name == key->value) owner_ = i;
        }
      }
    }
    if (owner_ != kNobody) {
      auto reply = cluster_.rest(owner_, "GET", "/primary", {}, milliseconds(300));
      // 200 on /primary needs the key, a running server and its role.
      if (reply && reply->status == 200) promoted_ = runtime::now().ns;
    }
    nap(milliseconds(10));
  }
}

Cost measure_cost(const Cluster& cluster, Duration over) {
  Cost cost;
  std::map<pid_t, std::uint64_t> before;
  const std::size_t nodes = cluster.plan().nodes.size();
  for (std::size_t i = 0; i < nodes; ++i) {
    for (const auto& id : agent_side(cluster, i)) before[id.pid] = cpu_ticks(id.pid);
  }
  const Instant from = runtime::now();
  nap(over);
  std::uint64_t ticks = 0, kb = 0;
  for (const auto& [pid, then] : before) {
    const auto now_ticks = cpu_ticks(pid);
    ticks += now_ticks > then ? now_ticks - then : 0;
    kb += pss_kb(pid);
  }
  const double took = to_seconds(runtime::now() - from);
  const auto n = static_cast<double>(nodes);
  cost.pss_mb = static_cast<double>(kb) / 1024.0 / n;
  cost.cpu_percent =
      100.0 * static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK)) / took / n;
  return cost;
}

}  // namespace aurum::stack
