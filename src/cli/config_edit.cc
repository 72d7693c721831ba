#include "cli/config_edit.h"

#include <fmt/format.h>

namespace aurum::cli {

namespace {

constexpr std::string_view kParameters = "postgresql.parameters.";

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  if (path.starts_with(kParameters)) {
    parts = {"postgresql", "parameters"};
    parts.push_back(path.substr(kParameters.size()));
    return parts;
  }
  for (;;) {
    const auto dot = path.find('.');
    parts.push_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    path.remove_prefix(dot + 1);
  }
}

/// {a: {b: VALUE}}, ready to be merged.
model::Value nested(const std::vector<std::string_view>& path, model::Value value) {
  for (auto part = path.rbegin(); part != path.rend(); ++part) {
    model::Value outer = model::Value::object();
    outer.set(*part, std::move(value));
    value = std::move(outer);
  }
  return value;
}

/// A map that lost its last member by a removal goes too; one that was empty before stays.
void drop_emptied(model::Value& config, const std::vector<std::string_view>& path) {
  for (std::size_t depth = path.size() - 1; depth > 0; --depth) {
    model::Value* parent = &config;
    for (std::size_t i = 0; i + 1 < depth && parent != nullptr; ++i) parent = parent->find(path[i]);
    const model::Value* child = parent != nullptr ? parent->find(path[depth - 1]) : nullptr;
    if (child == nullptr || !child->is_object() || !child->empty()) return;
    parent->erase(path[depth - 1]);
  }
}

bool contains(const model::Value& config, const std::vector<std::string_view>& path) {
  const model::Value* at = &config;
  for (const auto part : path) {
    at = at->find(part);
    if (at == nullptr) return false;
  }
  return true;
}

}  // namespace

Status apply_setting(model::Value& config, std::string_view setting) {
  const auto equals = setting.find('=');
  const auto path_text = setting.substr(0, equals);
  if (equals == std::string_view::npos || path_text.empty())
    return fail(Code::invalid, fmt::format("Invalid parameter setting {}", setting),
                "Write it as key=value; dots lead into maps: -s postgresql.use_pg_rewind=true.");
  const auto value = model::parse_yaml(setting.substr(equals + 1));
  if (!value)
    return fail(Code::invalid,
                fmt::format("Invalid parameter setting {}: {}", setting, value.error().message));
  const auto path = split_path(path_text);
  for (const auto part : path)
    if (part.empty())
      return fail(Code::invalid, fmt::format("Invalid parameter setting {}", setting));
  const bool removed = value->is_null() && contains(config, path);
  if (value->is_null() && !removed) return {};
  model::merge_patch(config, nested(path, *value));
  if (removed) drop_emptied(config, path);
  return {};
}

Status apply_parameter(model::Value& config, std::string_view setting) {
  return apply_setting(config, fmt::format("{}{}", kParameters, setting))
      .map_error([&](Error error) {
        error.message = fmt::format("Invalid parameter setting {}", setting);
        error.hint = "Write it as name=value: -p work_mem=8MB.";
        return error;
      });
}

Result<model::Value> read_config_text(std::string_view text, std::string_view source) {
  auto value = model::parse_yaml(text);
  if (!value) return fail(value.error().within(source));
  if (!value->is_object())
    return fail(Code::invalid,
                fmt::format("{}: the configuration must be a map of settings, this is {}", source,
                            value->is_null() ? "empty" : fmt::format("a {}", value->type_name())),
                "Write one setting a line, as `show-config` prints them.");
  return value;
}

std::string editable(const model::Value& config) {
  return model::to_yaml(config, {.sort_keys = true, .width = 200});
}

}  // namespace aurum::cli
