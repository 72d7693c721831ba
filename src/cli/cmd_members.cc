#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <ostream>

#include <fmt/format.h>

#include "cli/prompt.h"
#include "cli/restart_order.h"
#include "cli/session.h"
#include "cli/timestamp.h"

/// Commands that send one REST call to each chosen member: restart, reload, reinit, flush.
namespace aurum::cli {

namespace {

constexpr Duration kCallTimeout = seconds(30);
/// A restart is answered when it is over, and recovery after it may be long.
constexpr Duration kRestartTimeout = std::chrono::minutes(30);
constexpr Duration kReplayPoll = milliseconds(200);
constexpr Duration kReplayWaitMax = seconds(20);
constexpr Duration kReinitPoll = seconds(2);
constexpr Duration kReinitWaitMax = std::chrono::hours(24 * 7);

struct Chosen {
  ClusterId cluster;
  model::ClusterView view;
  std::vector<model::Member> members;
};

std::vector<std::string> member_names(const Options& options) {
  if (options.names.empty()) return {};
  return {options.names.begin() + 1, options.names.end()};
}

/// Reads the cluster, shows it, and picks the members.
Result<Chosen> show_and_choose(Session& session, std::string_view fallback_role,
                               const std::vector<std::string>& names) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  auto view = read_known(session, *cluster);
  if (!view) return fail(view.error());
  print_members(session, *cluster, *view);
  const std::string_view role =
      session.options.role.empty() ? fallback_role : std::string_view(session.options.role);
  auto members = select_members(*view, *cluster, role, names);
  if (!members) return fail(members.error());
  return Chosen{*cluster, std::move(*view), std::move(*members)};
}

/// X.Y for 10 and later, X.Y.Z before.
bool is_server_version(std::string_view text) {
  std::vector<int> parts = {0};
  bool digits = false;
  for (const char c : text) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      if (parts.back() > 9999) return false;
      parts.back() = parts.back() * 10 + (c - '0');
      digits = true;
    } else if (c == '.' && digits) {
      parts.push_back(0);
      digits = false;
    } else {
      return false;
    }
  }
  return digits && parts.size() == (parts[0] >= 10 ? 2U : 3U);
}

/// The moment of a restart, "" for now: from --scheduled, else asked for.
Result<std::string> restart_schedule(Session& session, const Chosen& chosen) {
  const Options& o = session.options;
  std::string text = o.scheduled.empty() ? "now" : o.scheduled;
  if (o.scheduled.empty() && !o.force) {
    auto answer = ask(session.console,
                      fmt::format("When should the restart take place (e.g. {}) ",
                                  example_schedule(session.world.wall_now())),
                      "now");
    if (!answer) return answer;
    text = std::move(*answer);
  }
  auto at = parse_schedule(text);
  if (at && !at->empty() && is_paused(chosen.view))
    return fail(Code::rejected, "Can't schedule restart in the paused state",
                "Run `resume` first, or restart now.");
  return at;
}

Status agree_on_restart(Session& session, const Chosen& chosen, const std::string& at) {
  if (at.empty()) return agree_on_members(session, "restart", chosen.members);
  if (session.options.force) return {};
  const auto agreed = confirm(
      session.console, fmt::format("Are you sure you want to schedule restart of members {} at {}?",
                                   joined_names(chosen.members), with_blank(at)));
  if (!agreed) return fail(agreed.error());
  if (!*agreed) return fail(Code::cancelled, "Aborted scheduled restart");
  return {};
}

Result<std::string> restart_version(Session& session) {
  const Options& o = session.options;
  std::string version = o.pg_version;
  if (version.empty() && !o.force) {
    auto answer = ask(session.console,
                      "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2) ", "");
    if (!answer) return answer;
    version = std::move(*answer);
  }
  if (!version.empty() && !is_server_version(version))
    return fail(
        Code::invalid,
        fmt::format("Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: {}", version));
  return version;
}

std::string restart_body(const Options& options, const std::string& version,
                         const std::string& at) {
  model::Value body = model::Value::object();
  if (options.pending) body.set("restart_pending", true);
  if (!version.empty()) body.set("postgres_version", version);
  if (!options.timeout.empty()) body.set("timeout", options.timeout);
  if (!at.empty()) body.set("schedule", at);
  return model::to_json_loose(body);
}

