// `aurum run`: guard and agent as one service, for a container whose first process it is.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "agent/commands.h"
#include "agent/startup.h"
#include "model/config.h"
#include "runtime/environment.h"

namespace aurum::agent {

namespace {

constexpr const char* kHelp = R"(Usage: aurum run [CONFIG]

Runs this node as one service: the guard, and under it the agent, which is kept
running. For containers: as their first process it reaps orphans, hands SIGTERM
and SIGHUP to the agent, and ends when agent and PostgreSQL are down. Elsewhere
`aurum agent` starts a guard by itself.

CONFIG is a patroni.yml, as for `aurum agent`; PATRONI_* variables win.

Examples
  ENTRYPOINT ["aurum", "run", "/etc/aurum/patroni.yml"]
  docker kill --signal HUP postgres-1    # read CONFIG again
)";

}  // namespace

int run_main(int argc, char** argv) {
  std::string config_path;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--help" || arg == "-h") return std::fputs(kHelp, stdout) >= 0 ? 0 : 1;
    if (arg.starts_with("-") || !config_path.empty()) {
      std::fprintf(stderr, "error: run takes one CONFIG, not '%s'\nhint: aurum run --help\n",
                   argv[i]);
      return 2;
    }
    config_path = arg;
  }
  const auto loaded = model::load_config(config_path, runtime::environment());
  if (!loaded.config) {
    print_findings(loaded);
    return 1;
  }
  const auto dir = run_dir_of(*loaded.config);
  if (!dir) {
    std::fprintf(stderr, "error: %s\n", dir.error().text().c_str());
    return 1;
  }
  // A fresh image of the program: the guard stays as small as everywhere.
  std::error_code ec;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", ec).string();
  std::vector<std::string> words = {
      self, "guard", "--run-dir", dir->path.string(), "--grace-ms", "0", "--", self, "agent"};
  if (!config_path.empty()) words.push_back(config_path);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(self.c_str(), arguments.data());
  std::fprintf(stderr, "error: cannot run the guard: %s\n", std::strerror(errno));
  return 1;
}

}  // namespace aurum::agent
