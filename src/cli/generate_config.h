#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

/// A patroni.yml for an operator to finish: `--generate-sample-config`, and `--generate-config`
/// from a running server (PATRONI_COMPAT §3.5). Pure.
namespace aurum::cli {

/// What stands where only the operator knows the value.
inline constexpr const char* kFixme = "#FIXME";

struct ThisHost {
  std::string name;
  std::string address;  ///< by which other hosts reach this one; "" = none was found
  std::string bin_dir;  ///< of PostgreSQL's programs; "" = none were found
};

/// A running PostgreSQL, as it says itself.
struct RunningServer {
  struct Setting {
    std::string name, value;
    std::string type;  ///< pg_settings.vartype: integer, real, bool, string, enum
  };
  std::vector<Setting> settings;  ///< set by file, command line or environment
  std::string cluster_name, listen_addresses, port, data_dir, config_file, bin_dir;
  std::string hba_text, ident_text;  ///< the files as they are
  /// What the connection used: username, password ("" = none was asked for), ssl… options.
  std::string username, password;
  std::vector<std::pair<std::string, std::string>> options;
};

/// Every finding is about PATRONI_*: a store that is not supported, or a value that can not be
/// read.
struct Generated {
  model::Value tree;
  std::vector<model::Finding> findings;
};

Generated sample_config(const ThisHost& host, const model::Environment& env);
/// `server` over `env` over the sample.
Generated running_config(const ThisHost& host, const model::Environment& env,
                         const RunningServer& server);

/// YAML, one blank line between sections.
std::string config_text(const model::Value& tree);

/// The lines of a pg_hba.conf or pg_ident.conf that say something; continued ones as one.
std::vector<std::string> meaningful_lines(std::string_view text);

}  // namespace aurum::cli