std::string restart_line(const model::Member& member, const Reply& reply) {
  if (reply.status == 200) return fmt::format("Success: restart on member {}\n", member.name);
  if (reply.status == 202)
    return fmt::format("Success: restart scheduled on member {}\n", member.name);
  if (reply.status == 409)
    return fmt::format("Failed: another restart is already scheduled on member {}\n", member.name);
  return failed_line("restart", member, reply);
}

std::optional<model::Value> status_of(Session& session, const model::Member& member) {
  const auto reply = session.world.call(member, "GET", "/patroni", {}, kCallTimeout);
  if (!reply) return std::nullopt;
  auto document = model::parse_json(reply->body);
  if (!document || !document->is_object()) return std::nullopt;
  return std::move(*document);
}

/// By what the store has of it, as Patroni 4 goes by, or by what it says itself: a setting that was
/// changed a moment ago may not be in the store yet.
bool needs_restart(Session& session, const model::Member& member) {
  if (member.pending_restart) return true;
  const auto status = status_of(session, member);
  const model::Value* flag = status ? status->find("pending_restart") : nullptr;
  return flag != nullptr && model::read_bool(*flag).value_or(false);
}

std::int64_t position_of(const model::Value& status, std::string_view key) {
  const model::Value* xlog = status.find("xlog");
  const model::Value* at = xlog != nullptr ? xlog->find(key) : nullptr;
  return at != nullptr && at->is_int() ? at->as_int() : 0;
}

/// A replica starts with the leader's lower settings only after it has replayed the record that
/// tells of them.
void await_replay(Session& session, const model::Member& leader,
                  const std::vector<model::Member>& members) {
  const auto status = status_of(session, leader);
  const std::int64_t target = status ? position_of(*status, "location") : 0;
  for (const auto& member : members) {
    if (member.name == leader.name) continue;
    for (Duration waited{}; waited < kReplayWaitMax; waited += kReplayPoll) {
      const auto seen = status_of(session, member);
      if (!seen || position_of(*seen, "replayed_location") >= target) break;
      session.world.sleep(kReplayPoll);
    }
  }
}

std::int64_t loop_wait_s(const model::ClusterView& view) {
  const model::Value* value = view.config.find("loop_wait");
  return value != nullptr ? model::read_int(*value).value_or(10) : 10;
}

std::string reload_line(const model::Member& member, const Reply& reply, std::int64_t within_s) {
  if (reply.status == 200) return fmt::format("No changes to apply on member {}\n", member.name);
  if (reply.status == 202)
    return fmt::format(
        "Reload request received for member {} and will be processed within {} seconds\n",
        member.name, within_s);
  return failed_line("reload", member, reply);
}

/// The names given, or the one asked for when there are none.
Result<std::vector<std::string>> reinit_names(Session& session, const model::ClusterView& view) {
  auto names = member_names(session.options);
  if (!names.empty()) return names;
  if (session.options.force)
    return fail(Code::invalid, "reinit --force needs the name of a member",
                "Its data directory is removed, so say which: reinit CLUSTER MEMBER --force.");
  const auto replicas = members_with_role(view, "replica");
  const auto answer = ask(
      session.console,
      fmt::format("Which member do you want to reinitialize [{}]?", joined_names(replicas)), "");
  if (!answer) return fail(answer.error());
  for (const auto& member : replicas)
    if (member.name == *answer) return std::vector<std::string>{*answer};
  return fail(Code::not_found, fmt::format("{} is not a member of cluster", *answer));
}

/// One member's reinitialize with the question about an action that is in its way. True when it was
/// started.
Result<bool> reinit_member(Session& session, const model::Member& member) {
  bool force = session.options.force;
  for (;;) {
    model::Value body = model::Value::object();
    body.set("force", force);
    if (session.options.from_leader) body.set("from_leader", true);
    const auto reply = session.world.call(member, "POST", "/reinitialize",
                                          model::to_json_loose(body), kCallTimeout);
    if (!reply) return fail(reply.error());
    if (reply->status == 200 || reply->status == 202) {
      session.console.out << fmt::format("Success: reinitialize for member {}\n", member.name);
      return true;
    }
    session.console.out << failed_line("reinitialize", member, *reply);
    if (!reply->body.ends_with("already in progress") || force) return false;
    const auto agreed =
        confirm(session.console, "Do you want to cancel it and reinitialize anyway?");
    if (!agreed) return fail(agreed.error());
    if (!*agreed) return false;
    force = true;
  }
}

