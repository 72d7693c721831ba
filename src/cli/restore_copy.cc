#include "cli/restore_copy.h"

#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/new_identity.h"
#include "backup/node_config.h"
#include "backup/pgbackrest.h"
#include "backup/replica_source.h"
#include "backup/scratch_cluster.h"
#include "cli/restore_planning.h"
#include "pg/files.h"
#include "pg/programs.h"
#include "runtime/clock.h"

namespace aurum::cli {

namespace fs = std::filesystem;
using runtime::Task;

namespace {

void say(std::string_view text) {
  fmt::print("  {}\n", text);
  std::fflush(stdout);
}

backup::Percent shown_percent() {
  return [last = -1](double percent) mutable {
    if (::isatty(2) == 0 || static_cast<int>(percent) == last) return;
    last = static_cast<int>(percent);
    fmt::print(stderr, "\r  restored {:3} %{}", last, last == 100 ? "\n" : "");
  };
}

/// Restored, recovered and stopped: a primary's data that nobody has used.
Task<Status> make_cluster(backup::ScratchCluster& copy, backup::RestorePlan plan,
                          backup::CopyUse use) {
  say("restoring " + plan.backup.label);
  auto begun = co_await copy.begin();
  if (!begun) co_return begun;
  auto fetched = co_await copy.fetch(plan.backup.label, shown_percent());
  if (!fetched) co_return fetched;
  say("replaying WAL up to " + model::describe(plan.target));
  auto recovered = co_await copy.recover(plan.target, plan.timeline);
  if (!recovered) {
    co_await copy.stop();
    co_return recovered;
  }
  auto stopped = co_await copy.stop();
  if (!stopped) co_return stopped;
  if (use == backup::CopyUse::same_cluster) {
    copy.leave_for_agent();
    co_return Status{};
  }
  say("giving it an identity of its own");
  auto given = backup::give_system_identifier(copy.dir(), backup::make_system_identifier());
  if (!given) co_return given;
  auto reset =
      co_await copy.tool("pg_resetwal", {"-D", copy.dir().string()}, std::chrono::minutes(10));
  if (!reset) co_return fail(reset.error());
  if (!reset->ok()) co_return fail(Code::io, "pg_resetwal: " + pg::tool_reason(*reset));
  copy.leave_for_agent();
  co_return Status{};
}

/// As a base backup would leave it: the agent starts it as a standby.
Task<Status> make_replica(const model::LocalConfig& config, backup::RestorePlan plan,
                          fs::path dir) {
  backup::Pgbackrest pgbackrest(config);
  auto fetched = co_await pgbackrest.restore(plan.backup.label, dir, shown_percent());
  if (!fetched) co_return fetched;
  std::error_code ec;
  fs::remove(dir / "recovery.signal", ec);
  co_return Status{};
}

/// Two clusters of one identity would archive into one stanza: only an agent that founds may bring
/// one back, and nobody leads it.
Status fit_to_bring_back(const RestoreOptions& options, const model::LocalConfig& config,
                         const Result<model::ClusterView>& view) {
  if (options.new_cluster != config.scope || !pg::is_custom_founding(options.data_dir))
    return fail(Code::invalid, "only an agent of that cluster can bring it back",
                "Make it the command of its bootstrap method: docs/RESTORE.md.");
  if (!view) return fail(view.error());
  if (view->leader)
    return fail(Code::exists, fmt::format("{} leads {}", view->leader->name, config.scope),
                "It is not lost: aurum restore without --bring-back takes it back in time.");
  return {};
}

Status fit_for_copy(const RestoreOptions& options, const model::LocalConfig& config,
                    const Result<model::ClusterView>& view) {
  if (options.as_replica) {
    if (!view) return fail(view.error());
    return {};
  }
  if (options.bring_back) return fit_to_bring_back(options, config, view);
  if (options.new_cluster == config.scope)
    return fail(Code::invalid, "the new cluster needs a name of its own",
                "To bring back one that is lost: --bring-back, docs/RESTORE.md.");
  // Hosts of the same layout: what an agent founds in is not the old cluster's.
  if (pg::is_custom_founding(options.data_dir)) return {};
  std::error_code ec;
  if (fs::weakly_canonical(options.data_dir, ec) == fs::weakly_canonical(config.pg.data_dir, ec))
    return fail(Code::invalid, "that is the data directory of " + config.name,
                "Name a folder of the new cluster.");
  return {};
}

/// An agent may look at the directory that it founds in at any moment, also anew after a crash, and
/// would take a server that runs there for its own: so the work is done in a folder below, as that
/// of initdb is (tests/found_from_backup_test.cc).
Result<int> make_founder(const RestoreOptions& options, const model::LocalConfig& config,
                         const backup::RestorePlan& plan) {
  const bool by_agent = pg::is_custom_founding(options.data_dir);
  const auto use =
      options.bring_back ? backup::CopyUse::same_cluster : backup::CopyUse::new_cluster;
  backup::ScratchCluster copy(config, by_agent ? options.data_dir / pg::kStaging : options.data_dir,
                              use);
  auto made = backup::run_alone(make_cluster(copy, plan, use));
  if (made && by_agent) made = pg::move_out_of_staging(options.data_dir);
  if (!made) return fail(made.error().within(options.new_cluster));
  if (by_agent) return 0;
  fmt::print(
      "{} holds the data of the cluster {} now. Start an agent on it with\n"
      "  scope: {}\n  postgresql.data_dir: {}\n"
      "  aurum.backup.stanza: {}\nand with the passwords that the old cluster had.\n",
      options.data_dir.string(), options.new_cluster, options.new_cluster,
      options.data_dir.string(), options.new_cluster);
  return 0;
}

}  // namespace

Result<int> make_copy(const RestoreOptions& options, const model::LocalConfig& config,
                      World& world) {
  // Without the store the repository knows enough: the cluster may be lost altogether.
  const auto view = world.read({config.scope});
  const auto fit = fit_for_copy(options, config, view);
  if (!fit) return fail(fit.error());
  const auto plan = plan_from_repository(config, view ? *view : model::ClusterView{}, options,
                                         runtime::wall_now());
  if (!plan) return fail(plan.error());
  if (!options.json) fmt::print("{}", backup::render_plan(*plan));
  if (options.plan_only) return 0;
  if (options.as_replica) {
    const auto choice =
        backup::replica_choice(plan->backup, written_up_to(*view), options.unless_slower);
    if (const auto why = backup::base_backup_is_better(choice); !why.empty())
      return fail(Code::rejected, "a base backup is faster: " + why);
    const auto made = backup::run_alone(make_replica(config, *plan, options.data_dir));
    if (!made) return fail(made.error());
    return 0;
  }
  return make_founder(options, config, *plan);
}

}  // namespace aurum::cli
