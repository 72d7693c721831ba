#include "cli/help.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/version.h"

namespace aurum::cli {

namespace {

constexpr std::size_t kWidth = 80;

std::string spaced_names(const OptionSpec& option) {
  std::string out;
  for (const char c : option.names) out += c == ',' ? std::string(", ") : std::string(1, c);
  if (!option.metavar.empty()) out += fmt::format(" {}", option.metavar);
  return out;
}

std::string explained(const OptionSpec& option) {
  std::string text(option.text);
  if (option.choices.empty() || option.metavar != "ROLE") return text;
  return text + fmt::format(" ({})", fmt::join(option.choices, ", "));
}

/// Two columns; the right one is wrapped at blanks.
std::string entry(std::string_view left, std::string_view right, std::size_t column) {
  std::string out = fmt::format("  {:<{}}", left, column);
  if (left.size() > column - 2) out += "\n" + std::string(column + 2, ' ');
  const std::size_t room = kWidth - column - 2;
  while (right.size() > room) {
    auto cut = right.rfind(' ', room);
    if (cut == std::string_view::npos) cut = room;
    out += fmt::format("{}\n{}", right.substr(0, cut), std::string(column + 2, ' '));
    right.remove_prefix(std::min(right.size(), cut + 1));
  }
  return out + fmt::format("{}\n", right);
}

std::string option_lines(const std::vector<OptionSpec>& options) {
  std::size_t column = std::string_view("--help").size();
  for (const OptionSpec& option : options)
    column = std::max(column, std::min<std::size_t>(spaced_names(option).size(), 28));
  column += 2;
  std::string out;
  for (const OptionSpec& option : options)
    out += entry(spaced_names(option), explained(option), column);
  return out + entry("--help", "Show this message and exit", column);
}

std::string example_line(std::string_view example, std::string_view program) {
  std::string out = "  ";
  for (const char c : example) out += c == '%' ? std::string(program) : std::string(1, c);
  return out + "\n";
}

std::string sentence(std::string_view text) { return fmt::format("  {}\n", text); }

}  // namespace

std::string main_help() {
  return fmt::format(
      R"(aurum {} - keeps PostgreSQL writable, safe and restorable

Usage: aurum COMMAND ...

On a database node
  aurum agent /etc/aurum/node.yml     run this node: elect, replicate, fail over
                                      (reads patroni.yml and PATRONI_* as it is)
  aurum agent --validate-config F     is this file, and this machine, fit for it
  aurum guard --help                  the parent of PostgreSQL, which ends it
                                      with its lease; the agent starts it
  aurum run node.yml                  guard and agent as one, in a container
  aurum health -c node.yml /primary   ask this node; exit code 0 = yes
  aurum doctor -c node.yml            the checklist: what is to be mended
  aurum certs init DIR                certificates for every link
  aurum secrets -c node.yml show      where passwords come from; also rotate
  aurum backup -c node.yml list       backups there are; also now, check, verify
  aurum restore -c node.yml --time T  the cluster as it was then; asks first

From anywhere that reaches etcd
  aurum ctl -c node.yml list          who leads, who follows, how far behind
  aurum ctl -c node.yml switchover    hand over the leadership; asks first
  aurum ctl -c node.yml edit-config   change what all members share
  aurum ctl --help                    patronictl's commands and options

Try it on this machine
  aurum stack up                      a whole cluster of real processes
  aurum stack status                  look at it
  aurum stack kill                    a power cut for its leader
  aurum stack down                    end it, keep its data
  aurum verify                        bring a stack up, try all of it
  aurum bench failover                how long writes stop, and what is lost
  aurum sim                           its decisions through thousands of faults
  aurum explain TRACE                 what happened in one of these runs

Called by the name patroni it is `aurum agent`, as patronictl `aurum ctl`.
  aurum COMMAND --help                examples and options of a command
  aurum --version
)",
      kAurumVersion);
}

std::string aurum_version_line() { return fmt::format("aurum {}", kAurumVersion); }
std::string patroni_version_line() { return fmt::format("patroni {}", kPatroniVersion); }

int print_help() { return std::fputs(main_help().c_str(), stdout) >= 0 ? 0 : 1; }
int print_version() { return std::puts(aurum_version_line().c_str()) >= 0 ? 0 : 1; }

std::string ctl_help(std::string_view program) {
  std::string out = fmt::format("Usage: {} [OPTIONS] COMMAND [ARGS]...\n\nExamples:\n", program);
  for (const auto* example :
       {"% -c /etc/patroni.yml list", "% -d etcd3://10.0.0.1:2379/service list demo",
        "export PATRONICTL_CONFIG_FILE=/etc/patroni.yml   # then simply", "% list -W",
        "% switchover"})
    out += example_line(example, program);
  out += "\nOptions:\n" + option_lines(global_option_specs()) + "\nCommands:\n";
  for (const CommandSpec& command : command_specs())
    out += entry(command.name, command.summary, 17);
  return out + fmt::format("\n  {} COMMAND --help shows examples of each.\n", program) +
         "\n  Members are asked with ctl.token_file of the configuration, else with\n"
         "  ctl.authentication, and with the certificate ctl.certfile.\n";
}

std::string command_help(const CommandSpec& command, std::string_view program) {
  std::string out =
      fmt::format("Usage: {} {} [OPTIONS] {}\n\n", program, command.name, command.arguments);
  out += sentence(command.summary);
  if (!command.detail.empty()) out += sentence(command.detail);
  out += "\nExamples:\n";
  for (const auto example : command.examples) out += example_line(example, program);
  return out + "\nOptions:\n" + option_lines(command.options);
}

std::string usage_lines(const CommandSpec* command, std::string_view program) {
  if (command == nullptr)
    return fmt::format("Usage: {0} [OPTIONS] COMMAND [ARGS]...\nTry '{0} --help' for help.\n\n",
                       program);
  return fmt::format("Usage: {0} {1} [OPTIONS] {2}\nTry '{0} {1} --help' for help.\n\n", program,
                     command->name, command->arguments);
}

}  // namespace aurum::cli