/// Whether it is still on its way to a running server. `progress` takes what it says about it.
bool still_copying(Session& session, const model::Member& member, std::string& progress) {
  const auto status = status_of(session, member);
  if (!status) return true;
  if (const model::Value* own = status->find("aurum"); own != nullptr)
    if (const model::Value* text = own->find("progress"); text != nullptr) progress = text->text();
  const model::Value* state = status->find("state");
  if (state == nullptr) return false;
  const auto is = [&](model::PgState one) { return state->text() == model::to_string(one); };
  return is(model::PgState::creating_replica) || is(model::PgState::stopping) ||
         is(model::PgState::stopped) || is(model::PgState::starting);
}

Status wait_for_reinit(Session& session, std::vector<model::Member> waiting) {
  session.console.out << fmt::format("Waiting for reinitialize to complete on: {}\n",
                                     joined_names(waiting))
                      << std::flush;
  std::map<std::string, std::string> told;
  for (Duration waited{}; waited < kReinitWaitMax; waited += kReinitPoll) {
    session.world.sleep(kReinitPoll);
    std::erase_if(waiting, [&](const model::Member& member) {
      std::string progress = told[member.name];
      if (still_copying(session, member, progress)) {
        if (!session.console.patronictl && progress != told[member.name])
          session.console.out << fmt::format("{}: {}\n", member.name, progress) << std::flush;
        told[member.name] = progress;
        return false;
      }
      session.console.out << fmt::format("Reinitialize is completed on: {}\n", member.name)
                          << std::flush;
      return true;
    });
    if (waiting.empty()) return {};
  }
  return fail(Code::timeout, fmt::format("reinitialize still runs on {}", joined_names(waiting)));
}

Done flush_restarts(Session& session, const Chosen& chosen) {
  std::vector<model::Member> members = chosen.members;
  if (const auto agreed = agree_on_members(session, "flush", members); !agreed)
    return fail(agreed.error());
  int code = 0;
  for (const auto& member : members) {
    if (member.scheduled_restart.empty()) {
      session.console.out << fmt::format("No scheduled restart for member {}\n", member.name);
      continue;
    }
    const auto reply = session.world.call(member, "DELETE", "/restart", {}, kCallTimeout);
    if (!reply) {
      report_unreachable(session, "flush scheduled restart", member, reply.error());
      code = 1;
    } else if (reply->status == 200) {
      session.console.out << fmt::format("Success: flush scheduled restart for member {}\n",
                                         member.name);
    } else {
      session.console.out << failed_line("flush scheduled restart", member, *reply);
    }
  }
  return code;
}

/// Any member can delete the key; the leader is asked first because it acts on it.
Done flush_switchover(Session& session) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  if (!view->failover || view->failover->scheduled_at.empty()) {
    session.console.out << "No pending scheduled switchover\n";
    return 0;
  }
  auto members = members_with_role(*view, "leader");
  for (auto& member : members_with_role(*view, "replica")) members.push_back(std::move(member));
  for (const auto& member : members) {
    const auto reply = session.world.call(member, "DELETE", "/switchover", {}, kCallTimeout);
    if (!reply) continue;
    if (reply->status == 200) {
      session.console.out << "Success: scheduled switchover deleted\n";
      return 0;
    }
    if (reply->status == 404) {
      session.console.out << fmt::format("Failed: {}\n", reply->body);
      return 0;
    }
    session.console.out << failed_line("flush scheduled switchover", member, *reply);
  }
  return fail(Code::unavailable, "Can not find accessible cluster member");
}

}  // namespace

