#pragma once

#include <string_view>

#include "base/result.h"
#include "cli/options.h"
#include "model/config.h"

namespace aurum::cli {

/// Where `-d URL` points: `[etcd3|etcd]://[host][:port][/namespace]`, "host:port" alone too.
struct DcsUrl {
  std::string endpoint;  ///< "host:port"
  std::string ns;        ///< "" = as configured
};
Result<DcsUrl> parse_dcs_url(std::string_view url);

/// The configuration of a ctl run: -c, else PATRONICTL_CONFIG_FILE, else
/// ~/.config/patroni/patronictl.yaml if it exists, else the environment alone; -d and DCS_URL over
/// it. A file that was asked for must be readable.
Result<model::LocalConfig> load_settings(const Options& options, const model::Environment& env);

}  // namespace aurum::cli
