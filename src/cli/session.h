#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/world.h"

/// What the commands share.
namespace aurum::cli {

struct Session {
  Console& console;
  World& world;
  const Options& options;
  std::string scope;        ///< of the configuration file; "" when it names none
  std::string notice = {};  ///< what whoever looks at the cluster should know of its configuration
};

/// A command's exit code, or the Error to print.
using Done = Result<int>;

/// The first name on the command line, else the configured scope.
Result<ClusterId> cluster_of(const Session& session);
/// The cluster, or an error that names the clusters there are.
Result<model::ClusterView> read_known(Session& session, const ClusterId& cluster);
/// "Found: demo, test." for a hint; "" when the view is not empty or the store does not answer.
std::string unknown_cluster_hint(Session& session, const ClusterId& cluster,
                                 const model::ClusterView& view);

void print_members(Session& session, const ClusterId& cluster, const model::ClusterView& view);
bool is_paused(const model::ClusterView& view);

/// Members with a role of `-r` (leader, primary, standby-leader, replica, standby, any, master),
/// sorted by name.
std::vector<model::Member> members_with_role(const model::ClusterView& view, std::string_view role);
/// Those among `names` (all when empty); Patroni's error when none is left.
Result<std::vector<model::Member>> select_members(const model::ClusterView& view,
                                                  const ClusterId& cluster, std::string_view role,
                                                  const std::vector<std::string>& names);
/// "a, b".
std::string joined_names(const std::vector<model::Member>& members);
/// Asks "Are you sure you want to VERB members a, b?" unless forced.
Status agree_on_members(Session& session, std::string_view verb,
                        const std::vector<model::Member>& members);

/// How often -W or --watch redraw; nothing when neither is given.
std::optional<Duration> redraw_interval(const Options& options);

/// "Failed: ACTION for member M, status code=N, (body)".
std::string failed_line(std::string_view action, const model::Member& member, const Reply& reply);
/// Notes an unreachable member on out; the command goes on with the others and ends with 1.
void report_unreachable(Session& session, std::string_view action, const model::Member& member,
                        const Error& error);

// The commands, by their names.
Done run_list(Session& session);
Done run_topology(Session& session);
Done run_history(Session& session);
Done run_explain(Session& session);
Done run_dsn(Session& session);
Done run_version(Session& session);
Done run_show_config(Session& session);
Done run_edit_config(Session& session);
Done run_restart(Session& session);
Done run_reload(Session& session);
Done run_reinit(Session& session);
Done run_flush(Session& session);
Done run_switchover(Session& session);
Done run_failover(Session& session);
Done run_pause(Session& session);
Done run_resume(Session& session);
Done run_query(Session& session);
Done run_remove(Session& session);
Done run_demote_cluster(Session& session);
Done run_promote_cluster(Session& session);

}  // namespace aurum::cli
