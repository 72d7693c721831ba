#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace aurum::model {

/// A configuration or DCS value: what JSON and YAML have in common, with the order of keys and the
/// type of scalars kept (PATRONI_COMPAT §3.2, §9.11: tests compare the text form). Integers and
/// reals stay apart.
class Value {
 public:
  using Array = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;  ///< in the writer's order; keys are unique

  Value() = default;  ///< null
  Value(std::nullptr_t) {}
  Value(bool v) : data_(v) {}
  Value(std::int64_t v) : data_(v) {}
  Value(int v) : data_(std::int64_t{v}) {}
  Value(double v) : data_(v) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(const char* v) : data_(std::string(v)) {}
  Value(Array v) : data_(std::move(v)) {}
  Value(Object v) : data_(std::move(v)) {}
  static Value object() { return Value(Object{}); }
  static Value array() { return Value(Array{}); }

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_real() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_real(); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }
  std::string_view type_name()
      const;  ///< "null", "boolean", "integer", "number", "string", "list", "map"

  /// The content; the type must be right (checked with ensure).
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_real() const;  ///< integers too
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;
  Object& as_object();

  /// Member of an object; nullptr when absent or when this is no object.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  /// find() along a path: at({"postgresql", "parameters"}).
  const Value* at(std::initializer_list<std::string_view> path) const;
  /// Sets or replaces a member; keeps the place of one that is there. Null becomes an empty object
  /// first.
  Value& set(std::string_view key, Value value);
  bool erase(std::string_view key);
  void push_back(Value value);  ///< null becomes an empty array first
  bool empty() const;           ///< null, "", [], {}
  std::size_t size() const;     ///< of an array or object, else 0

  /// The text a person would write for a scalar: true/false, 10, 1.5, the string itself; "" for
  /// null. Arrays and objects give compact JSON.
  std::string text() const;

  friend bool operator==(const Value&, const Value&) = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> data_;
};

/// JSON as other members write and read it (§ Notation): compact has no blank after ',' and ':',
/// loose has one; non-ASCII is escaped, key order kept.
std::string to_json(const Value& value);
std::string to_json_loose(const Value& value);
std::string to_json_pretty(const Value& value);  ///< two blanks of indent
Result<Value> parse_json(std::string_view text);

/// YAML 1.1 scalars as PyYAML's safe loader resolves them (on/off/yes/no, 0777, 12:30:45, 1_000,
/// ~), merge keys, later duplicate keys win. Errors name line and column.
Result<Value> parse_yaml(std::string_view text);
struct YamlStyle {
  bool sort_keys = false;
  bool flow = false;  ///< {a: b} on one line
  int width = 80;
};
/// Block YAML as PyYAML's safe_dump(default_flow_style=False) prints it; a trailing newline in
/// block style.
std::string to_yaml(const Value& value, YamlStyle style = {});

/// PATCH semantics of §2.6: null deletes, objects merge, other values replace. Returns whether
/// something changed (values that are equal as text are left alone).
bool merge_patch(Value& target, const Value& patch);
/// Recursive overlay: later wins, null does not delete (configuration directories, defaults <
/// local).
void overlay(Value& target, const Value& over);

/// Lenient scalar readers of §3.3/3.4: booleans "on/true/yes/1…", integers with natural units.
std::optional<bool> read_bool(const Value& value);
std::optional<std::int64_t> read_int(const Value& value);
/// Seconds: 30, "30", "30s", "1min", "500ms", "1h", "1d". `unit_ms` is the unit of a bare number.
std::optional<std::int64_t> read_duration_ms(const Value& value, std::int64_t unit_ms = 1000);
/// Bytes: 1048576, "1MB", "16kB", "1GB".
std::optional<std::int64_t> read_bytes(const Value& value);

}  // namespace aurum::model
