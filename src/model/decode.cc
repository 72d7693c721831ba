#include "model/decode.h"

namespace aurum::model {

std::string string_at(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  if (value == nullptr || value->is_array() || value->is_object()) return {};
  return value->text();
}

std::string text_at(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

std::int64_t int_at(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  return value != nullptr && value->is_int() ? value->as_int() : 0;
}

bool flag_at(const Value& object, std::string_view key) {
  const Value* value = object.find(key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

std::optional<Lsn> lsn_of(const Value* value) {
  if (value == nullptr || value->is_bool()) return std::nullopt;
  const auto number = read_int(*value);
  if (!number || *number < 0) return std::nullopt;
  return Lsn{static_cast<std::uint64_t>(*number)};
}

std::optional<Timeline> timeline_of(const Value* value) {
  const auto number = lsn_of(value);
  if (!number || number->value == 0 || number->value > UINT32_MAX) return std::nullopt;
  return static_cast<Timeline>(number->value);
}

Value parse_object(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return Value::object();
  return std::move(*parsed);
}

}  // namespace aurum::model
