#include "backup/commands.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/archive_report.h"
#include "backup/cluster_commands.h"
#include "backup/node_config.h"
#include "backup/pgbackrest.h"
#include "backup/pgbackrest_conf.h"
#include "backup/show.h"
#include "pg/render.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace {

constexpr const char* kHelp = R"(Usage: aurum backup [-c CONFIG] COMMAND [options]

Backups of this node's cluster with pgBackRest, as aurum.backup of CONFIG (a
patroni.yml; default: PATRONI_CONFIG_FILE) says. The stanza is made by itself.

Commands
  list [--json]        the backups there are, what can be recovered, and when the
                       agents took and tested the last ones, and do the next
  now [--type TYPE]    take one: full, diff or incr (default: incr, which is full
                       when there is none); on the leader, or with TLS between
                       the nodes on a standby; never beside another one
  check                archives a WAL file and looks for it; tells how archiving
                       goes on this node; on the leader
  verify               read all of the repository and name what is damaged
  test                 restore the newest one into a scratch folder, and check it
  expire               remove what the retention does not want any more
  forget --yes         the repository was lost for good: begin a new stanza

Examples
  aurum backup -c /etc/aurum/node.yml list
  aurum backup -c /etc/aurum/node.yml now --type full
  pgbackrest --config=/data/pg/main.pgbackrest/pgbackrest.conf --stanza=demo info
)";

struct Options {
  std::string config, command, type = "incr";
  bool json = false, yes = false;
};

int usage_error(std::string_view what) {
  fmt::print(stderr, "error: {}\nhint: aurum backup --help\n", what);
  return 2;
}

int failed(const Error& error) {
  fmt::print(stderr, "error: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "hint: {}\n", error.hint);
  return 1;
}

Result<Options> parse_options(int argc, char** argv) {
  Options out;
  if (const char* file = std::getenv("PATRONI_CONFIG_FILE")) out.config = file;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = [&](std::string& target) -> Status {
      if (++i == argc) return fail(Code::invalid, fmt::format("{} needs a value", word));
      target = argv[i];
      return {};
    };
    Status good;
    if (word == "-c" || word == "--config-file") {
      good = value(out.config);
    } else if (word == "--type") {
      good = value(out.type);
    } else if (word == "--json") {
      out.json = true;
    } else if (word == "--yes") {
      out.yes = true;
    } else if (word.starts_with("-") || !out.command.empty()) {
      good = fail(Code::invalid, fmt::format("unknown argument '{}'", word));
    } else {
      out.command = word;
    }
    if (!good) return fail(good.error());
  }
  if (out.type != "full" && out.type != "diff" && out.type != "incr")
    return fail(Code::invalid, fmt::format("'{}' is no type: full, diff or incr", out.type));
  return out;
}

int simple(Status outcome, std::string_view done) {
  if (!outcome) return failed(outcome.error());
  fmt::print("{}\n", done);
  return 0;
}

/// One line on a terminal, written anew; a log needs no percentages. What is said next has a line
/// of its own.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (shown_ >= 0) fmt::print(stderr, "\n");
  }
  void show(const Progress& progress) {
    if (::isatty(2) == 0 || static_cast<int>(progress.percent) == shown_) return;
    shown_ = static_cast<int>(progress.percent);
    fmt::print(stderr, "\r\033[K{}", progress_text(progress, runtime::now() - begun_));
  }

 private:
  Instant begun_ = runtime::now();
  int shown_ = -1;
};

