// `aurum stack upgrade`: every node comes onto the programs that are installed now, one after the
// other, while the cluster serves.

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "stack/cluster.h"
#include "stack/interrupts.h"
#include "stack/nap.h"
#include "stack/stack_options.h"
#include "stack/terminal.h"
#include "stack/versions.h"

namespace aurum::stack {

namespace {

using json = nlohmann::ordered_json;

/// A WAL segment: what a replica shows that keeps up, its position being a moment old.
constexpr std::uint64_t kLagMaxBytes = 16U << 20U;
constexpr Duration kLookEvery = milliseconds(200);

class Upgrade {
 public:
  Upgrade(Cluster& cluster, const StackOptions& options)
      : cluster_(cluster), options_(options), progress_(options.json) {}

  Status run();
  int tell(const Status& done);

 private:
  struct Node {
    std::string name;
    Versions before;
    Versions installed;
    bool restarted = false;
    bool current() const { return before == installed; }
  };

  Status look();
  Status await_whole();
  std::string trouble(const View& view) const;
  bool to_do(std::size_t node) const;
  std::vector<std::size_t> candidates(const View& view) const;
  Status restart(std::size_t node);
  Status hand_over(std::size_t from, const View& view);
  /// Done, or the next step taken.
  Result<bool> advance();
  Duration timeout() const { return seconds(options_.timeout); }

  Cluster& cluster_;
  const StackOptions& options_;
  Interrupts interrupts_;
  Progress progress_;
  std::vector<Node> nodes_;
  std::vector<std::pair<std::string, std::string>> switchovers_;
};

/// Why the next node must not be touched yet; "" = it may.
std::string Upgrade::trouble(const View& view) const {
  if (!view.healthy()) return view.trouble;
  const std::uint64_t written = view.nodes[*view.leader].lsn;
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    const NodeView& n = view.nodes[i];
    if (i == *view.leader) continue;
    // A foreign agent need not say it of itself; the leader's list of senders is in healthy().
    if (cluster_.plan().agent_of(i).empty() && !n.streaming)
      return fmt::format("{} does not stream", n.name);
    if (written > n.lsn + kLagMaxBytes)
      return fmt::format("{} is {} MB behind", n.name, (written - n.lsn) >> 20U);
  }
  return {};
}

Status Upgrade::await_whole() {
  const Instant until = runtime::now() + timeout();
  for (;;) {
    const View view = cluster_.observe();
    const std::string why = trouble(view);
    if (why.empty()) return {};
    for (const auto& n : view.nodes) {
      if (n.agent_alive) continue;
      return fail(Code::unavailable, n.name + "'s agent does not run",
                  fmt::format("{} says why; `aurum stack up` starts it.",
                              cluster_.log_of(n.name).string()));
    }
    if (interrupts_.came())
      return fail(Code::cancelled, "interrupted while " + why, "Call it again to go on.");
    if (runtime::now() >= until) {
      return fail(Code::timeout, fmt::format("{} after {} s", why, options_.timeout),
                  fmt::format("See {}; when `aurum stack status` says healthy, call it again.",
                              (cluster_.plan().dir / "log").string()));
    }
    progress_.detail(why);
    nap(kLookEvery);
  }
}

/// What runs, what is installed, and whether the one can take the other's place.
Status Upgrade::look() {
  progress_.step("comparing what runs with what is installed");
  const View view = cluster_.observe();
  if (!view.anything_alive())
    return fail(Code::unavailable, "the stack is not running", "`aurum stack up` starts it.");
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    if (view.nodes[i].tag == "paused") {
      return fail(Code::rejected, "the cluster is paused, so nobody would take over",
                  fmt::format("`aurum ctl -c {} resume` first.", cluster_.config_of(i).string()));
    }
  }
  auto whole = await_whole();
  if (!whole) return whole;
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    auto installed = installed_versions(cluster_, i);
    if (!installed) return fail(installed.error());
    nodes_.push_back({view.nodes[i].name, running_versions(cluster_, i), *installed});
    const auto has = major_version(nodes_[i].before.postgres);
    const auto comes = major_version(installed->postgres);
    if (has.empty() || has == comes) continue;
    return fail(Code::invalid,
                fmt::format("PostgreSQL {} is installed, and {}'s data is of {}", comes,
                            view.nodes[i].name, has),
                "This is for minor versions; pg_upgrade is for the others.");
  }
  return {};
}

bool Upgrade::to_do(std::size_t node) const {
  const Node& n = nodes_[node];
  return !n.restarted && (options_.force || !n.current());
}

