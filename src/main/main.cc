// The one program: its first argument, or the name it is called by, says which part of it runs.

#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "agent/commands.h"
#include "cli/ctl.h"
#include "cli/help.h"
#include "fence/guard.h"
#include "stack/commands.h"

namespace {

constexpr std::string_view kGuardHelp =
    "Usage: aurum guard --run-dir DIR [OPTIONS]\n"
    "\n"
    "The parent of one PostgreSQL. It holds the lease page and kills the server when the\n"
    "lease's deadline passes, even if the agent is dead or frozen. The agent starts it; by\n"
    "hand it is of use only to try it.\n"
    "\n"
    "  --run-dir DIR   folder on a tmpfs for lease page and socket, its own for each server\n"
    "  --grace-ms N    wait this long after the deadline before the kill\n"
    "  --idle-ms N     end this long after the last client left and no server runs\n"
    "  --detach        go to the background when ready; exit 0 then\n"
    "  --help          show this message and exit\n";

/// `aurum guard …`.
int guard_main(int argc, char** argv) {
  if (argc > 1 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
    std::fwrite(kGuardHelp.data(), 1, kGuardHelp.size(), stdout);
    return 0;
  }
  const auto options =
      aurum::fence::parse_guard_options(std::span(argv + 1, static_cast<std::size_t>(argc - 1)));
  if (!options) {
    std::fprintf(stderr, "error: %s\n", options.error().text().c_str());
    return 2;
  }
  return aurum::fence::run_guard(*options);
}

std::string_view base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace aurum;
  const std::string_view called = base_name(argc > 0 ? argv[0] : "aurum");
  if (called == "patroni") return agent::agent_main(argc, argv, "patroni");
  if (called == "patronictl") return cli::ctl_main(argc, argv, "patronictl");

  const std::string_view command = argc > 1 ? argv[1] : "--help";
  if (command == "agent") return agent::agent_main(argc - 1, argv + 1, "aurum agent");
  if (command == "ctl") return cli::ctl_main(argc - 1, argv + 1, "aurum ctl");
  if (command == "guard") return guard_main(argc - 1, argv + 1);
  if (command == "stack") return stack::stack_main(argc - 1, argv + 1);
  if (command == "bench") return stack::bench_main(argc - 1, argv + 1);
  if (command == "--version" || command == "version") return cli::print_version();
  if (command == "--help" || command == "-h" || command == "help") return cli::print_help();
  std::fprintf(stderr, "error: unknown command '%s'\nhint: aurum --help lists the commands\n",
               argv[1]);
  return 2;
}
