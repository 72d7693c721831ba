#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "cli/prompt.h"
#include "cli/session.h"
#include "cli/timestamp.h"

/// switchover and failover.
namespace aurum::cli {

namespace {

/// The agent answers within 2·max(10, loop_wait) (§2.6.2).
constexpr Duration kCallTimeout = std::chrono::minutes(5);

enum class Action { switchover, failover };

std::string_view word(Action action) {
  return action == Action::switchover ? "switchover" : "failover";
}
std::string_view title(Action action) {
  return action == Action::switchover ? "Switchover" : "Failover";
}

struct Plan {
  ClusterId cluster;
  model::ClusterView view;
  Action action = Action::switchover;
  std::vector<std::string> candidates;  ///< who may take over, sorted
  model::FailoverRequest request;
};

Status choose_leader(Session& session, Plan& plan) {
  const std::string current = plan.view.leader_name();
  if (plan.action == Action::failover) return {};
  if (current.empty())
    return fail(
        Code::rejected, "This cluster has no leader",
        "Without a leader there is nothing to hand over; `failover` makes a replica the leader.");
  std::string leader = session.options.leader;
  if (leader.empty() && !session.options.force) {
    const model::Member* member = plan.view.leader_member();
    const bool standby = member != nullptr && member->role == model::Role::standby_leader;
    auto answer = ask(session.console, standby ? "Standby Leader" : "Primary", current);
    if (!answer) return fail(answer.error());
    leader = std::move(*answer);
  }
  if (leader.empty()) leader = current;
  if (leader != current)
    return fail(Code::rejected, fmt::format("Member {} is not the leader of cluster {}", leader,
                                            plan.cluster.scope));
  plan.request.leader = leader;
  return {};
}

std::string quoted(const std::vector<std::string>& names) {
  return names.empty() ? "[]" : fmt::format("['{}']", fmt::join(names, "', '"));
}

Status choose_candidate(Session& session, Plan& plan) {
  if (plan.candidates.empty())
    return fail(Code::not_found, fmt::format("No candidates found to {} to", word(plan.action)),
                unknown_cluster_hint(session, plan.cluster, plan.view));
  std::string candidate = session.options.candidate;
  if (candidate.empty() && !session.options.force) {
    auto answer = ask(session.console, fmt::format("Candidate {}", quoted(plan.candidates)), "");
    if (!answer) return fail(answer.error());
    candidate = std::move(*answer);
  }
  if (candidate.empty() && plan.action == Action::failover)
    return fail(Code::invalid, "Failover could be performed only to a specific candidate");
  if (candidate.empty()) return {};
  if (candidate == plan.view.leader_name())
    return fail(Code::invalid, fmt::format("Member {} is already the leader of cluster {}",
                                           candidate, plan.cluster.scope));
  if (std::find(plan.candidates.begin(), plan.candidates.end(), candidate) == plan.candidates.end())
    return fail(Code::not_found,
                fmt::format("Member {} does not exist in cluster {} or is tagged as nofailover",
                            candidate, plan.cluster.scope));
  plan.request.candidate = candidate;
  return {};
}

Status choose_time(Session& session, Plan& plan) {
  if (plan.action == Action::failover) return {};
  std::string text = session.options.scheduled.empty() ? "now" : session.options.scheduled;
  if (session.options.scheduled.empty() && !session.options.force) {
    auto answer = ask(session.console,
                      fmt::format("When should the switchover take place (e.g. {} ) ",
                                  example_schedule(session.world.wall_now())),
                      "now");
    if (!answer) return fail(answer.error());
    text = std::move(*answer);
  }
  const auto at = parse_schedule(text);
  if (!at) return fail(at.error());
  if (!at->empty() && is_paused(plan.view))
    return fail(Code::rejected, "Can't schedule switchover in the paused state",
                "Run `resume` first, or switch over now.");
  plan.request.scheduled_at = *at;
  return {};
}

Status agree(Session& session, const Plan& plan) {
  if (session.options.force) return {};
  const std::string leader = plan.view.leader_name();
  const std::string demoting =
      leader.empty() ? "" : fmt::format(", demoting current leader {}", leader);
  const std::string& at = plan.request.scheduled_at;
  const std::string question =
      at.empty() ? fmt::format("Are you sure you want to {} cluster {}{}?", word(plan.action),
                               plan.cluster.scope, demoting)
                 : fmt::format("Are you sure you want to schedule {} of cluster {} at {}{}?",
                               word(plan.action), plan.cluster.scope, at, demoting);
  const auto agreed = confirm(session.console, question);
  if (!agreed) return fail(agreed.error());
  if (!*agreed)
    return fail(Code::cancelled,
                fmt::format("Aborting {}{}", at.empty() ? "" : "scheduled ", word(plan.action)));
  return {};
}

/// A failover names no leader: with one, the agent would take it for a switchover (§9.9).
std::string request_body(const Plan& plan) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? model::Value() : model::Value(text);
  };
  model::Value body = model::Value::object();
  if (plan.action == Action::switchover) body.set("leader", or_null(plan.request.leader));
  body.set("candidate", or_null(plan.request.candidate));
  if (plan.action == Action::switchover)
    body.set("scheduled_at", or_null(plan.request.scheduled_at));
  return model::to_json_loose(body);
}

