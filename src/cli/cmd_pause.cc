#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "cli/session.h"

/// pause and resume.
namespace aurum::cli {

namespace {

constexpr Duration kCallTimeout = seconds(10);
constexpr Duration kPoll = seconds(1);
/// Longer than any sensible loop_wait: a member that has not seen it by then will not.
constexpr Duration kWaitMax = std::chrono::minutes(10);

/// Waits until the members that were there when the request was sent show it; one that goes away
/// does not count.
Status wait_for_members(Session& session, const ClusterId& cluster,
                        const model::ClusterView& before, bool paused) {
  session.console.out << fmt::format(
                             "'{}' request sent, waiting until it is recognized by all nodes\n",
                             paused ? "pause" : "resume")
                      << std::flush;
  std::vector<model::Member> late;
  for (Duration waited{}; waited < kWaitMax; waited += kPoll) {
    const auto now = session.world.read(cluster);
    if (!now) return fail(now.error());
    late.clear();
    for (const auto& [name, member] : before.members)
      if (const auto* seen = now->member(name); seen != nullptr && seen->pause != paused)
        late.push_back(*seen);
    if (late.empty()) return {};
    session.world.sleep(kPoll);
  }
  return fail(Code::timeout, fmt::format("{} did not recognize the request", joined_names(late)),
              "The setting is stored; look at the log of these members.");
}

Done toggle(Session& session, bool paused) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  if (is_paused(*view) == paused)
    return fail(Code::rejected, fmt::format("Cluster is {} paused", paused ? "already" : "not"));
  model::Value body = model::Value::object();
  body.set("pause", paused ? model::Value(true) : model::Value());

  auto members = members_with_role(*view, "leader");
  for (auto& member : members_with_role(*view, "replica")) members.push_back(std::move(member));
  for (const auto& member : members) {
    const auto reply =
        session.world.call(member, "PATCH", "/config", model::to_json_loose(body), kCallTimeout);
    if (!reply) continue;
    if (reply->status != 200) {
      session.console.out << fmt::format("Failed: {} cluster management status code={}, ({})\n",
                                         paused ? "pause" : "resume", reply->status, reply->body);
      return 0;
    }
    if (session.options.wait)
      if (const auto seen = wait_for_members(session, *cluster, *view, paused); !seen)
        return fail(seen.error());
    session.console.out << fmt::format("Success: cluster management is {}\n",
                                       paused ? "paused" : "resumed");
    return 0;
  }
  return fail(Code::unavailable, "Can not find accessible cluster member",
              unknown_cluster_hint(session, *cluster, *view));
}

}  // namespace

Done run_pause(Session& session) { return toggle(session, true); }
Done run_resume(Session& session) { return toggle(session, false); }

}  // namespace aurum::cli
