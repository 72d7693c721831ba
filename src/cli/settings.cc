#include "cli/settings.h"

#include <algorithm>
#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "model/config_sources.h"

namespace aurum::cli {

namespace {

constexpr int kEtcdPort = 2379;
constexpr std::string_view kNoConfigHint =
    "Use -c with the patroni.yml of a node, set PATRONICTL_CONFIG_FILE, or reach etcd directly: "
    "-d etcd3://host:2379/service.";

std::string variable(const model::Environment& env, const std::string& name) {
  const auto found = env.find(name);
  return found == env.end() ? std::string() : found->second;
}

/// "" when there is none; an error when one was asked for and can not be read.
Result<std::string> config_path(const Options& options, const model::Environment& env) {
  std::string asked = options.config_file;
  if (asked.empty()) asked = variable(env, "PATRONICTL_CONFIG_FILE");
  if (!asked.empty()) {
    if (access(asked.c_str(), R_OK) == 0) return asked;
    return fail(Code::not_found,
                fmt::format("Provided config file {} not existing or no read rights. Check the "
                            "-c/--config-file parameter",
                            asked),
                "Give the patroni.yml of a node, or reach etcd directly: -d etcd3://host:2379.");
  }
  const std::string home = variable(env, "HOME");
  if (home.empty()) return std::string();
  const std::string usual = home + "/.config/patroni/patronictl.yaml";
  std::error_code none;
  if (!std::filesystem::exists(usual, none)) return std::string();
  if (access(usual.c_str(), R_OK) != 0)
    return fail(Code::permission, fmt::format("cannot read {}", usual));
  return usual;
}

Error first_error(const std::vector<model::Finding>& findings, const std::string& path) {
  std::string text;
  std::string hint;
  for (const auto& finding : findings) {
    if (finding.level != model::Finding::Level::error) continue;
    text += (text.empty() ? "" : "; ") + finding.text();
    if (hint.empty()) hint = finding.hint;
  }
  if (path.empty())
    return {Code::invalid, text.empty() ? "no configuration" : text, std::string(kNoConfigHint)};
  return Error{Code::invalid, text, hint}.within(path);
}

}  // namespace

Result<DcsUrl> parse_dcs_url(std::string_view url) {
  std::string_view rest = url;
  if (const auto scheme_end = rest.find("://"); scheme_end != std::string_view::npos) {
    const auto scheme = rest.substr(0, scheme_end);
    if (std::ranges::find(model::kOtherStores, scheme) != model::kOtherStores.end())
      return fail(Code::invalid, fmt::format("{} is not supported yet", scheme),
                  "Aurum keeps its state in etcd: -d etcd3://host:2379/namespace.");
    if (scheme != "etcd" && scheme != "etcd3")
      return fail(Code::invalid, fmt::format("Unknown dcs scheme: {}", scheme),
                  "Aurum keeps its state in etcd: -d etcd3://host:2379/namespace.");
    rest.remove_prefix(scheme_end + 3);
  }
  DcsUrl out;
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    out.ns = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
  }
  const auto address = model::parse_listen(rest.empty() ? "localhost" : rest, kEtcdPort);
  if (!address) return fail(address.error().within(fmt::format("DCS url {}", url)));
  const std::string host = address->hosts.empty() ? "localhost" : address->hosts;
  out.endpoint = host.find(':') == std::string::npos ? fmt::format("{}:{}", host, address->port)
                                                     : fmt::format("[{}]:{}", host, address->port);
  return out;
}

Result<model::LocalConfig> load_settings(const Options& options, const model::Environment& env) {
  const auto path = config_path(options, env);
  if (!path) return fail(path.error());
  std::string url = options.dcs_url;
  if (url.empty()) url = variable(env, "DCS_URL");
  model::Environment used = env;
  DcsUrl dcs;
  if (!url.empty()) {
    auto parsed = parse_dcs_url(url);
    if (!parsed) return fail(parsed.error());
    dcs = std::move(*parsed);
    // Through the environment, so that the file need not have an etcd section of its own.
    used["PATRONI_ETCD3_HOSTS"] = dcs.endpoint;
    if (!dcs.ns.empty()) used["PATRONI_NAMESPACE"] = dcs.ns;
  }
  auto loaded = model::load_config(*path, used, model::ConfigUse::ctl);
  if (!loaded.config) return fail(first_error(loaded.findings, *path));
  model::LocalConfig config = std::move(*loaded.config);
  if (!url.empty()) {
    config.etcd.hosts = {dcs.endpoint};
    config.etcd.srv.clear();
  }
  if (config.etcd.hosts.empty() && config.etcd.srv.empty())
    return fail(Code::invalid,
                "Can not find suitable configuration of distributed configuration store",
                std::string(kNoConfigHint));
  if (options.insecure) config.ctl.insecure = true;
  return config;
}

}  // namespace aurum::cli
