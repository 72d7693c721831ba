#include "model/config_sources.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "model/json_text.h"
#include "model/secret_file.h"

namespace aurum::model {

namespace fs = std::filesystem;

Result<std::string> read_text_file(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error))
    return fail(Code::io, fmt::format("cannot read {}: it is a directory", path.string()));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(kMaxYamlBytes + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad())
    return fail(Code::io, fmt::format("cannot read {}: {}", path.string(),
                                      std::strerror(errno == 0 ? EIO : errno)));
  if (text.size() > kMaxYamlBytes)
    return fail(Code::invalid,
                fmt::format("{} has more than {} bytes", path.string(), kMaxYamlBytes));
  return text;
}

namespace {

Result<Value> read_yaml_file(const fs::path& path) {
  auto text = read_text_file(path);
  if (!text) return fail(text.error());
  auto tree = parse_yaml(*text);
  if (!tree) return fail(tree.error().within(fmt::format("invalid config file {}", path.string())));
  if (tree->is_null()) return Value::object();
  if (!tree->is_object())
    return fail(Code::invalid, fmt::format("invalid config file {}: it holds a {}, not a map",
                                           path.string(), tree->type_name()));
  return tree;
}

}  // namespace

Result<Value> read_config_tree(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return read_yaml_file(path);

  std::vector<fs::path> files;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const auto extension = it->path().extension();
    if (extension == ".yml" || extension == ".yaml") files.push_back(it->path());
  }
  if (error)
    return fail(Code::io, fmt::format("cannot read {}: {}", path.string(), error.message()));
  std::ranges::sort(files);
  Value tree = Value::object();
  for (const auto& file : files) {
    auto part = read_yaml_file(file);
    if (!part) return part;
    overlay(tree, *part);
  }
  return tree;
}

namespace {

std::optional<std::string> text_of_secret(const fs::path& file, std::string_view path,
                                          Findings& findings) {
  auto text = read_text_file(file);
  if (text) return std::move(*text);
  findings.error(path, text.error().message,
                 "Create the file, readable for the agent's user, or correct the path.");
  return std::nullopt;
}

}  // namespace

std::string read_secret_file(const fs::path& file, std::string_view path, Findings& findings) {
  auto text = text_of_secret(file, path, findings);
  if (!text) return {};
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  if (text->empty())
    findings.error(path, fmt::format("the file {} is empty", file.string()),
                   "Write the password into it.");
  return *text;
}

namespace {

/// The passwords that `aurum secrets rotate` changes, and the token, whose file may be the one that
/// a node's aurum.access names.
bool is_rotated(std::string_view key) {
  return key == "ctl.token" || key.ends_with(".authentication.password") ||
         (key.starts_with("postgresql.authentication.") && key.ends_with(".password"));
}

SecretFile read_rotated_file(const fs::path& file, std::string_view path, Findings& findings) {
  const auto text = text_of_secret(file, path, findings);
  if (!text) return {};
  auto secret = parse_secret_file(*text);
  if (secret) return std::move(*secret);
  findings.error(path, fmt::format("the file {} {}", file.string(), secret.error().message),
                 secret.error().hint);
  return {};
}

}  // namespace

void read_secret_files(Value& tree, std::span<const Key> keys, Findings& findings) {
  for (const Key& key : keys) {
    if (key.kind != Kind::secret) continue;
    const std::string file_key = std::string(key.path) + "_file";
    const Value* name = value_at(tree, file_key);
    if (name == nullptr || !name->is_string()) continue;
    if (value_at(tree, key.path) != nullptr) {
      findings.error(file_key, fmt::format("is set together with {}", key.path),
                     "Keep one of the two.");
      continue;
    }
    if (!is_rotated(key.path)) {
      set_at(tree, key.path, Value(read_secret_file(name->as_string(), file_key, findings)));
      continue;
    }
    const SecretFile secret = read_rotated_file(name->as_string(), file_key, findings);
    set_at(tree, key.path, Value(secret.in_use));
    if (!secret.other().empty())
      set_at(tree, std::string(key.path) + "_other", Value(secret.other()));
  }
}

std::vector<std::string> free_sections(const Value& tree) {
  std::vector<std::string> free;
  for (std::string_view key : {"create_replica_methods", "create_replica_method"})
    if (const Value* methods = tree.at({"postgresql", key}))
      for (const auto& method : text_items(*methods))
        if (find_key(local_keys(), "postgresql." + method) == nullptr)
          free.push_back("postgresql." + method);
  if (const Value* method = tree.at({"bootstrap", "method"});
      method && method->is_string() && method->as_string() != "initdb")
    free.push_back("bootstrap." + method->as_string());
  for (std::string_view section : {"postgresql", "bootstrap"})
    if (const Value* map = tree.find(section); map != nullptr && map->is_object())
      for (const auto& [name, value] : map->as_object())
        if (value.find("command") != nullptr) free.push_back(std::string(section) + "." + name);
  return free;
}

