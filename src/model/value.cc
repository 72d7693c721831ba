#include "model/value.h"

#include <algorithm>

#include "base/ensure.h"
#include "model/json_text.h"

namespace aurum::model {

std::string_view Value::type_name() const {
  static constexpr std::string_view names[] = {"null",   "boolean", "integer", "number",
                                               "string", "list",    "map"};
  return names[data_.index()];
}

bool Value::as_bool() const {
  ensure(is_bool(), "value is not a boolean");
  return std::get<bool>(data_);
}

std::int64_t Value::as_int() const {
  ensure(is_int(), "value is not an integer");
  return std::get<std::int64_t>(data_);
}

double Value::as_real() const {
  if (is_int()) return static_cast<double>(std::get<std::int64_t>(data_));
  ensure(is_real(), "value is not a number");
  return std::get<double>(data_);
}

const std::string& Value::as_string() const {
  ensure(is_string(), "value is not a string");
  return std::get<std::string>(data_);
}

const Value::Array& Value::as_array() const {
  ensure(is_array(), "value is not a list");
  return std::get<Array>(data_);
}

Value::Array& Value::as_array() {
  ensure(is_array(), "value is not a list");
  return std::get<Array>(data_);
}

const Value::Object& Value::as_object() const {
  ensure(is_object(), "value is not a map");
  return std::get<Object>(data_);
}

Value::Object& Value::as_object() {
  ensure(is_object(), "value is not a map");
  return std::get<Object>(data_);
}

const Value* Value::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, value] : std::get<Object>(data_))
    if (name == key) return &value;
  return nullptr;
}

Value* Value::find(std::string_view key) {
  if (!is_object()) return nullptr;
  for (auto& [name, value] : std::get<Object>(data_))
    if (name == key) return &value;
  return nullptr;
}

const Value* Value::at(std::initializer_list<std::string_view> path) const {
  const Value* here = this;
  for (auto key : path) {
    here = here->find(key);
    if (here == nullptr) return nullptr;
  }
  return here;
}

Value& Value::set(std::string_view key, Value value) {
  if (is_null()) data_ = Object{};
  if (Value* there = find(key)) {
    *there = std::move(value);
    return *there;
  }
  auto& members = as_object();
  members.emplace_back(std::string(key), std::move(value));
  return members.back().second;
}

bool Value::erase(std::string_view key) {
  if (!is_object()) return false;
  auto& members = std::get<Object>(data_);
  return std::erase_if(members, [&](const Member& m) { return m.first == key; }) > 0;
}

void Value::push_back(Value value) {
  if (is_null()) data_ = Array{};
  as_array().push_back(std::move(value));
}

bool Value::empty() const {
  if (is_string()) return as_string().empty();
  return is_null() || ((is_array() || is_object()) && size() == 0);
}

std::size_t Value::size() const {
  if (is_array()) return std::get<Array>(data_).size();
  if (is_object()) return std::get<Object>(data_).size();
  return 0;
}

std::string Value::text() const {
  if (is_null()) return {};
  if (is_bool()) return std::get<bool>(data_) ? "true" : "false";
  if (is_int()) return std::to_string(std::get<std::int64_t>(data_));
  if (is_real()) return real_text(std::get<double>(data_));
  if (is_string()) return std::get<std::string>(data_);
  return to_json(*this);
}

namespace {

/// A patch value as it is stored where nothing was before: null members are deletions of nothing
/// (RFC 7396).
Value without_nulls(const Value& patch) {
  if (!patch.is_object()) return patch;
  Value result = Value::object();
  for (const auto& [key, value] : patch.as_object())
    if (!value.is_null()) result.set(key, without_nulls(value));
  return result;
}

bool same_text(const Value& a, const Value& b) {
  const bool a_scalar = !a.is_array() && !a.is_object(), b_scalar = !b.is_array() && !b.is_object();
  return a_scalar == b_scalar && a.is_null() == b.is_null() && a.text() == b.text();
}

}  // namespace

bool merge_patch(Value& target, const Value& patch) {
  if (!patch.is_object()) {
    if (same_text(target, patch)) return false;
    target = patch;
    return true;
  }
  bool changed = false;
  if (!target.is_object()) {
    target = Value::object();
    changed = true;
  }
  for (const auto& [key, value] : patch.as_object()) {
    if (value.is_null()) {
      changed |= target.erase(key);
    } else if (Value* there = target.find(key)) {
      changed |= merge_patch(*there, value);
    } else {
      target.set(key, without_nulls(value));
      changed = true;
    }
  }
  return changed;
}

void overlay(Value& target, const Value& over) {
  if (!over.is_object() || !target.is_object()) {
    target = over;
    return;
  }
  for (const auto& [key, value] : over.as_object()) {
    Value* there = target.find(key);
    if (there != nullptr)
      overlay(*there, value);
    else
      target.set(key, value);
  }
}

}  // namespace aurum::model
