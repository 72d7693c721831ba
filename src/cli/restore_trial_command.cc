// `aurum backup test`: restores a backup into a scratch folder, checks it, and tells how long that
// took.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/cluster_commands.h"
#include "backup/node_config.h"
#include "backup/pgbackrest.h"
#include "backup/pgbackrest_conf.h"
#include "backup/restore_trial.h"
#include "cli/restore_copy.h"
#include "cli/restore_planning.h"
#include "cli/timestamp.h"
#include "runtime/clock.h"

namespace aurum::cli {

namespace {

constexpr const char* kTrialHelp = R"(Usage: aurum backup [-c CONFIG] test [options]

Restores the newest backup into a scratch folder on this host, replays WAL,
checks all pages and indexes, runs your checks, and removes it again. Takes what
CPU and disk others leave. The result is kept in the store. The agents do the
same by themselves at the times of aurum.backup.restore_test.

Options
  --dir DIR         the scratch folder; default: restore_test_dir of aurum.backup,
                    else restore-test in its work_dir. It needs room for the
                    database
  --time TIME       up to then; default: the newest WAL
  --backup LABEL    this backup; default: the newest
  --check SQL       must answer true; may be given several times; default:
                    restore_test_checks
  --database NAME   where the checks are run; default: restore_test_database
  --json            the result for programs

Examples
  aurum backup -c /etc/aurum/node.yml test
  aurum backup -c /etc/aurum/node.yml test --database shop \
    --check "SELECT count(*) > 1000 FROM orders"
)";

struct TrialCommand {
  RestoreOptions plan;
  backup::RestoreTrialOptions trial;
  bool json = false, help = false;
  bool scheduled = false;  ///< an agent has begun it, and keeps the result
};

Result<TrialCommand> parse(int argc, char** argv) {
  TrialCommand out;
  out.plan.target = model::RecoveryTarget{};
  if (const char* file = std::getenv("PATRONI_CONFIG_FILE")) out.plan.config = file;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "test") continue;
    if (word == "--scheduled") {
      out.scheduled = true;
      continue;
    }
    if (word == "--json" || word == "--help" || word == "-h") {
      (word == "--json" ? out.json : out.help) = true;
      continue;
    }
    if (i + 1 == argc)
      return fail(Code::invalid, fmt::format("'{}' is unknown, or needs a value", word));
    const std::string value = argv[++i];
    if (word == "-c" || word == "--config-file") {
      out.plan.config = value;
    } else if (word == "--dir") {
      out.trial.dir = value;
    } else if (word == "--backup") {
      out.plan.backup = value;
    } else if (word == "--check") {
      out.trial.checks.push_back(value);
    } else if (word == "--database") {
      out.trial.database = value;
    } else if (word == "--time") {
      auto time = parse_schedule(value);
      if (!time || time->empty()) return fail(Code::invalid, fmt::format("'{}' is no time", value));
      out.plan.target = model::RecoveryTarget{model::RecoveryTarget::Kind::time, *time};
    } else {
      return fail(Code::invalid, fmt::format("unknown argument '{}'", word));
    }
  }
  return out;
}

int failed(const Error& error) {
  fmt::print(stderr, "error: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "hint: {}\n", error.hint);
  return 1;
}

/// A line for the agent, or one that changes on a terminal.
std::function<void(std::string)> shown_progress(const TrialCommand& command) {
  if (command.scheduled)
    return [](const std::string& text) { fmt::print(stderr, "progress: {}\n", text); };
  if (::isatty(2) == 0) return {};
  return [](const std::string& text) { fmt::print(stderr, "\r  {:<40}", text); };
}

bool is_gone(const std::string& label, const model::LocalConfig& config) {
  const auto catalogue = backup::run_alone(backup::Pgbackrest(config).catalogue());
  return catalogue && std::ranges::none_of(catalogue->backups, [&](const backup::Backup& backup) {
           return backup.label == label;
         });
}

/// The retention may take a backup away while it is restored: that says nothing of the others.
Result<backup::RestoreTrial> make_trial(TrialCommand& command, const model::LocalConfig& config,
                                        World& world) {
  for (bool again = false;; again = true) {
    const auto view = world.read({config.scope});
    auto plan = plan_from_repository(config, view ? *view : model::ClusterView{}, command.plan,
                                     runtime::wall_now());
    if (!plan) return fail(plan.error());
    command.trial.plan = std::move(*plan);
    auto trial = backup::run_alone(backup::try_restore(config, command.trial));
    if (trial.ok || again || !is_gone(trial.backup, config)) return trial;
  }
}

void take_defaults(TrialCommand& command, const model::LocalConfig& config) {
  const auto& usual = config.aurum.backup->restore_test;
  command.trial.node = config.name;
  command.trial.progress = shown_progress(command);
  if (command.trial.dir.empty()) command.trial.dir = usual.dir;
  if (command.trial.database.empty()) command.trial.database = usual.database;
  if (command.trial.checks.empty()) command.trial.checks = usual.checks;
}

int run(TrialCommand& command, const model::LocalConfig& config) {
  take_defaults(command, config);
  if (!command.scheduled) {
    const auto keys = backup::run_alone(backup::read_backup_keys(config));
    if (keys && keys->trial_lock)
      return failed({Code::exists, "a restore test runs on " + keys->trial_lock->node,
                     "`aurum backup list` shows how far it is."});
  }
  const auto world = make_world(config, runtime::null_logger());
  const auto trial = make_trial(command, config, *world);
  if (!trial) return failed(trial.error());
  if (command.scheduled) {
    fmt::print("{}\n", model::to_json(backup::to_value(*trial)));
    return trial->ok ? 0 : 1;
  }
  if (command.trial.progress) fmt::print(stderr, "\r{:<44}\r", "");
  fmt::print("{}", command.json ? model::to_json_pretty(backup::to_value(*trial)) + "\n"
                                : backup::render_restore_trial(*trial));
  std::fflush(stdout);
  const auto kept = backup::run_alone(backup::keep_trial(config, *trial));
  if (!kept) return failed(kept.error().within("the result is not in the store"));
  return trial->ok ? 0 : 1;
}

}  // namespace

bool is_restore_trial(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "-c" || word == "--config-file") {
      ++i;
    } else if (!word.starts_with("-")) {
      return word == "test";
    }
  }
  return false;
}

int restore_trial_main(int argc, char** argv) {
  auto command = parse(argc, argv);
  if (!command) {
    fmt::print(stderr, "error: {}\nhint: aurum backup test --help\n", command.error().message);
    return 2;
  }
  if (command->help) return std::fputs(kTrialHelp, stdout) >= 0 ? 0 : 1;
  const auto config = backup::begin_on_node(command->plan.config);
  if (!config) return failed(config.error());
  const auto yielded = backup::yield_to_others(config->aurum.backup->restore_test.cgroup);
  if (!yielded) return failed(yielded.error());
  return run(*command, *config);
}

}  // namespace aurum::cli
