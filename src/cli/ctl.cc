#include "cli/ctl.h"

#include <array>
#include <cstdlib>
#include <iostream>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "cli/session.h"
#include "cli/settings.h"
#include "model/passwords.h"
#include "runtime/environment.h"

namespace aurum::cli {

namespace {

using Command = Done (*)(Session&);

constexpr std::array<std::pair<std::string_view, Command>, 20> kCommands = {{
    {"list", run_list},
    {"topology", run_topology},
    {"history", run_history},
    {"explain", run_explain},
    {"dsn", run_dsn},
    {"version", run_version},
    {"show-config", run_show_config},
    {"edit-config", run_edit_config},
    {"restart", run_restart},
    {"reload", run_reload},
    {"reinit", run_reinit},
    {"flush", run_flush},
    {"switchover", run_switchover},
    {"failover", run_failover},
    {"pause", run_pause},
    {"resume", run_resume},
    {"query", run_query},
    {"remove", run_remove},
    {"demote-cluster", run_demote_cluster},
    {"promote-cluster", run_promote_cluster},
}};

/// `version` without a cluster works without any configuration.
bool needs_settings(const Options& options) {
  return options.command != "version" || !options.names.empty();
}

Done run(const Options& options, Console& console) {
  if (!options.group.empty())
    return fail(Code::invalid, "citus is not supported yet", "Leave out --group.");
  model::LocalConfig config;
  if (needs_settings(options)) {
    auto loaded = load_settings(options, runtime::environment());
    if (!loaded) return fail(loaded.error());
    config = std::move(*loaded);
  }
  const std::string scope = config.scope;
  std::string notice;
  for (const auto& finding : model::check_passwords(config, runtime::environment()))
    if (finding.level == model::Finding::Level::warning) notice = finding.message;
  const auto world = make_world(std::move(config), runtime::null_logger());
  Session session{console, *world, options, scope, notice};
  for (const auto& [name, command] : kCommands)
    if (name == options.command) return command(session);
  return fail(Code::internal, fmt::format("command {} is not wired", options.command));
}

int report(const Error& error, Console& console) {
  console.out << std::flush;
  if (error.message == "Aborted!") {
    console.err << "Aborted!\n";
    return 1;
  }
  console.err << fmt::format("Error: {}\n", error.message);
  if (!error.hint.empty()) console.err << fmt::format("hint: {}\n", error.hint);
  return 1;
}

}  // namespace

int ctl_main(int argc, char** argv, std::string program_name) {
  const auto parsed = parse_command_line(argc, argv, program_name);
  std::cout << parsed.out << std::flush;
  std::cerr << parsed.err;
  if (!parsed.options) return parsed.exit_code;
  Console console{std::cin, std::cout, std::cerr};
  console.patronictl = program_name == "patronictl";
  console.terminal = isatty(STDOUT_FILENO) != 0;
  const char* no_color = std::getenv("NO_COLOR");
  console.colour =
      console.terminal && !console.patronictl && (no_color == nullptr || *no_color == '\0');
  const auto code = run(*parsed.options, console);
  if (!code) return report(code.error(), console);
  std::cout << std::flush;
  // A full disk or a closed pipe must not look like success to a script.
  return std::cout ? *code : 1;
}

}  // namespace aurum::cli