/// The leader decides; without one the candidate will.
const model::Member* addressee(const Plan& plan) {
  if (const model::Member* leader = plan.view.leader_member()) return leader;
  return plan.view.member(plan.request.candidate);
}

/// The agents watch the key and act on it even when their REST API can not be reached from here.
/// Writing it twice is harmless: a switchover names the leader it starts from.
Status write_failover_key(Session& session, const Plan& plan) {
  session.console.out << fmt::format("{} Could not {} using Patroni api, falling back to DCS\n",
                                     local_fraction(session.world.wall_now()), word(plan.action));
  model::Txn txn;
  txn.then.push_back({model::Write::What::put, "failover", model::encode_failover(plan.request)});
  const auto done = session.world.txn(plan.cluster, std::move(txn));
  if (!done) return fail(done.error());
  return {};
}

/// True when the request was taken and the outcome is worth showing.
Result<bool> carry_out(Session& session, const Plan& plan) {
  const model::Member* member = addressee(plan);
  const auto path = fmt::format("/{}", word(plan.action));
  const auto reply = member == nullptr ? Result<Reply>(fail(Code::unavailable, "no member to ask"))
                                       : session.world.call(*member, "POST", path,
                                                            request_body(plan), kCallTimeout);
  if (!reply) {
    if (const auto written = write_failover_key(session, plan); !written)
      return fail(written.error());
    return true;
  }
  if (reply->status != 200 && reply->status != 202) {
    session.console.out << fmt::format("{} failed, details: {}, {}\n", title(plan.action),
                                       reply->status, reply->body);
    return false;
  }
  session.console.out << fmt::format("{} {}\n", local_fraction(session.world.wall_now()),
                                     reply->body);
  return true;
}

Done run(Session& session, Action action) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  Plan plan{*cluster, std::move(*view), action, {}, {}};
  session.console.out << "Current cluster topology\n";
  print_members(session, plan.cluster, plan.view);
  for (const auto& [name, member] : plan.view.members)
    if (name != plan.view.leader_name() && !model::tag_nofailover(member))
      plan.candidates.push_back(name);

  for (const auto step : {choose_leader, choose_candidate, choose_time})
    if (const auto done = step(session, plan); !done) return fail(done.error());
  if (const auto agreed = agree(session, plan); !agreed) return fail(agreed.error());
  const auto taken = carry_out(session, plan);
  if (!taken) return fail(taken.error());
  if (!*taken) return 0;
  const auto after = session.world.read(plan.cluster);
  if (!after) return fail(after.error());
  print_members(session, plan.cluster, *after);
  return 0;
}

}  // namespace

Done run_switchover(Session& session) { return run(session, Action::switchover); }
Done run_failover(Session& session) { return run(session, Action::failover); }

}  // namespace aurum::cli
