#include "cli/restore.h"

#include <algorithm>
#include <iostream>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/kept_data.h"
#include "backup/node_config.h"
#include "backup/pgbackrest_conf.h"
#include "cli/prompt.h"
#include "cli/restore_copy.h"
#include "cli/restore_options.h"
#include "cli/restore_planning.h"
#include "cli/restore_watch.h"
#include "cli/world.h"

namespace aurum::cli {

using model::Compare;
using model::Restore;
using model::RestoreStep;
using Action = RestoreOptions::Action;

namespace {

struct Run {
  const RestoreOptions& options;
  const model::LocalConfig& config;
  World& world;
  ClusterId cluster;
  Console& console;
};

/// Changes nothing that somebody else has changed meanwhile.
Status write(Run& run, const model::ClusterView& seen, const std::optional<Restore>& next) {
  model::Txn txn{.when = {{.key = "aurum_restore",
                           .what = Compare::What::mod_revision,
                           .number = seen.restore_revision}}};
  if (next)
    txn.then.push_back({.key = "aurum_restore", .value = model::encode_restore(*next)});
  else
    txn.then.push_back({.what = model::Write::What::erase, .key = "aurum_restore"});
  const auto done = run.world.txn(run.cluster, std::move(txn));
  if (!done) return fail(done.error());
  if (!done->succeeded)
    return fail(Code::rejected, "the restore went on meanwhile: nothing was changed",
                "Look at it again: aurum restore --status");
  return {};
}

Result<bool> agreed(Run& run, std::string_view question) {
  if (run.options.yes) return true;
  return confirm(run.console, question);
}

// ------------------------------------------------------------------------------------ the request

Status fit_for_restore(const model::ClusterView& view) {
  if (view.restore)
    return fail(Code::exists, "a restore of this cluster is on already",
                "See aurum restore --status; then --confirm or --undo it.");
  if (view.members.empty())
    return fail(Code::not_found, "the cluster has no member that runs",
                "Start the agents: they do the work.");
  const auto* pause = view.config.find("pause");
  if (pause != nullptr && model::read_bool(*pause).value_or(false))
    return fail(Code::rejected, "the cluster is paused", "aurum ctl resume");
  for (const auto& [name, member] : view.members)
    if (member.aurum_version.empty())
      return fail(Code::rejected, name + " is run by a Patroni, which knows nothing of restores",
                  "Stop it first, or move it over to aurum.");
  return {};
}

/// A replica that has most, so that the leader's data can stay as it is.
Result<std::string> choose_node(Run& run, const model::ClusterView& view) {
  if (!run.options.node.empty()) {
    if (view.member(run.options.node) == nullptr)
      return fail(Code::not_found, fmt::format("there is no running member {}", run.options.node),
                  "aurum ctl list shows them.");
    return run.options.node;
  }
  const model::Member* best = nullptr;
  for (const auto& [name, member] : view.members) {
    if (name == view.leader_name() || model::tag_nofailover(member)) continue;
    const auto at = [](const model::Member& m) { return m.xlog_location.value_or(model::Lsn{}); };
    if (best == nullptr || at(member) > at(*best)) best = &member;
  }
  if (best != nullptr) return best->name;
  return view.leader ? view.leader->name : view.members.begin()->first;
}

std::string request_id(WallTime now) {
  std::string id = model::iso8601(now).substr(0, 19);
  std::erase_if(id, [](char c) { return c == '-' || c == ':'; });
  return id;
}

void show_plan(Run& run, const backup::RestorePlan& plan, const Restore& restore) {
  if (run.options.json) {
    auto out = backup::plan_value(plan);
    out.set("node", restore.node);
    out.set("keeper", restore.keeper);
    run.console.out << model::to_json_pretty(out) << "\n";
    return;
  }
  run.console.out << fmt::format("Restore of {}:\n{}", run.cluster.scope,
                                 backup::render_plan(plan));
  run.console.out << fmt::format("  on         {}, which leads then; the others are rebuilt\n",
                                 restore.node);
  run.console.out << (restore.discard ? std::string("  old data   is given up\n")
                                      : fmt::format("  old data   stays on {} until you confirm\n",
                                                    restore.keeper));
}

Result<int> request(Run& run) {
  auto view = run.world.read(run.cluster);
  if (!view) return fail(view.error());
  const auto fit = fit_for_restore(*view);
  if (!fit) return fail(fit.error());
  const WallTime now = run.world.wall_now();
  const auto plan = plan_from_repository(run.config, *view, run.options, now);
  if (!plan) return fail(plan.error());
  const auto node = choose_node(run, *view);
  if (!node) return fail(node.error());

  Restore restore{.id = request_id(now), .node = *node};
  restore.keeper = view->leader ? view->leader->name : *node;
  restore.discard = run.options.discard_old_data;
  restore.backup = plan->backup.label;
  restore.size = plan->backup.size;
  restore.target = plan->target;
  restore.timeline = plan->timeline;
  restore.marks.push_back({RestoreStep::check, "operator", model::iso8601(now)});
  show_plan(run, *plan, restore);
  if (run.options.plan_only) return 0;
  const auto yes = agreed(run, "All members are stopped, and every client is cut off. Go on?");
  if (!yes) return fail(yes.error());
  if (!*yes) return fail(Code::cancelled, "Aborted: nothing was changed");
  const auto written = write(run, *view, restore);
  if (!written) return fail(written.error());
  return watch_restore(run.world, run.cluster, run.console);
}

// --------------------------------------------------------------------------- while one is on

/// Before anything was touched a restore ends by being forgotten.
bool nothing_touched(const Restore& restore) {
  return restore.step == RestoreStep::check || restore.step == RestoreStep::stop;
}

Status can_undo(const Restore& restore) {
  if (nothing_touched(restore)) return {};
  const bool rebuilt = restore.step == RestoreStep::rebuild || restore.step == RestoreStep::done;
  const bool given_up = restore.discard && (rebuilt || restore.keeper == restore.node);
  if (restore.step != RestoreStep::confirm && !given_up && restore.kept != backup::kNothingKept)
    return {};
  return fail(Code::rejected, "the data from before the restore was not kept",
              "Restore again, along the old timeline: aurum restore --latest --timeline N");
}

Result<int> change(Run& run) {
  const auto view = run.world.read(run.cluster);
  if (!view) return fail(view.error());
  if (!view->restore) return fail(Code::not_found, "no restore is on");
  Restore next = *view->restore;
  const auto mark = [&](RestoreStep step) {
    next.step = step;
    next.error.clear();
    next.marks.push_back({step, "operator", model::iso8601(run.world.wall_now())});
  };
  if (run.options.action == Action::resume) {
    if (!next.error.empty()) {
      next.error.clear();
      const auto written = write(run, *view, next);
      if (!written) return fail(written.error());
    }
    return watch_restore(run.world, run.cluster, run.console);
  }
  if (run.options.action == Action::undo) {
    const auto can = can_undo(next);
    if (!can) return fail(can.error());
    if (nothing_touched(next)) {
      const auto written = write(run, *view, std::nullopt);
      if (!written) return fail(written.error());
      run.console.out << "taken back: no data was touched\n";
      return 0;
    }
    const auto yes = agreed(run, "What was written since the restore is lost. Undo it?");
    if (!yes) return fail(yes.error());
    if (!*yes) return fail(Code::cancelled, "Aborted: nothing was changed");
    mark(RestoreStep::undo_stop);
  } else {
    if (next.step != RestoreStep::done && next.step != RestoreStep::rebuild)
      return fail(Code::rejected, "the restore is not done: " + step_sentence(next),
                  "See aurum restore --status.");
    const auto yes = agreed(run, "The data from before the restore is removed for good. Go on?");
    if (!yes) return fail(yes.error());
    if (!*yes) return fail(Code::cancelled, "Aborted: nothing was changed");
    if (view->member(next.keeper) == nullptr) {
      const auto written = write(run, *view, std::nullopt);
      if (!written) return fail(written.error());
      run.console.out << fmt::format("confirmed; {} is down: remove what it kept by hand: {}\n",
                                     next.keeper, next.kept);
      return 0;
    }
    mark(RestoreStep::confirm);
  }
  const auto written = write(run, *view, next);
  if (!written) return fail(written.error());
  return watch_restore(run.world, run.cluster, run.console);
}

Result<int> status(Run& run) {
  const auto view = run.world.read(run.cluster);
  if (!view) return fail(view.error());
  run.console.out << (run.options.json ? restore_json(*view) : render_restore(*view));
  return 0;
}

int failed(Console& console, const Error& error) {
  console.out << std::flush;
  console.err << fmt::format("error: {}\n", error.message);
  if (!error.hint.empty()) console.err << fmt::format("hint: {}\n", error.hint);
  return 1;
}

}  // namespace

int restore_main(int argc, char** argv) {
  Console console{std::cin, std::cout, std::cerr};
  console.terminal = ::isatty(STDOUT_FILENO) != 0;
  const auto options = parse_restore_options({argv + 1, static_cast<std::size_t>(argc - 1)});
  if (!options) {
    console.err << fmt::format(
        "error: {}\nhint: {}\n", options.error().message,
        options.error().hint.empty() ? "aurum restore --help" : options.error().hint);
    return 2;
  }
  if (options->help) {
    console.out << kRestoreHelp;
    return 0;
  }
  const auto config = backup::begin_on_node(options->config);
  if (!config) return failed(console, config.error());
  const auto world = make_world(*config, runtime::null_logger());
  Run run{*options, *config, *world, {config->scope}, console};
  const auto code = options->action == Action::copy      ? make_copy(*options, *config, *world)
                    : options->action == Action::request ? request(run)
                    : options->action == Action::status  ? status(run)
                                                         : change(run);
  if (!code) return failed(console, code.error());
  std::cout << std::flush;
  return std::cout ? *code : 1;
}

}  // namespace aurum::cli
