// `aurum backup test`: restores a backup into a scratch folder, checks it, and tells how long that
// took.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/node_config.h"
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
CPU and disk others leave. The result is kept in the store.

Options
  --dir DIR         the scratch folder; default: restore-test in aurum.backup's
                    work_dir. It needs room for the database
  --time TIME       up to then; default: the newest WAL
  --backup LABEL    this backup; default: the newest
  --check SQL       must answer true; may be given several times
  --database NAME   where the checks are run (postgres)
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
};

Result<TrialCommand> parse(int argc, char** argv) {
  TrialCommand out;
  out.plan.target = model::RecoveryTarget{};
  if (const char* file = std::getenv("PATRONI_CONFIG_FILE")) out.plan.config = file;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "test") continue;
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

int run(TrialCommand& command, const model::LocalConfig& config) {
  const auto world = make_world(config, runtime::null_logger());
  const ClusterId cluster{config.scope};
  const auto view = world->read(cluster);
  auto plan = plan_from_repository(config, view ? *view : model::ClusterView{}, command.plan,
                                   runtime::wall_now());
  if (!plan) return failed(plan.error());
  command.trial.plan = std::move(*plan);
  command.trial.node = config.name;
  if (command.trial.dir.empty()) command.trial.dir = config.aurum.backup->work_dir / "restore-test";
  if (::isatty(2) != 0)
    command.trial.progress = [](const std::string& text) {
      fmt::print(stderr, "\r  {:<40}", text);
    };
  const auto trial = backup::run_alone(backup::try_restore(config, command.trial));
  if (command.trial.progress) fmt::print(stderr, "\r{:<44}\r", "");
  fmt::print("{}", command.json ? model::to_json_pretty(backup::to_value(trial)) + "\n"
                                : backup::render_restore_trial(trial));
  std::fflush(stdout);
  const auto kept =
      world->txn(cluster, {.then = {{.key = backup::kRestoreTestKey,
                                     .value = model::to_json(backup::to_value(trial))}}});
  if (!kept) return failed(kept.error().within("the result is not in the store"));
  return trial.ok ? 0 : 1;
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
  backup::yield_to_others();
  return run(*command, *config);
}

}  // namespace aurum::cli
