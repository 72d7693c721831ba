#include <algorithm>
#include <cerrno>
#include <system_error>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/help.h"
#include "cli/options.h"

namespace aurum::cli {

namespace {

/// Overloads for std::visit over Target.
template <class... F>
struct Each : F... {
  using F::operator()...;
};
template <class... F>
Each(F...) -> Each<F...>;

void add_option(CLI::App& app, const OptionSpec& spec, Options& into) {
  const std::string names(spec.names);
  std::visit(Each{[&](bool Options::* member) { app.add_flag(names, into.*member); },
                  [&](std::string Options::* member) { app.add_option(names, into.*member); },
                  [&](std::vector<std::string> Options::* member) {
                    app.add_option(names, into.*member)->allow_extra_args(false)->take_all();
                  }},
             spec.target);
}

Parsed usage_error(const CommandSpec* command, std::string_view program, std::string_view text) {
  Parsed out;
  out.exit_code = 2;
  out.err = usage_lines(command, program) + fmt::format("Error: {}\n", text);
  return out;
}

Parsed help_text(std::string text) {
  Parsed out;
  out.out = std::move(text);
  return out;
}

/// "'--role' / '-r'".
std::string quoted_names(const OptionSpec& spec) {
  std::vector<std::string> names;
  for (const auto& name : CLI::detail::split(std::string(spec.names), ','))
    names.push_back(fmt::format("'{}'", name));
  std::reverse(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, " / "));
}

/// "" when every value is one of its choices.
std::string bad_choice(const CommandSpec& command, const Options& options) {
  for (const OptionSpec& spec : command.options) {
    if (spec.choices.empty()) continue;
    const std::string& value = options.*std::get<std::string Options::*>(spec.target);
    if (value.empty()) continue;
    if (std::find(spec.choices.begin(), spec.choices.end(), value) != spec.choices.end()) continue;
    return fmt::format("Invalid value for {}: '{}' is not one of '{}'.", quoted_names(spec), value,
                       fmt::join(spec.choices, "', '"));
  }
  return {};
}

bool is_number(const std::string& text, bool integer) {
  if (text.empty()) return false;
  std::size_t used = 0;
  try {
    if (integer) {
      std::ignore = std::stoi(text, &used);
    } else if (std::stod(text, &used) <= 0) {
      return false;
    }
  } catch (const std::logic_error&) {
    return false;
  }
  return used == text.size();
}

std::string bad_number(const Options& options) {
  if (!options.group.empty() && !is_number(options.group, true))
    return fmt::format("Invalid value for '--group': '{}' is not a valid integer.", options.group);
  if (!options.watch_s.empty() && !is_number(options.watch_s, false))
    return fmt::format("Invalid value for '--watch' / '-w': '{}' is not a valid number of seconds.",
                       options.watch_s);
  return {};
}

/// "" when it can be read. click opens it while it reads the arguments.
std::string bad_file(const Options& options) {
  const std::string& file = options.sql_file;
  if (file.empty() || file == "-" || ::access(file.c_str(), R_OK) == 0) return {};
  return fmt::format("Invalid value for '--file' / '-f': '{}': {}", file,
                     std::generic_category().message(errno));
}

/// "" when the number of names fits.
std::string bad_names(const CommandSpec& command, const Options& options) {
  if (options.names.empty() && command.names_min > 0) return "Missing argument 'CLUSTER_NAME'.";
  if (options.names.size() > command.names_max)
    return fmt::format("Got unexpected extra argument ({})", options.names[command.names_max]);
  if (command.name != "flush") return {};
  if (options.names.size() < command.names_min) return "Missing argument '{restart|switchover}'.";
  const std::string& event = options.names.back();
  if (event == "restart" || event == "switchover") return {};
  return fmt::format(
      "Invalid value for '{{restart|switchover}}': '{}' is not one of 'restart', 'switchover'.",
      event);
}

/// The first token that no option took, in click's words.
std::string unknown_token(const CLI::App& app) {
  const auto rest = app.remaining(true);
  if (rest.empty()) return "Missing command.";
  if (rest.front().starts_with("-"))
    return fmt::format("No such option: {}", rest.front().substr(0, rest.front().find('=')));
  return fmt::format("No such command '{}'.", rest.front());
}

/// CLI11 says "-f: 1 required FORMAT missing"; people know the other sentence.
std::string missing_value(const CLI::ParseError& error) {
  const std::string text = error.what();
  const auto colon = text.find(':');
  if (colon == std::string::npos) return text;
  return fmt::format("Option '{}' requires an argument.", text.substr(0, colon));
}

}  // namespace

Parsed parse_command_line(int argc, const char* const* argv, std::string_view program) {
  Options options;
  CLI::App app;
  app.set_help_flag("--help,-h");
  app.allow_extras();
  app.require_subcommand(0, 1);
  for (const OptionSpec& spec : global_option_specs()) add_option(app, spec, options);
  for (const CommandSpec& spec : command_specs()) {
    CLI::App* command = app.add_subcommand(std::string(spec.name));
    command->set_help_flag("--help,-h");
    command->allow_extras();
    command->fallthrough();
    for (const OptionSpec& option : spec.options) add_option(*command, option, options);
    command->add_option("names", options.names);
  }

  const CommandSpec* command = nullptr;
  const auto chosen = [&]() -> const CommandSpec* {
    const auto used = app.get_subcommands();
    return used.empty() ? nullptr : find_command(used.front()->get_name());
  };
  try {
    app.parse(argc, argv);
    command = chosen();
  } catch (const CLI::CallForHelp&) {
    command = chosen();
    return help_text(command != nullptr ? command_help(*command, program) : ctl_help(program));
  } catch (const CLI::ArgumentMismatch& error) {
    return usage_error(chosen(), program, missing_value(error));
  } catch (const CLI::ParseError& error) {
    return usage_error(chosen(), program, error.what());
  }
  if (command == nullptr || !app.remaining(true).empty())
    return usage_error(command, program, unknown_token(app));
  options.command = command->name;
  for (const auto& problem : {bad_names(*command, options), bad_choice(*command, options),
                              bad_number(options), bad_file(options)})
    if (!problem.empty()) return usage_error(command, program, problem);
  Parsed out;
  out.options = std::move(options);
  return out;
}

}  // namespace aurum::cli
