#include "agent/commands.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/agent.h"
#include "base/version.h"
#include "model/config.h"
#include "runtime/log.h"

extern char** environ;

namespace aurum::agent {

namespace {

constexpr std::string_view kHelp = R"(Usage: {0} [options] [CONFIG]

Keeps the PostgreSQL of this node highly available: takes part in the election
of a leader through etcd, promotes, demotes, clones, rewinds.

CONFIG is a patroni.yml, or a directory of *.yml files merged in sorted order.
Without it the environment (PATRONI_CONFIGURATION, or PATRONI_*) is used;
beside a file, PATRONI_* variables win.

Options
  --validate-config   check CONFIG, print what is wrong, start nothing
  --version           print the version
  --help              this text

Examples
  {0} /etc/patroni/patroni.yml
  {0} --validate-config patroni.yml
  kill -HUP PID        read CONFIG again
  kill -TERM PID       stop; a leader hands over first
)";

model::Environment environment() {
  model::Environment env;
  for (char** e = environ; *e != nullptr; ++e) {
    if (const char* eq = std::strchr(*e, '='))
      env[std::string(*e, static_cast<std::size_t>(eq - *e))] = eq + 1;
  }
  return env;
}

void print_findings(const model::Loaded& loaded) {
  for (const auto& finding : loaded.findings) {
    const bool error = finding.level == model::Finding::Level::error;
    std::fprintf(stderr, "%s: %s\n", error ? "error" : "warning", finding.text().c_str());
  }
}

runtime::LogSettings log_settings(const model::LogConfig& log) {
  runtime::LogSettings settings;
  settings.type = log.type;
  settings.level = log.level;
  settings.format = log.format;
  settings.dateformat = log.dateformat;
  settings.dir = log.dir;
  settings.file_size = static_cast<std::size_t>(log.file_size);
  settings.file_num = log.file_num;
  if (log.static_fields.is_object()) {
    for (const auto& [key, value] : log.static_fields.as_object())
      settings.static_fields.emplace_back(key, value.text());
  }
  return settings;
}

/// What the file says is right, and yet this machine or user can not do it.
Status check_machine(const model::LocalConfig& config) {
  if (::geteuid() == 0) {
    return fail(
        Code::permission, "PostgreSQL can not run as root",
        fmt::format("start the agent as the user who owns {}", config.pg.data_dir.string()));
  }
  return {};
}

int run_agent(const std::string& config_path) {
  AgentOptions options;
  options.config_path = config_path;
  options.env = environment();
  std::error_code ec;
  options.program = std::filesystem::read_symlink("/proc/self/exe", ec).string();

  model::Loaded loaded = model::load_config(config_path, options.env);
  if (!loaded.config) {
    print_findings(loaded);
    return 1;
  }
  auto log = runtime::make_logger(log_settings(loaded.config->log));
  if (!log) {
    std::fprintf(stderr, "error: %s\n", log.error().text().c_str());
    return 1;
  }
  for (const auto& finding : loaded.findings) (*log)->warn("config", finding.text());
  if (const Status fit = check_machine(*loaded.config); !fit) {
    (*log)->log(runtime::Level::critical, "start", fit.error().text());
    return 1;
  }
  (*log)->info("start", fmt::format("aurum {} starts as {} of {}", kAurumVersion,
                                    loaded.config->name, loaded.config->scope));
  // On the heap and never destroyed: when run() leaves, the process ends with whatever was still
  // under way.
  auto* agent = new Agent(std::move(options), std::move(*loaded.config), std::move(*log));
  return agent->run();
}

}  // namespace

int agent_main(int argc, char** argv, const char* program_name) {
  std::string config_path;
  bool validate = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--help" || arg == "-h") {
      fmt::print(fmt::runtime(kHelp), program_name);
      return 0;
    }
    if (arg == "--version") {
      const bool as_patroni = std::string_view(program_name) == "patroni";
      fmt::print("{} {}\n", as_patroni ? "patroni" : "aurum",
                 as_patroni ? kPatroniVersion : kAurumVersion);
      return 0;
    }
    if (arg == "--validate-config") {
      validate = true;
    } else if (arg.starts_with("-")) {
      std::fprintf(stderr, "error: unknown option %s\nhint: see %s --help\n", argv[i],
                   program_name);
      return 2;
    } else if (config_path.empty()) {
      config_path = arg;
    } else {
      std::fprintf(stderr, "error: more than one configuration: %s and %s\n", config_path.c_str(),
                   argv[i]);
      return 2;
    }
  }
  if (validate) {
    const model::Loaded loaded = model::load_config(config_path, environment());
    print_findings(loaded);
    return loaded.config ? 0 : 1;
  }
  const int code = run_agent(config_path);
  std::fflush(nullptr);
  ::_exit(code);
}

}  // namespace aurum::agent
