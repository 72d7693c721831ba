#include "agent/commands.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "agent/agent.h"
#include "agent/certificate_check.h"
#include "agent/preflight.h"
#include "agent/startup.h"
#include "base/version.h"
#include "model/config.h"
#include "model/passwords.h"
#include "runtime/clock.h"
#include "runtime/environment.h"
#include "runtime/log.h"
#include "runtime/run_alone.h"

namespace aurum::agent {

namespace {

constexpr std::string_view kHelp = R"(Usage: {0} [options] [CONFIG]

Keeps the PostgreSQL of this node highly available: takes part in the election
of a leader through etcd, promotes, demotes, clones, rewinds.

CONFIG is a patroni.yml, or a directory of *.yml files merged in sorted order.
Without it the environment (PATRONI_CONFIGURATION, or PATRONI_*) is used;
beside a file, PATRONI_* variables win.

Options
  --validate-config   check CONFIG and this machine (ports, programs, data
                      directory, etcd), say what is wrong, start nothing
  -i, --ignore-listen-port
                      with it: the ports may be busy, the agent runs already
  -p, --print         with it: print CONFIG as it was understood, if it is good
  --generate-config [--dsn DSN] [FILE]
                      print, or write to FILE, a patroni.yml of the PostgreSQL
                      that runs at DSN (or PGHOST, PGPORT ...); PATRONI_*
                      variables are taken over, #FIXME is what is left to you
  --generate-sample-config [FILE]
                      the same without a server
  --version           print the version
  --help              this text

Examples
  {0} /etc/patroni/patroni.yml
  {0} --validate-config patroni.yml
  {0} --generate-config --dsn 'port=5432 user=postgres' patroni.yml
  kill -HUP PID        read CONFIG again
  kill -TERM PID       stop; a leader hands over first
)";

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

std::string source_of(const std::string& config_path) {
  return config_path.empty() ? "the environment" : config_path;
}

bool has_error(const std::vector<model::Finding>& findings) {
  return std::ranges::any_of(findings,
                             [](const auto& f) { return f.level == model::Finding::Level::error; });
}

/// What the file says is right, and yet this machine or user can not do it. False after the
/// reasons.
bool check_machine(const model::LocalConfig& config, const std::string& source,
                   runtime::Logger& log) {
  if (::geteuid() == 0) {
    log.log(
        runtime::Level::critical, "start",
        fmt::format("PostgreSQL can not run as root (hint: start the agent as the user who owns "
                    "{}, for example: sudo -u postgres)",
                    config.pg.data_dir.string()));
    return false;
  }
  auto findings = runtime::run_alone(preflight(config, source, true));
  std::ranges::move(model::check_passwords(config, runtime::environment()),
                    std::back_inserter(findings));
  for (const auto& finding : check_certificates(config, source, runtime::wall_now()))
    log.warn("start", finding.text());
  for (const auto& finding : findings) {
    const bool error = finding.level == model::Finding::Level::error;
    log.log(error ? runtime::Level::critical : runtime::Level::warning, "start", finding.text());
  }
  return !has_error(findings);
}

/// `--validate-config`: 0 when it is fit to start (PATRONI_COMPAT §3.5).
int validate(const std::string& config_path, bool listen_ports, bool print) {
  model::Loaded loaded = model::load_config(config_path, runtime::environment());
  const std::string source = source_of(config_path);
  if (loaded.config) {
    const auto add = [&loaded](std::vector<model::Finding> more) {
      std::ranges::move(more, std::back_inserter(loaded.findings));
    };
    boost::asio::io_context io;
    add(check_advertised(*loaded.config, source));
    add(model::check_passwords(*loaded.config, runtime::environment()));
    add(runtime::run_alone(io, preflight(*loaded.config, source, listen_ports)));
    add(check_certificates(*loaded.config, source, runtime::wall_now()));
    if (!has_error(loaded.findings))
      add(runtime::run_alone(io, check_store_reachable(io.get_executor(), *loaded.config, source,
                                                       runtime::null_logger())));
  }
  print_findings(loaded);
  if (has_error(loaded.findings) || !loaded.config) return 1;
  if (print) std::fputs(model::to_yaml(loaded.config->raw).c_str(), stdout);
  return 0;
}

int run_agent(const std::string& config_path) {
  AgentOptions options;
  options.manager = runtime::ServiceManager::from_environment();
  options.config_path = config_path;
  options.env = runtime::environment();
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
  if (!check_machine(*loaded.config, source_of(config_path), **log)) return 1;
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
  bool validating = false, listen_ports = true, print = false;
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
      validating = true;
    } else if (arg == "-i" || arg == "--ignore-listen-port") {
      listen_ports = false;
    } else if (arg == "-p" || arg == "--print") {
      print = true;
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
  if (validating) return validate(config_path, listen_ports, print);
  if (!listen_ports || print) {
    std::fprintf(stderr, "error: %s belongs to --validate-config\nhint: see %s --help\n",
                 print ? "--print" : "--ignore-listen-port", program_name);
    return 2;
  }
  const int code = run_agent(config_path);
  std::fflush(nullptr);
  ::_exit(code);
}

}  // namespace aurum::agent
