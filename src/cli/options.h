#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The command line of ctl as a value.
namespace aurum::cli {

struct Options {
  std::string command;
  std::string config_file;  ///< -c; "" = not given
  std::string dcs_url;      ///< -d; "" = not given
  bool insecure = false;

  std::vector<std::string> names;  ///< cluster, then members (list: clusters)
  std::string group;               ///< Citus group number, "" = none
  std::string format;              ///< "" = the command's own: tsv for query, else pretty
  bool extended = false, timestamp = false, watch = false;
  std::string watch_s;  ///< seconds as text, "" = not given
  std::string role, member;
  bool any = false, pending = false, force = false, wait = false, from_leader = false;
  bool quiet = false;
  std::string scheduled, pg_version, timeout;
  std::string leader, candidate;
  std::vector<std::string> set, pg;
  std::string apply, replace;
  std::string sql, sql_file, user, dbname, delimiter;
  bool password = false;
  std::string host, port, restore_command, primary_slot_name;
};

/// Where an option's value goes.
using Target =
    std::variant<bool Options::*, std::string Options::*, std::vector<std::string> Options::*>;

/// One option; parser and help are both made of it.
struct OptionSpec {
  std::string_view names;    ///< "-r,--role"
  std::string_view metavar;  ///< "" for a flag
  std::string_view text;
  Target target;
  std::vector<std::string_view> choices = {};
};

struct CommandSpec {
  std::string_view name;
  std::string_view arguments;  ///< as in the usage line: "CLUSTER_NAME [MEMBER_NAMES]..."
  std::string_view summary;
  std::string_view detail;  ///< what happens, one or two sentences
  /// Lines of example, "%" stands for the program's name.
  std::vector<std::string_view> examples;
  std::size_t names_min = 0;
  std::size_t names_max = 1;
  std::vector<OptionSpec> options;
};

const std::vector<CommandSpec>& command_specs();
const std::vector<OptionSpec>& global_option_specs();
const CommandSpec* find_command(std::string_view name);

/// Either options to run with, or text to print and leave with (help on out, usage errors on err
/// with exit code 2).
struct Parsed {
  std::optional<Options> options;
  int exit_code = 0;
  std::string out, err;
};
Parsed parse_command_line(int argc, const char* const* argv, std::string_view program);

}  // namespace aurum::cli
