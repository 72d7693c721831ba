#include <map>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "model/json_text.h"
#include "model/utf8.h"
#include "model/value.h"
#include "model/yaml_scalar.h"

namespace aurum::model {
namespace {

/// Leaves the parser's call-backs; caught in parse_yaml().
struct Refused {
  YAML::Mark mark;
  std::string message;
};

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

/// Builds a Value from the parser's events. Merge keys, duplicate keys and the meaning of scalars
/// are ours, since the library resolves none of them; so are the bounds on depth and on the copies
/// which aliases make.
class Builder : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (seen_document_) throw Refused{mark, "a second document begins here; only one is read"};
    seen_document_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish(mark, anchor, Value(), false);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    finish(mark, anchor, scalar(mark, tag, text), tag == "?" && text == "<<");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{mark, "an alias inside its own anchor"};
    charge(mark, found->second);
    add(mark, found->second, false);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    accept_tag(mark, tag, "seq");
    open(mark, anchor, true);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    accept_tag(mark, tag, "map");
    open(mark, anchor, false);
  }
  void OnSequenceEnd() override {
    Open done = pop();
    finish(done.mark, done.anchor, Value(std::move(done.items)), false);
  }
  void OnMapEnd() override {
    Open done = pop();
    Value::Object members = std::move(done.merged);
    std::ranges::move(done.members, std::back_inserter(members));
    unique_keys(members);
    finish(done.mark, done.anchor, Value(std::move(members)), false);
  }

  Value take() { return std::move(root_); }

 private:
  struct Open {
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    bool sequence = false;
    Value::Array items;
    Value::Object members, merged;
    std::optional<std::string> key;
    bool merge_key = false;
  };

  static void accept_tag(const YAML::Mark& mark, std::string_view tag, std::string_view kind) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    if (tag.starts_with(kTagPrefix) && tag.substr(kTagPrefix.size()) == kind) return;
    throw Refused{mark, fmt::format("the tag \"{}\" is not supported here", tag)};
  }

  static Value scalar(const YAML::Mark& mark, std::string_view tag, const std::string& text) {
    if (tag == "?" || tag.empty()) return resolve_plain(text);
    if (tag == "!") return text;
    if (!tag.starts_with(kTagPrefix)) accept_tag(mark, tag, "");
    const auto kind = tag.substr(kTagPrefix.size());
    if (kind == "str") return text;
    Value value = resolve_plain(text);
    const bool fits = (kind == "int" && value.is_int()) || (kind == "float" && value.is_number()) ||
                      (kind == "bool" && value.is_bool()) || (kind == "null" && value.is_null());
    if (!fits) throw Refused{mark, fmt::format("\"{}\" does not fit the tag \"{}\"", text, tag)};
    return kind == "float" ? Value(value.as_real()) : value;
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, bool sequence) {
    if (stack_.size() >= static_cast<std::size_t>(kMaxDepth))
      throw Refused{mark, fmt::format("nested deeper than {} levels", kMaxDepth)};
    Open level;
    level.mark = mark;
    level.anchor = anchor;
    level.sequence = sequence;
    stack_.push_back(std::move(level));
  }

  Open pop() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    return done;
  }

  void finish(const YAML::Mark& mark, YAML::anchor_t anchor, Value value, bool merge_key) {
    if (anchor != 0) {
      charge(mark, value);
      anchors_[anchor] = value;
    }
    add(mark, std::move(value), merge_key);
  }

  void add(const YAML::Mark& mark, Value value, bool merge_key) {
    charge_one(mark, 0);
    if (stack_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = stack_.back();
    if (parent.sequence) {
      parent.items.push_back(std::move(value));
    } else if (!parent.key) {
      if (value.is_array() || value.is_object())
        throw Refused{mark, "a list or map can not be a key"};
      parent.key = value.is_null() ? "null" : value.text();
      parent.merge_key = merge_key;
    } else if (parent.merge_key) {
      merge(mark, parent, value);
      parent.key.reset();
    } else {
      parent.members.emplace_back(std::move(*parent.key), std::move(value));
      parent.key.reset();
    }
  }

  /// `<<: *a` and `<<: [*a, *b]`: of several maps the earlier wins, the map's own keys win over
  /// all.
  void merge(const YAML::Mark& mark, Open& parent, const Value& value) {
    const auto take_from = [&](const Value& map) {
      if (!map.is_object())
        throw Refused{mark, "the merge key \"<<\" needs a map or a list of maps"};
      std::ranges::copy(map.as_object(), std::back_inserter(parent.merged));
    };
    charge(mark, value);
    if (!value.is_array()) return take_from(value);
    for (auto it = value.as_array().rbegin(); it != value.as_array().rend(); ++it) take_from(*it);
  }

  void charge(const YAML::Mark& mark, const Value& value) {
    charge_one(mark, value.is_string() ? value.as_string().size() : 0);
    if (value.is_array())
      for (const auto& item : value.as_array()) charge(mark, item);
    if (value.is_object())
      for (const auto& [key, member] : value.as_object()) {
        charge_one(mark, key.size());
        charge(mark, member);
      }
  }

  void charge_one(const YAML::Mark& mark, std::size_t bytes) {
    copied_bytes_ += bytes;
    if (++nodes_ > kMaxNodes || copied_bytes_ > kMaxJsonBytes)
      throw Refused{mark, "the document grows too large here; are there aliases of aliases?"};
  }

  bool seen_document_ = false;
  Value root_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, Value> anchors_;
  std::size_t nodes_ = 0, copied_bytes_ = 0;
};

Error at(int line, int column, std::string_view what) {
  return {Code::invalid, fmt::format("line {}, column {}: {}", line + 1, column + 1, what), {}};
}

/// The library's reader guesses encodings and swallows control characters; here only UTF-8 text
/// passes.
Status check_characters(std::string_view text) {
  int line = 0, column = 0;
  for (std::size_t i = 0; i < text.size(); ++column) {
    const auto code = next_code_point(text, i);
    if (!code) return fail(at(line, column, "not valid UTF-8"));
    const bool control = *code < 0x20 && *code != '\n' && *code != '\t' && *code != '\r';
    if (control || *code == 0x7F)
      return fail(at(line, column,
                     fmt::format("control character U+{:04X}", static_cast<std::uint32_t>(*code))));
    if (*code == '\n') {
      ++line;
      column = -1;
    }
  }
  return {};
}

}  // namespace

Result<Value> parse_yaml(std::string_view text) {
  if (text.size() > kMaxYamlBytes)
    return fail(Code::invalid, fmt::format("YAML text of more than {} bytes", kMaxYamlBytes));
  if (auto ok = check_characters(text); !ok) return fail(ok.error());
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take();
  } catch (const Refused& refused) {
    return fail(at(refused.mark.line, refused.mark.column, refused.message));
  } catch (const YAML::Exception& error) {
    return fail(at(error.mark.line, error.mark.column, error.msg));
  } catch (const std::exception&) {
    return fail(Code::invalid, "not valid YAML");
  }
}

}  // namespace aurum::model
