#include "cli/rotation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/session.h"
#include "model/decode.h"
#include "pg/scram.h"

namespace aurum::cli {

using model::RotationPlan;
using model::RotationStep;
using model::SecretState;

namespace {

/// A member connects to its upstream within it, at worst twice.
constexpr Duration kCallTimeout = seconds(15);
constexpr Duration kPoll = milliseconds(250);
/// Steps and their repetitions after a failover; waiting is bounded by itself.
constexpr int kRoundsMax = 40;

Error answered(const std::string& member, const Reply& reply) {
  if (reply.status == 404 || reply.status == 501)
    return {Code::rejected, member + " does not know how to change passwords",
            "It is older than this program: aurum ctl version; upgrade it first."};
  if (reply.status == 401)
    return {Code::permission, member + " does not take the credentials of restapi",
            "Its restapi.authentication differs from that of this member."};
  const auto document = model::parse_object(reply.body);
  std::string text = model::text_at(document, "error");
  if (text.empty()) text = fmt::format("HTTP status {}: {}", reply.status, reply.body);
  return {Code::rejected, fmt::format("{}: {}", member, text), model::text_at(document, "hint")};
}

/// Only this is read by whoever listens on the way.
Status check_way(const model::Member& member) {
  if (!member.api_url.starts_with("http://")) return {};
  const auto at = model::parse_url_host(member.api_url);
  if (at && model::is_wildcard_or_loopback(at->host)) return {};
  return fail(
      Code::rejected,
      fmt::format("the REST API of {} has no TLS: the new password could be read on its way",
                  member.name),
      "Set restapi.certfile (aurum certs), or write a line \"next: NEW\" below the password "
      "into that member's file yourself.");
}

}  // namespace

Rotation::Rotation(ClusterId cluster, model::PasswordUse use, std::string salt, Sit sit, Say say)
    : cluster_(std::move(cluster)),
      use_(use),
      salt_(std::move(salt)),
      sit_(std::move(sit)),
      say_(std::move(say)) {}

std::string Rotation::print(const std::string& password) const {
  return password.empty() ? std::string() : pg::password_fingerprint(password, salt_);
}

Status Rotation::fit(const model::ClusterView& view) {
  if (view.members.empty())
    return fail(Code::not_found, fmt::format("{} has no member that runs", cluster_.scope));
  for (const auto& [name, member] : view.members)
    if (member.aurum_version.empty())
      return fail(Code::rejected, name + " is run by a Patroni, which can not change passwords",
                  "Move it over to aurum first.");
  for (const auto& name : expected_)
    if (view.member(name) == nullptr)
      return fail(Code::unavailable, name + " is gone: it was there when the change began",
                  "Start it, and run the command again: both passwords are good until then.");
  if (view.member(seat_.member) == nullptr)
    return fail(Code::not_found,
                fmt::format("{} is no running member of {}", seat_.member, cluster_.scope),
                "Run it on a member whose agent runs, with that member's configuration.");
  if (is_paused(view)) return fail(Code::rejected, "the cluster is paused", "aurum ctl resume");
  if (view.restore)
    return fail(Code::rejected, "a restore of this cluster is on", "aurum restore --status");
  if (model::read_dynamic_config(view.config).standby_cluster)
    return fail(Code::rejected, "a standby cluster has its roles from the one it follows",
                "Give its members' files both passwords, and change it there.");
  if (!view.leader || view.member(view.leader->name) == nullptr)
    return fail(Code::unavailable, "the cluster has no leader", "See aurum ctl list.");
  return {};
}

Result<SecretState> Rotation::ask(const std::string& name, std::string_view step,
                                  const std::string& target) {
  const auto* member = view_.member(name);
  if (member == nullptr) return fail(Code::not_found, name + " is gone");
  model::Value body = model::Value::object();
  body.set("password", std::string(to_string(use_)));
  body.set("step", std::string(step));
  body.set("salt", salt_);
  body.set("target", target);
  if (step == to_string(RotationStep::prepare)) {
    const auto way = check_way(*member);
    if (!way) return fail(way.error());
    body.set("new", known_.at(target));
  }
  auto reply = seat_.world->call(*member, "POST", "/secrets", model::to_json(body), kCallTimeout);
  if (!reply) return fail(reply.error().within(name));
  if (reply->status != 200) return fail(answered(name, *reply));
  return model::decode_secret_state(model::parse_object(reply->body));
}

Result<std::vector<SecretState>> Rotation::look() {
  auto seat = sit_();
  if (!seat) return fail(seat.error());
  seat_ = std::move(*seat);
  for (const auto* one : {&seat_.secret.in_use, &seat_.secret.next, &seat_.secret.previous})
    if (!one->empty()) known_.emplace(print(*one), *one);
  auto view = seat_.world->read(cluster_);
  if (!view) return fail(view.error());
  view_ = std::move(*view);
  const auto good = fit(view_);
  if (!good) return fail(good.error());
  std::vector<SecretState> states;
  for (const auto& [name, member] : view_.members) {
    auto state = ask(name, "look", {});
    if (!state) return fail(state.error());
    states.push_back(std::move(*state));
  }
  return states;
}

/// This member first: what its file holds is known to whoever runs the command again.
Status Rotation::give(const RotationPlan& plan, const std::string& password) {
  const std::string target = print(password);
  known_.emplace(target, password);
  auto members = plan.members;
  if (const auto own = std::ranges::find(members, seat_.member); own != members.end())
    std::swap(*own, members.front());
  for (const auto& name : members)
    if (const auto way = check_way(*view_.member(name)); !way) return way;
  for (const auto& name : members)
    if (const auto done = ask(name, to_string(RotationStep::prepare), target); !done)
      return fail(done.error());
  say_(fmt::format("{} have the new password beside the present one", fmt::join(members, ", ")));
  return {};
}

/// The others at once behind it: until its file has the new password, a walreceiver that connects
/// just then is refused. What goes wrong there the next look shows.
Status Rotation::alter(const RotationPlan& plan) {
  const auto altered = ask(plan.members.front(), to_string(RotationStep::alter), plan.target);
  if (!altered) return fail(altered.error());
  for (const auto& [name, member] : view_.members)
    if (name != plan.members.front()) (void)ask(name, to_string(RotationStep::change), plan.target);
  say_("PostgreSQL has the new password");
  return {};
}

Status Rotation::on_all(const RotationPlan& plan) {
  for (const auto& name : plan.members)
    if (const auto done = ask(name, to_string(plan.step), plan.target); !done)
      return fail(done.error());
  say_(fmt::format(
      "{} {}", fmt::join(plan.members, ", "),
      plan.step == RotationStep::finish ? "forgot the former password" : "use the new password"));
  return {};
}

Status Rotation::step(const RotationPlan& plan, const std::string& fresh, bool chosen) {
  if (plan.step != RotationStep::fresh) {
    if (!begun_) resumed_ = true;
    if (chosen && print(fresh) != plan.target)
      return fail(Code::rejected, "a change to another password is under way",
                  "Finish it first, by the same command without --new-from.");
  } else if (known_.contains(print(fresh))) {
    return fail(Code::rejected, "the new password is one that is in use already");
  }
  begun_ = true;
  target_ = plan.step == RotationStep::fresh ? print(fresh) : plan.target;
  switch (plan.step) {
    case RotationStep::fresh:
      return give(plan, fresh);
    case RotationStep::prepare:
      return give(plan, known_.at(plan.target));
    case RotationStep::alter:
      return alter(plan);
    case RotationStep::change:
    case RotationStep::finish:
      return on_all(plan);
    case RotationStep::wait:
    case RotationStep::stuck:
      break;
  }
  return {};
}

Result<Rotation::Outcome> Rotation::run(const std::string& fresh, bool chosen, Duration limit) {
  Error last{Code::timeout, "the change did not come to its end", {}};
  Duration waited{};
  for (int round = 0; round < kRoundsMax && waited <= limit;) {
    auto states = look();
    RotationPlan plan;
    if (states) {
      if (expected_.empty())
        for (const auto& state : *states) expected_.push_back(state.member);
      std::vector<std::string> known;
      for (const auto& [mark, password] : known_) known.push_back(mark);
      plan = model::plan_rotation(use_, *states, known);
      const bool all_use_it = std::ranges::all_of(
          *states, [this](const auto& s) { return !target_.empty() && s.in_use == target_; });
      if (plan.step == RotationStep::fresh && all_use_it)
        return Outcome{resumed_, std::move(*states)};
      if (plan.step == RotationStep::stuck) return fail(Code::rejected, plan.why);
    } else if (!begun_) {
      return fail(states.error());
    } else {
      last = states.error();
      plan.step = RotationStep::wait;
    }
    if (plan.step != RotationStep::wait) {
      ++round;
      if (const auto done = step(plan, fresh, chosen); !done) return fail(done.error());
      continue;
    }
    if (states)
      last = {Code::timeout,
              fmt::format("PostgreSQL of {} has not replayed the change",
                          fmt::join(plan.members, ", ")),
              {}};
    begun_ = true;
    seat_.world->sleep(kPoll);
    waited += kPoll;
  }
  return fail(last);
}

}  // namespace aurum::cli