Status Upgrade::restart(std::size_t node) {
  Node& n = nodes_[node];
  progress_.step(n.current() ? fmt::format("{}: restarting", n.name)
                             : fmt::format("{}: {}", n.name, n.installed.text()));
  auto done = cluster_.stop_node(node, timeout());
  // Programs of ours are copied, where the account can not reach them, each time.
  if (done) done = cluster_.prepare();
  if (done) done = cluster_.start_node(node);
  if (done) done = await_whole();
  if (!done) return done;
  n.restarted = true;
  const Versions now = running_versions(cluster_, node);
  if (now == n.installed) return {};
  return fail(
      Code::internal,
      fmt::format("{} runs {} after its restart, not {}", n.name, now.text(), n.installed.text()),
      "Was something installed meanwhile? Call it again.");
}

/// Who may lead next, the best first: those that are done; a synchronous one where there are some.
std::vector<std::size_t> Upgrade::candidates(const View& view) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (i != *view.leader && !to_do(i)) found.push_back(i);
  std::sort(found.begin(), found.end(), [&](std::size_t a, std::size_t b) {
    const NodeView &x = view.nodes[a], &y = view.nodes[b];
    return x.sync != y.sync ? x.sync : x.lsn > y.lsn;
  });
  return found;
}

Status Upgrade::hand_over(std::size_t from, const View& view) {
  const auto able = candidates(view);
  const std::string& to = nodes_[able.front()].name;
  progress_.step(fmt::format("switchover from {} to {}", nodes_[from].name, to));
  const Instant until = runtime::now() + timeout();
  for (;;) {
    const auto done = cluster_.switchover(to);
    // An answer may be lost, and a refusal be of the moment: who leads decides.
    const auto now = cluster_.leader();
    if (now && *now != from) {
      switchovers_.emplace_back(nodes_[from].name, nodes_[*now].name);
      return await_whole();
    }
    if (!done && (interrupts_.came() || runtime::now() >= until)) {
      return fail(done.error().code, done.error().message,
                  fmt::format("{} leads on. `aurum ctl -c {} switchover` says more; then call it "
                              "again.",
                              nodes_[from].name, cluster_.config_of(from).string()));
    }
    if (done && runtime::now() >= until)
      return fail(Code::timeout, "the switchover ended without a leader", "`aurum stack status`");
    nap(kLookEvery);
  }
}

Result<bool> Upgrade::advance() {
  auto whole = await_whole();
  if (!whole) return fail(whole.error());
  if (interrupts_.came())
    return fail(Code::cancelled, "interrupted between two nodes", "Call it again to go on.");
  const View view = cluster_.observe();
  if (!view.leader) return true;  // it went just now: whole again first
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i == *view.leader || !to_do(i)) continue;
    auto done = restart(i);
    if (!done) return fail(done.error());
    return true;
  }
  if (!to_do(*view.leader)) return false;
  auto done = nodes_.size() == 1 ? restart(*view.leader) : hand_over(*view.leader, view);
  if (!done) return fail(done.error());
  return true;
}

Status Upgrade::run() {
  auto done = look();
  if (!done) return done;
  // Each step is a restart or a switchover; more of them only when leaders fail meanwhile.
  for (std::size_t step = 0; step < 3 * nodes_.size() + 3; ++step) {
    const auto more = advance();
    if (!more) return fail(more.error());
    if (!*more) return {};
  }
  return fail(Code::unavailable, "the leader changes again and again",
              "See what `aurum ctl history` says; then call it again.");
}

int Upgrade::tell(const Status& done) {
  if (done)
    progress_.finish();
  else
    progress_.broken();
  const auto restarted =
      std::count_if(nodes_.begin(), nodes_.end(), [](const Node& n) { return n.restarted; });
  if (options_.json) {
    json doc = {{"done", done.has_value()},
                {"seconds", to_seconds(progress_.total())},
                {"nodes", json::array()},
                {"switchovers", json::array()}};
    for (const auto& n : nodes_) {
      doc["nodes"].push_back(
          {{"name", n.name},
           {"restarted", n.restarted},
           {"before", {{"postgres", n.before.postgres}, {"agent", n.before.agent}}},
           {"installed", {{"postgres", n.installed.postgres}, {"agent", n.installed.agent}}}});
    }
    for (const auto& [from, to] : switchovers_)
      doc["switchovers"].push_back({{"from", from}, {"to", to}});
    std::printf("%s\n", doc.dump(2).c_str());
  }
  if (!done) return report(done.error());
  if (options_.json) return 0;
  if (restarted == 0) {
    std::printf("All %zu nodes run what is installed already: %s.\n", nodes_.size(),
                nodes_[0].installed.text().c_str());
    std::printf("`%s stack upgrade --force` restarts them all the same.\n", own_name().c_str());
  } else {
    std::printf("%td of %zu nodes restarted in %.1f s: %s.\n", restarted, nodes_.size(),
                to_seconds(progress_.total()), nodes_[0].installed.text().c_str());
  }
  return 0;
}

int upgrade(Cluster& cluster, const StackOptions& options) {
  Upgrade upgrade(cluster, options);
  return upgrade.tell(upgrade.run());
}

}  // namespace

int run_upgrade(const StackOptions& options) { return on_stack(options, upgrade); }

}  // namespace aurum::stack
