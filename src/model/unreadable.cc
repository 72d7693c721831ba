#include "model/unreadable.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace aurum::model {

namespace {

enum class Shape { object, list, number, number_or_object };

struct Known {
  std::string_view key;
  Shape shape;
};

constexpr auto kKnown = std::to_array<Known>({{"config", Shape::object},
                                              {"status", Shape::number_or_object},
                                              {"optime/leader", Shape::number},
                                              {"history", Shape::list},
                                              {"failover", Shape::object},
                                              {"sync", Shape::object},
                                              {"failsafe", Shape::object},
                                              {"aurum_timeline", Shape::number},
                                              {kReleasedKey, Shape::number},
                                              {kUnpromisedKey, Shape::number},
                                              {kHeartbeatKey, Shape::object},
                                              {kSuccessionsKey, Shape::list},
                                              {"aurum_restore", Shape::object}});

bool fits(const Value& value, Shape shape) {
  switch (shape) {
    case Shape::object:
      return value.is_object() || value.is_null();  // null: what is not there
    case Shape::list:
      return value.is_array();
    case Shape::number:
      return read_int(value).has_value();
    case Shape::number_or_object:
      return value.is_object() || read_int(value).has_value();
  }
  return true;
}

std::string_view words(Shape shape) {
  switch (shape) {
    case Shape::object:
      return "a JSON object";
    case Shape::list:
      return "a JSON list";
    case Shape::number:
      return "a number";
    case Shape::number_or_object:
      break;
  }
  return "a JSON object or a number";
}

/// 64 bits have no more digits.
constexpr std::size_t kDigitsMax = 20;

bool has_other_than_digits(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c < '0' || c > '9'; });
}

/// Forms of old versions that are no JSON (PATRONI_COMPAT §1.2).
bool is_old_form(const KeyValue& kv) {
  if (kv.key.starts_with("members/")) return kv.value.starts_with("postgres");
  return kv.key == "failover" && (kv.value.empty() || kv.value.contains(':')) &&
         !kv.value.starts_with('{');
}

}  // namespace

std::optional<std::string> why_unreadable(const KeyValue& kv) {
  if (kv.key == "initialize") {
    if (!is_damaged_identifier(kv.value, {})) return std::nullopt;
    return "initialize is not a system identifier";
  }
  const auto known = std::ranges::find(kKnown, std::string_view(kv.key), &Known::key);
  const bool member = kv.key.starts_with("members/");
  if (known == kKnown.end() && !member) return std::nullopt;
  if (kv.value.size() > kValueBytesMax)
    return fmt::format("{} has {} bytes, and more than {} are not read", kv.key, kv.value.size(),
                       kValueBytesMax);
  if (is_old_form(kv)) return std::nullopt;
  const Shape shape = member ? Shape::object : known->shape;
  const auto parsed = parse_json(kv.value);
  if (parsed && fits(*parsed, shape)) return std::nullopt;
  if (parsed) return fmt::format("{} is not {}", kv.key, words(shape));
  return fmt::format("{} is not {}: {} ({} bytes)", kv.key, words(shape), parsed.error().message,
                     kv.value.size());
}

bool is_damaged_identifier(std::string_view initialize, std::string_view ours) {
  if (initialize.empty() || initialize == ours) return false;
  return initialize.size() > kDigitsMax || has_other_than_digits(initialize) ||
         ours.starts_with(initialize);
}

}  // namespace aurum::model
