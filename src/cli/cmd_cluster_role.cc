#include <ostream>

#include <fmt/format.h>

#include "cli/prompt.h"
#include "cli/session.h"
#include "cli/timestamp.h"

/// demote-cluster and promote-cluster: which of two sites takes the writes.
namespace aurum::cli {

namespace {

constexpr Duration kCallTimeout = seconds(10);
constexpr Duration kPoll = seconds(1);
/// A clean stop, and a rewind or a new copy behind it.
constexpr int kPollsMost = 3600;

bool is_standby_cluster(const model::ClusterView& view) {
  return model::read_dynamic_config(view.config).standby_cluster.has_value();
}

/// The `standby_cluster` of the command line.
Result<model::Value> remote_of(const Options& options) {
  if (options.host.empty() && options.port.empty() && options.restore_command.empty())
    return fail(Code::invalid, "At least --host, --port or --restore-command should be specified");
  model::Value remote = model::Value::object();
  if (!options.host.empty()) remote.set("host", options.host);
  if (!options.port.empty()) {
    const auto port = model::read_int(model::Value(options.port));
    if (!port || *port < 1 || *port > 65535)
      return fail(Code::invalid, fmt::format("--port {} is no port", options.port));
    remote.set("port", *port);
  }
  if (!options.primary_slot_name.empty())
    remote.set("primary_slot_name", options.primary_slot_name);
  if (!options.restore_command.empty()) remote.set("restore_command", options.restore_command);
  return remote;
}

/// Whether who leads has become what it shall be; `said` is what it is meanwhile.
bool reached(const model::ClusterView& view, bool demoted, std::string& said) {
  const model::Member* leader = view.leader_member();
  if (leader == nullptr) {
    said = "nobody leads";
    return false;
  }
  said = fmt::format("{} is {}, {}", leader->name, model::to_string(leader->role),
                     model::to_string(leader->state));
  const auto role = demoted ? model::Role::standby_leader : model::Role::primary;
  return leader->role == role && leader->state == model::PgState::running;
}

Status wait_until_done(Session& session, const ClusterId& cluster, bool demoted) {
  const std::string_view verb = demoted ? "demoted" : "promoted";
  std::string said, told;
  for (int i = 0; i < kPollsMost; ++i) {
    const auto view = session.world.read(cluster);
    if (!view) return fail(view.error());
    const std::string now = local_seconds(session.world.wall_now());
    if (reached(*view, demoted, said)) {
      session.console.out << fmt::format("{} cluster is successfully {}\n", now, verb);
      return {};
    }
    if (said != told || i % 10 == 0)
      session.console.out << fmt::format("{} cluster is being {}: {}\n", now, verb, said)
                          << std::flush;
    told = said;
    session.world.sleep(kPoll);
  }
  return fail(Code::timeout, fmt::format("the cluster is not {} yet: {}", verb, said),
              "The configuration is changed; look at the log of its leader.");
}

Done change(Session& session, const model::Value& remote) {
  const bool demote = remote.is_object();
  const std::string_view verb = demote ? "demote" : "promote";
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = read_known(session, *cluster);
  if (!view) return fail(view.error());
  const model::Member* leader = view->leader_member();
  if (leader == nullptr)
    return fail(Code::rejected, fmt::format("Cluster has no leader, {} is not possible",
                                            demote ? "demotion" : "promotion"));
  if (is_standby_cluster(*view) == demote)
    return fail(Code::rejected, "Cluster is already in the required state");
  if (is_paused(*view))
    return fail(Code::rejected, fmt::format("Can't {} a cluster in the paused state", verb),
                "Run `resume` first.");
  if (!session.options.force) {
    print_members(session, *cluster, *view);
    const auto agreed =
        confirm(session.console,
                fmt::format("Are you sure you want to {} the {} cluster?", verb, cluster->scope));
    if (!agreed) return fail(agreed.error());
    if (!*agreed) return fail(Code::cancelled, fmt::format("Aborted {}", verb));
  }
  model::Value body = model::Value::object();
  body.set("standby_cluster", remote);
  const auto reply =
      session.world.call(*leader, "PATCH", "/config", model::to_json_loose(body), kCallTimeout);
  if (!reply) return fail(reply.error());
  if (reply->status != 200) {
    session.console.out << fmt::format("Failed: {}-cluster, status code={}, ({})\n", verb,
                                       reply->status, reply->body);
    return 0;
  }
  if (const auto done = wait_until_done(session, *cluster, demote); !done)
    return fail(done.error());
  return 0;
}

}  // namespace

Done run_demote_cluster(Session& session) {
  const auto remote = remote_of(session.options);
  if (!remote) return fail(remote.error());
  return change(session, *remote);
}

Done run_promote_cluster(Session& session) { return change(session, {}); }

}  // namespace aurum::cli