int list(Pgbackrest& pgbackrest, const model::LocalConfig& config, bool json) {
  const auto& backup = *config.aurum.backup;
  const auto catalogue = run_alone(pgbackrest.catalogue());
  if (!catalogue) return failed(catalogue.error());
  const auto keys = run_alone(read_backup_keys(config));
  const auto now = runtime::wall_now_s();
  if (json) {
    auto out = model::parse_json(catalogue_json(*catalogue, backup.stanza)).value();
    out.set("schedule",
            keys ? schedule_value(backup.schedule, config.scope, *keys, now) : model::Value());
    if (keys) {
      add_proofs(out, *keys);
      out.set("restore_test", trials_value(backup.schedule, config.scope, *keys, now));
    }
    fmt::print("{}\n", model::to_json_pretty(out));
  } else {
    fmt::print("{}{}\n{}", render_catalogue(*catalogue, backup.stanza),
               keys ? render_proofs(*catalogue, *keys) : "",
               keys ? render_schedule(backup.schedule, config.scope, *keys, now)
                    : fmt::format("schedule: not known, {}\n", keys.error().message));
  }
  return catalogue->status <= kStanzaWithoutBackups ? 0 : 1;
}

int take(const model::LocalConfig& config, const std::string& type) {
  std::error_code ec;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ec).string();
  const auto run = [&] {
    ProgressLine line;
    return run_alone(take_now(config, *parse_run_kind(type), program,
                              [&line](const Progress& progress) { line.show(progress); }));
  }();
  if (!run) return failed(run.error());
  if (!run->ok()) {
    fmt::print(stderr, "error: {}\n", run->error);
    return 1;
  }
  fmt::print("backup {} done: {}, {} added to the repository in {} s\n", run->label,
             to_string(run->kind), pg::human_bytes(static_cast<double>(run->added)),
             run->ended - run->started);
  return 0;
}

/// pgBackRest sees its own lock on this host only.
int expire(Pgbackrest& pgbackrest, const model::LocalConfig& config) {
  const auto keys = run_alone(read_backup_keys(config));
  if (keys && keys->lock)
    return failed({Code::exists,
                   fmt::format("{} runs on {}", to_string(keys->lock->kind), keys->lock->node),
                   "Wait for its end; it applies the retention itself."});
  return simple(run_alone(pgbackrest.expire()), "expire: done");
}

int forget(const model::LocalConfig& config, bool yes) {
  if (!yes) return usage_error("forget gives up the backups there were: add --yes");
  return simple(run_alone(forget_stanza(config)), "forgotten: the next run makes a new stanza");
}

int check(Pgbackrest& pgbackrest, const model::LocalConfig& config,
          const FindRunDir& find_run_dir) {
  const auto run_dir = find_run_dir(config);
  if (!run_dir) return failed(run_dir.error());
  const auto outcome = run_alone(pgbackrest.check());
  const auto report =
      read_archive_report(*run_dir, config.pg.data_dir, config.aurum.backup->work_dir);
  std::fputs(render_archive_report(report).c_str(), stdout);
  if (!outcome) return failed(outcome.error());
  std::puts("check: a WAL file was archived and found in the repository");
  return report.failing() ? 1 : 0;
}

int run_command(const Options& options, const model::LocalConfig& config,
                const FindRunDir& find_run_dir) {
  Pgbackrest pgbackrest(config);
  if (options.command == "list") return list(pgbackrest, config, options.json);
  if (options.command == "now") return take(config, options.type);
  if (options.command == "check") return check(pgbackrest, config, find_run_dir);
  if (options.command == "verify")
    return simple(run_alone(pgbackrest.verify()), "verify: everything in the repository is good");
  if (options.command == "expire") return expire(pgbackrest, config);
  if (options.command == "forget") return forget(config, options.yes);
  return usage_error(fmt::format("unknown command '{}'", options.command));
}

}  // namespace

int backup_main(int argc, char** argv, const FindRunDir& find_run_dir) {
  for (int i = 1; i < argc; ++i)
    if (const std::string_view word = argv[i]; word == "--help" || word == "-h")
      return std::fputs(kHelp, stdout) >= 0 ? 0 : 1;
  const auto options = parse_options(argc, argv);
  if (!options) return usage_error(options.error().message);
  if (options->command.empty()) return usage_error("a command is missing");
  const auto config = begin_on_node(options->config);
  if (!config) return failed(config.error());
  return run_command(*options, *config, find_run_dir);
}

}  // namespace aurum::backup