std::vector<std::string> text_items(const Value& value) {
  std::vector<std::string> items;
  if (value.is_array()) {
    for (const auto& item : value.as_array())
      if (!item.is_array() && !item.is_object() && !item.is_null()) items.push_back(item.text());
    return items;
  }
  if (value.is_null() || value.is_object()) return items;
  std::string item;
  char quote = 0;
  const auto finish = [&] {
    const auto start = item.find_first_not_of(" \t");
    if (start != std::string::npos)
      items.push_back(item.substr(start, item.find_last_not_of(" \t") - start + 1));
    item.clear();
  };
  for (char c : value.text()) {
    if (quote != 0 ? c == quote : c == '"' || c == '\'')
      quote = quote != 0 ? char{0} : c;
    else if (c == ',' && quote == 0)
      finish();
    else
      item += c;
  }
  finish();
  return items;
}

void refuse_unsupported(const Value& tree, Findings& findings) {
  for (const std::string_view store : kOtherStores)
    if (value_at(tree, store) != nullptr)
      findings.error(store, "is not supported yet",
                     "Use etcd3, or stay with Patroni for this cluster.");
  if (value_at(tree, "citus") != nullptr)
    findings.error("citus", "is not supported yet",
                   "Remove it, or stay with Patroni for this cluster.");
}

namespace {

Loaded loaded_from(Value tree, const Environment& env, ConfigUse use, const std::string& source,
                   bool with_environment) {
  Loaded loaded;
  Findings findings(loaded.findings, source);
  if (with_environment) {
    Findings in_environment(loaded.findings, "the environment");
    overlay_environment(tree, env, in_environment);
  }
  if (tree.empty() && use == ConfigUse::agent) {
    loaded.findings.push_back(
        {Finding::Level::error, "", "Config is empty.",
         "Name a patroni.yml on the command line or set PATRONI_* variables."});
    return loaded;
  }
  check_keys(tree, local_keys(), free_sections(tree), findings);
  refuse_unsupported(tree, findings);
  read_secret_files(tree, local_keys(), findings);
  LocalConfig config = read_local(tree, env, use, findings);
  config.raw = std::move(tree);
  const bool usable = std::ranges::none_of(
      loaded.findings, [](const Finding& f) { return f.level == Finding::Level::error; });
  if (usable) loaded.config = std::move(config);
  return loaded;
}

Loaded unusable(std::string message, std::string hint) {
  return {std::nullopt, {{Finding::Level::error, "", std::move(message), std::move(hint)}}};
}

Loaded from_text(std::string_view yaml, const Environment& env, ConfigUse use,
                 const std::string& source, bool with_environment) {
  auto tree = parse_yaml(yaml);
  if (!tree)
    return unusable(fmt::format("invalid config file {}: {}", source, tree.error().message),
                    "Correct the YAML at that place.");
  if (tree->is_null()) *tree = Value::object();
  if (!tree->is_object())
    return unusable(
        fmt::format("invalid config file {}: it holds a {}, not a map", source, tree->type_name()),
        "Write \"key: value\" lines.");
  return loaded_from(std::move(*tree), env, use, source, with_environment);
}

}  // namespace

Loaded parse_config(std::string_view yaml, const Environment& env, ConfigUse use,
                    std::string_view file_name) {
  return from_text(yaml, env, use, std::string(file_name), true);
}

Loaded load_config(const fs::path& path, const Environment& env, ConfigUse use) {
  if (path.empty()) {
    if (const auto whole = env.find("PATRONI_CONFIGURATION");
        whole != env.end() && !whole->second.empty())
      return from_text(whole->second, env, use, "PATRONI_CONFIGURATION", false);
    return loaded_from(Value::object(), env, use, "the environment", true);
  }
  std::error_code error;
  if (!fs::exists(path, error))
    return unusable(fmt::format("invalid config path {}: {}", path.string(),
                                error ? error.message() : "no such file or directory"),
                    "Check the path on the command line.");
  auto tree = read_config_tree(path);
  if (!tree) return unusable(tree.error().message, "Correct the file or its permissions.");
  return loaded_from(std::move(*tree), env, use, path.string(), true);
}

}  // namespace aurum::model