Done run_restart(Session& session) {
  auto chosen = show_and_choose(session, "any", member_names(session.options));
  if (!chosen) return fail(chosen.error());
  if (session.options.pending) {
    std::erase_if(chosen->members,
                  [&](const auto& member) { return !needs_restart(session, member); });
    if (chosen->members.empty()) {
      if (!session.console.patronictl)
        session.console.err << "hint: no settings wait for a restart there, so nothing is done\n";
      return 0;
    }
  }
  const auto at = restart_schedule(session, *chosen);
  if (!at) return fail(at.error());
  if (const auto agreed = agree_on_restart(session, *chosen, *at); !agreed)
    return fail(agreed.error());
  const auto version = restart_version(session);
  if (!version) return fail(version.error());
  auto& members = chosen->members;
  if (session.options.any) {
    // Not always the same one: repeated calls with --pending go round.
    const auto at_random = static_cast<std::size_t>(session.world.wall_now().us) % members.size();
    members = {members[at_random]};
  }
  const bool ordered = at->empty() && members.size() > 1 && member_names(session.options).empty();
  const RestartOrder order =
      ordered ? restart_order(chosen->view, members) : RestartOrder{members, {}, false, false};
  if (!order.why.empty()) session.console.out << order.why << "\n" << std::flush;
  const std::string body = restart_body(session.options, *version, *at);
  int code = 0;
  bool replica_failed = false;
  for (const auto& member : order.members) {
    const bool leads = member.name == chosen->view.leader_name();
    if (leads && order.replicas_first && replica_failed)
      return fail(Code::rejected,
                  fmt::format("{} is not restarted: a replica with lower settings than the leader "
                              "would stop following it",
                              member.name),
                  "Restart the failed replicas, then the leader.");
    const auto reply = session.world.call(member, "POST", "/restart", body, kRestartTimeout);
    if (!reply) {
      report_unreachable(session, "restart", member, reply.error());
      code = 1;
      replica_failed = true;
      continue;
    }
    session.console.out << restart_line(member, *reply) << std::flush;
    // A condition that does not hold is no failure: this one has the settings already.
    replica_failed |= reply->status != 200 && reply->body != "restart conditions are not satisfied";
    if (leads && order.leader_first && reply->status == 200)
      await_replay(session, member, order.members);
  }
  return code;
}

Done run_reload(Session& session) {
  const auto chosen = show_and_choose(session, "any", member_names(session.options));
  if (!chosen) return fail(chosen.error());
  if (const auto agreed = agree_on_members(session, "reload", chosen->members); !agreed)
    return fail(agreed.error());
  int code = 0;
  for (const auto& member : chosen->members) {
    const auto reply = session.world.call(member, "POST", "/reload", {}, kCallTimeout);
    if (!reply) {
      report_unreachable(session, "reload", member, reply.error());
      code = 1;
    } else {
      session.console.out << reload_line(member, *reply, loop_wait_s(chosen->view));
    }
  }
  return code;
}

Done run_reinit(Session& session) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = read_known(session, *cluster);
  if (!view) return fail(view.error());
  print_members(session, *cluster, *view);
  const auto names = reinit_names(session, *view);
  if (!names) return fail(names.error());
  const auto members = select_members(*view, *cluster, "replica", *names);
  if (!members) return fail(members.error());
  if (const auto agreed = agree_on_members(session, "reinitialize", *members); !agreed)
    return fail(agreed.error());
  int code = 0;
  std::vector<model::Member> started;
  for (const auto& member : *members) {
    const auto done = reinit_member(session, member);
    if (!done && done.error().code == Code::cancelled) return fail(done.error());
    if (!done) {
      report_unreachable(session, "reinitialize", member, done.error());
      code = 1;
    } else if (*done) {
      started.push_back(member);
    }
  }
  if (!session.options.wait || started.empty()) return code;
  if (const auto ended = wait_for_reinit(session, started); !ended) return fail(ended.error());
  return code;
}

Done run_flush(Session& session) {
  const auto& names = session.options.names;
  if (names.back() == "switchover") return flush_switchover(session);
  const auto chosen = show_and_choose(session, "any", {names.begin() + 1, names.end() - 1});
  if (!chosen) return fail(chosen.error());
  return flush_restarts(session, *chosen);
}

}  // namespace aurum::cli
