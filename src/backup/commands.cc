#include "backup/commands.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/archive_report.h"
#include "backup/node_config.h"
#include "backup/pgbackrest.h"
#include "backup/pgbackrest_conf.h"
#include "pg/render.h"

namespace aurum::backup {

namespace {

constexpr const char* kHelp = R"(Usage: aurum backup [-c CONFIG] COMMAND [options]

Backups of this node's cluster with pgBackRest, as aurum.backup of CONFIG (a
patroni.yml; default: PATRONI_CONFIG_FILE) says. The stanza is made by itself.

Commands
  list [--json]        the backups there are, and what can be recovered
  now [--type TYPE]    take one: full, diff or incr (default: incr, which is full
                       when there is none); on the leader
  check                archives a WAL file and looks for it; tells how archiving
                       goes on this node; on the leader
  verify               read all of the repository and name what is damaged
  expire               remove what the retention does not want any more

Examples
  aurum backup -c /etc/aurum/node.yml list
  aurum backup -c /etc/aurum/node.yml now --type full
  pgbackrest --config=/data/pg/main.pgbackrest/pgbackrest.conf --stanza=demo info
)";

struct Options {
  std::string config, command, type = "incr";
  bool json = false;
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

/// On a terminal only: a log needs no percentages.
void show_percent(double percent) {
  static int shown = -1;
  if (::isatty(2) == 0 || static_cast<int>(percent) == shown) return;
  shown = static_cast<int>(percent);
  fmt::print(stderr, "\rcopied {:3} %{}", shown, shown == 100 ? "\n" : "");
}

int list(Pgbackrest& pgbackrest, const model::BackupConfig& config, bool json) {
  const auto catalogue = run_alone(pgbackrest.catalogue());
  if (!catalogue) return failed(catalogue.error());
  const auto text = json ? catalogue_json(*catalogue, config.stanza) + "\n"
                         : render_catalogue(*catalogue, config.stanza);
  std::fputs(text.c_str(), stdout);
  return catalogue->status <= kStanzaWithoutBackups ? 0 : 1;
}

int take(Pgbackrest& pgbackrest, const std::string& type) {
  const auto made = run_alone(pgbackrest.take(type, show_percent));
  if (!made) return failed(made.error());
  fmt::print("backup {} done: {}, {} added to the repository in {} s\n", made->label, made->type,
             pg::human_bytes(static_cast<double>(made->repository_delta)),
             made->stop - made->start);
  return 0;
}

int check(Pgbackrest& pgbackrest, const model::LocalConfig& config,
          const FindRunDir& find_run_dir) {
  const auto run_dir = find_run_dir(config);
  if (!run_dir) return failed(run_dir.error());
  const auto outcome = run_alone(pgbackrest.check());
  const auto report = read_archive_report(*run_dir, config.pg.data_dir);
  std::fputs(render_archive_report(report).c_str(), stdout);
  if (!outcome) return failed(outcome.error());
  std::puts("check: a WAL file was archived and found in the repository");
  return report.failing() ? 1 : 0;
}

int simple(Status outcome, std::string_view done) {
  if (!outcome) return failed(outcome.error());
  fmt::print("{}\n", done);
  return 0;
}

int run_command(const Options& options, const model::LocalConfig& config,
                const FindRunDir& find_run_dir) {
  // The agent knows the topology and keeps the file; without an agent so far we begin it.
  std::error_code ec;
  const auto& backup = *config.aurum.backup;
  if (!std::filesystem::exists(backup.config_file(), ec)) {
    const auto written = write_pgbackrest_conf(config, {});
    if (!written) return failed(written.error());
  }
  Pgbackrest pgbackrest(config);
  if (options.command == "list") return list(pgbackrest, backup, options.json);
  if (options.command == "now") return take(pgbackrest, options.type);
  if (options.command == "check") return check(pgbackrest, config, find_run_dir);
  if (options.command == "verify")
    return simple(run_alone(pgbackrest.verify()), "verify: everything in the repository is good");
  if (options.command == "expire") return simple(run_alone(pgbackrest.expire()), "expire: done");
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
  auto config = load_node_config(options->config);
  if (!config) return failed(config.error());
  const auto became = become_owner(*config);
  if (!became) return failed(became.error());
  return run_command(*options, *config, find_run_dir);
}

}  // namespace aurum::backup
