#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/json_text.h"
#include "model/value.h"

namespace aurum::model {
namespace {

using Json = nlohmann::ordered_json;

/// How the three notations differ.
struct Notation {
  std::string_view comma, colon;
  int indent = -1;
};

/// Nothing in it to escape: by far the most of what is ever written.
bool is_plain(const std::string& text) {
  for (const char c : text) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') return false;
  }
  return true;
}

void write_string(std::string& out, const std::string& text) {
  if (is_plain(text)) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  out += Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

class Writer {
 public:
  Writer(std::string& out, Notation notation) : out_(out), notation_(notation) {}

  void write(const Value& value, int depth) {
    if (value.is_null()) {
      out_ += "null";
    } else if (value.is_string()) {
      write_string(out_, value.as_string());
    } else if (value.is_array()) {
      if (value.empty()) {
        out_ += "[]";
        return;
      }
      out_ += '[';
      bool first = true;
      for (const auto& item : value.as_array()) {
        next(first, depth + 1);
        write(item, depth + 1);
      }
      close(']', depth);
    } else if (value.is_object()) {
      if (value.empty()) {
        out_ += "{}";
        return;
      }
      out_ += '{';
      bool first = true;
      for (const auto& [key, member] : value.as_object()) {
        next(first, depth + 1);
        write_string(out_, key);
        out_ += notation_.colon;
        write(member, depth + 1);
      }
      close('}', depth);
    } else if (value.is_real() && !std::isfinite(value.as_real())) {
      out_ += "null";
    } else {
      out_ += value.text();
    }
  }

 private:
  void next(bool& first, int depth) {
    if (!first) out_ += notation_.comma;
    first = false;
    line(depth);
  }
  void close(char bracket, int depth) {
    line(depth);
    out_ += bracket;
  }
  void line(int depth) {
    if (notation_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(notation_.indent * depth), ' ');
  }

  std::string& out_;
  Notation notation_;
};

std::string write(const Value& value, Notation notation) {
  std::string out;
  Writer(out, notation).write(value, 0);
  return out;
}

/// Builds a Value from the parser's events; depth and number of nodes are bounded, so that
/// recursion over the result (copying, destruction, printing) is too.
class Builder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return add(Value()); }
  bool boolean(bool v) override { return add(Value(v)); }
  bool number_integer(std::int64_t v) override { return add(Value(v)); }
  bool number_unsigned(std::uint64_t v) override {
    if (v > static_cast<std::uint64_t>(INT64_MAX)) return add(Value(static_cast<double>(v)));
    return add(Value(static_cast<std::int64_t>(v)));
  }
  bool number_float(double v, const std::string&) override { return add(Value(v)); }
  bool string(std::string& v) override { return add(Value(std::move(v))); }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Value::object()); }
  bool start_array(std::size_t) override { return open(Value::array()); }
  bool key(std::string& v) override {
    stack_.back().key = std::move(v);
    return true;
  }
  bool end_object() override {
    unique_keys(stack_.back().value.as_object());
    return close();
  }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error_ = fmt::format("not valid JSON at byte {}", position);
    return false;
  }

  const std::string& error() const { return error_; }
  Value take() { return std::move(root_); }

 private:
  struct Open {
    Value value;
    std::string key;
  };

  bool open(Value empty) {
    if (stack_.size() >= static_cast<std::size_t>(kMaxDepth)) {
      error_ = fmt::format("nested deeper than {} levels", kMaxDepth);
      return false;
    }
    stack_.push_back({std::move(empty), {}});
    return true;
  }
  bool close() {
    Value done = std::move(stack_.back().value);
    stack_.pop_back();
    return add(std::move(done));
  }
  bool add(Value value) {
    if (++nodes_ > kMaxNodes) {
      error_ = fmt::format("more than {} values", kMaxNodes);
      return false;
    }
    if (stack_.empty())
      root_ = std::move(value);
    else if (auto& parent = stack_.back(); parent.value.is_array())
      parent.value.as_array().push_back(std::move(value));
    else
      parent.value.as_object().emplace_back(std::move(parent.key), std::move(value));
    return true;
  }

  std::vector<Open> stack_;
  Value root_;
  std::string error_;
  std::size_t nodes_ = 0;
};

/// Of few keys each is compared with each sooner than a table of them is made.
constexpr std::size_t kFewKeys = 16;

bool are_unique(const Value::Object& members) {
  for (auto here = members.begin(); here != members.end(); ++here) {
    if (std::any_of(members.begin(), here, [&](const auto& m) { return m.first == here->first; }))
      return false;
  }
  return true;
}

}  // namespace

void unique_keys(Value::Object& members) {
  if (members.size() <= kFewKeys && are_unique(members)) return;
  std::unordered_map<std::string_view, std::size_t> first;
  first.reserve(members.size());
  std::vector<bool> later(members.size());
  bool any = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto [place, added] = first.emplace(members[i].first, i);
    if (added) continue;
    members[place->second].second = std::move(members[i].second);
    later[i] = any = true;
  }
  if (!any) return;
  Value::Object kept;
  for (std::size_t i = 0; i < members.size(); ++i)
    if (!later[i]) kept.push_back(std::move(members[i]));
  members = std::move(kept);
}

std::string real_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return Json(value).dump();
}

std::string to_json(const Value& value) { return write(value, {",", ":"}); }
std::string to_json_loose(const Value& value) { return write(value, {", ", ": "}); }
std::string to_json_pretty(const Value& value) { return write(value, {",", ": ", 2}); }

Result<Value> parse_json(std::string_view text) {
  if (text.size() > kMaxJsonBytes)
    return fail(Code::invalid, fmt::format("JSON text of more than {} bytes", kMaxJsonBytes));
  try {
    Builder builder;
    if (!Json::sax_parse(text, &builder))
      return fail(Code::invalid, builder.error().empty() ? "not valid JSON" : builder.error());
    return builder.take();
  } catch (const nlohmann::json::exception&) {
    return fail(Code::invalid, "not valid JSON");
  }
}

}  // namespace aurum::model
