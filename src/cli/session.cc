#include "cli/session.h"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "cli/member_rows.h"
#include "cli/prompt.h"
#include "cli/timestamp.h"

namespace aurum::cli {

Result<ClusterId> cluster_of(const Session& session) {
  const auto& names = session.options.names;
  std::string scope = names.empty() ? session.scope : names.front();
  if (scope.empty())
    return fail(Code::invalid, "no cluster name given and the configuration has no scope",
                "Name the cluster behind the command, or use -c with the patroni.yml of a node.");
  return ClusterId{std::move(scope), session.options.group};
}

std::string unknown_cluster_hint(Session& session, const ClusterId& cluster,
                                 const model::ClusterView& view) {
  if (!view.members.empty() || view.initialize || !view.config.is_null()) return {};
  const auto found = session.world.clusters();
  if (!found) return {};
  if (found->empty())
    return fmt::format("There is no cluster {} and none at all in this namespace.", cluster.scope);
  return fmt::format("There is no cluster {} in this namespace; found: {}.", cluster.scope,
                     fmt::join(*found, ", "));
}

Result<model::ClusterView> read_known(Session& session, const ClusterId& cluster) {
  auto view = session.world.read(cluster);
  if (!view) return view;
  if (view->members.empty())
    return fail(Code::not_found, fmt::format("{} cluster doesn't have any members", cluster.scope),
                unknown_cluster_hint(session, cluster, *view));
  return view;
}

void print_members(Session& session, const ClusterId& cluster, const model::ClusterView& view) {
  session.console.out << render_members(view, cluster.scope,
                                        {.colour = session.console.colour, .group = cluster.group});
}

bool is_paused(const model::ClusterView& view) {
  const model::Value* pause = view.config.find("pause");
  return pause != nullptr && model::read_bool(*pause).value_or(false);
}

std::vector<model::Member> members_with_role(const model::ClusterView& view,
                                             std::string_view role) {
  std::vector<model::Member> out;
  for (const auto& [name, member] : view.members) {
    const bool leads = name == view.leader_name();
    const bool standby_leader = leads && member.role == model::Role::standby_leader;
    const bool fits = role == "any"                           ? true
                      : role == "leader"                      ? leads
                      : role == "primary" || role == "master" ? leads && !standby_leader
                      : role == "standby-leader"              ? standby_leader
                                                              : !leads;
    if (fits) out.push_back(member);
  }
  return out;
}

Result<std::vector<model::Member>> select_members(const model::ClusterView& view,
                                                  const ClusterId& cluster, std::string_view role,
                                                  const std::vector<std::string>& names) {
  if (view.members.empty())
    return fail(Code::not_found, fmt::format("{} cluster doesn't have any members", cluster.scope));
  auto members = members_with_role(view, role);
  if (!names.empty())
    std::erase_if(members, [&](const model::Member& member) {
      return std::find(names.begin(), names.end(), member.name) == names.end();
    });
  if (members.empty())
    return fail(Code::not_found, fmt::format("No {} among provided members", role));
  return members;
}

std::string joined_names(const std::vector<model::Member>& members) {
  std::vector<std::string_view> names;
  for (const auto& member : members) names.push_back(member.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Status agree_on_members(Session& session, std::string_view verb,
                        const std::vector<model::Member>& members) {
  if (session.options.force) return {};
  const auto agreed =
      confirm(session.console,
              fmt::format("Are you sure you want to {} members {}?", verb, joined_names(members)));
  if (!agreed) return fail(agreed.error());
  if (!*agreed) return fail(Code::cancelled, fmt::format("Aborted {}", verb));
  return {};
}

std::string failed_line(std::string_view action, const model::Member& member, const Reply& reply) {
  return fmt::format("Failed: {} for member {}, status code={}, ({})\n", action, member.name,
                     reply.status, reply.body);
}

void report_unreachable(Session& session, std::string_view action, const model::Member& member,
                        const Error& error) {
  session.console.out << fmt::format("Failed: {} for member {}, {}\n", action, member.name,
                                     error.message);
}

std::optional<Duration> redraw_interval(const Options& options) {
  if (!options.watch && options.watch_s.empty()) return std::nullopt;
  const double every_s = options.watch_s.empty() ? 2.0 : std::stod(options.watch_s);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(every_s));
}

}  // namespace aurum::cli
