// The one program: its first argument, or the name it is called by, says which part of it runs.

#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/commands.h"
#include "agent/startup.h"
#include "backup/archive.h"
#include "backup/commands.h"
#include "backup/run_deadline.h"
#include "cli/ctl.h"
#include "cli/doctor.h"
#include "cli/generate_command.h"
#include "cli/help.h"
#include "cli/restore.h"
#include "cli/restore_copy.h"
#include "cli/secrets.h"
#include "fence/guard.h"
#include "lab/commands.h"
#include "stack/commands.h"

namespace {

constexpr const char* kGuardHelp = R"(Usage: aurum guard --run-dir DIR [options]

The parent of PostgreSQL: holds the lease page in DIR and ends the server when
its deadline passes, whatever has become of the agent. The agent starts it and
adopts one it finds; nobody else needs to.

Options
  --run-dir DIR     an existing directory of ours on a tmpfs; page, socket, lock
  --grace-ms N      how long after the deadline the server is killed (100)
  --idle-ms N       ends after so long with neither server nor agent (30000)
  --detach          return when it listens, and go on in the background
  -- AGENT ...      keep this agent running, and end with it (`aurum run`)
  --help            this text

Look at one
  ls /run/aurum /dev/shm/aurum-*    # SCOPE-NAME/lease, guard.sock, guard.lock
  kill -TERM PID                    # stops its PostgreSQL, then itself
)";

/// `aurum guard …`.
int guard_main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--help" || first == "-h") return std::fputs(kGuardHelp, stdout) >= 0 ? 0 : 1;
  const auto options =
      aurum::fence::parse_guard_options(std::span(argv + 1, static_cast<std::size_t>(argc - 1)));
  if (!options) {
    std::fprintf(stderr, "error: %s\nhint: aurum guard --help\n", options.error().message.c_str());
    return 2;
  }
  return aurum::fence::run_guard(*options);
}

/// Where the agent of this member is, or would be, at home.
aurum::Result<std::filesystem::path> find_run_dir(const aurum::model::LocalConfig& config) {
  auto dir = aurum::agent::run_dir_of(config);
  if (!dir) return aurum::fail(dir.error());
  return dir->path;
}

int agent_main(int argc, char** argv, const char* program_name) {
  if (aurum::cli::is_generate(argc, argv))
    return aurum::cli::generate_main(argc, argv, program_name);
  return aurum::agent::agent_main(argc, argv, program_name);
}

std::string_view base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace aurum;
  const std::string_view called = base_name(argc > 0 ? argv[0] : "aurum");
  if (called == "patroni") return agent_main(argc, argv, "patroni");
  if (called == "patronictl") return cli::ctl_main(argc, argv, "patronictl");

  const std::string_view command = argc > 1 ? argv[1] : "--help";
  // PostgreSQL runs these for every WAL file.
  if (command == "archive-push") return backup::archive_main(backup::Way::push, argc - 1, argv + 1);
  if (command == "archive-get") return backup::archive_main(backup::Way::get, argc - 1, argv + 1);
  if (command == "backup-run") return backup::backup_run_main(argc - 1, argv + 1);
  if (command == "agent") return agent_main(argc - 1, argv + 1, "aurum agent");
  if (command == "health") return agent::health_main(argc - 1, argv + 1);
  if (command == "run") return agent::run_main(argc - 1, argv + 1);
  if (command == "ctl") return cli::ctl_main(argc - 1, argv + 1, "aurum ctl");
  if (command == "doctor") return cli::doctor_main(argc - 1, argv + 1);
  if (command == "guard") return guard_main(argc - 1, argv + 1);
  if (command == "backup" && cli::is_restore_trial(argc - 1, argv + 1))
    return cli::restore_trial_main(argc - 1, argv + 1);
  if (command == "backup") return backup::backup_main(argc - 1, argv + 1, find_run_dir);
  if (command == "secrets") return cli::secrets_main(argc - 1, argv + 1);
  if (command == "restore") return cli::restore_main(argc - 1, argv + 1);
  if (command == "stack") return stack::stack_main(argc - 1, argv + 1);
  if (command == "bench") return stack::bench_main(argc - 1, argv + 1);
  if (command == "verify") return stack::verify_main(argc - 1, argv + 1);
  if (command == "certs") return stack::certs_main(argc - 1, argv + 1);
  if (command == "sim") return lab::sim_main(argc - 1, argv + 1);
  if (command == "explain") return lab::explain_main(argc - 1, argv + 1);
  if (command == "--version" || command == "version") return cli::print_version();
  if (command == "--help" || command == "-h" || command == "help") return cli::print_help();
  std::fprintf(stderr, "error: unknown command '%s'\nhint: aurum --help lists the commands\n",
               argv[1]);
  return 2;
}
