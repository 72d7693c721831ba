#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "model/config_schema.h"

namespace aurum::model {
namespace {

bool is_scalar(const Value& v) { return !v.is_array() && !v.is_object(); }

bool fits(const Value& value, Kind kind) {
  switch (kind) {
    case Kind::text:
    case Kind::secret:
      return is_scalar(value) && !value.is_bool();
    case Kind::word:
      return is_scalar(value);
    case Kind::boolean:
      return read_bool(value).has_value();
    case Kind::integer:
      return read_int(value).has_value();
    case Kind::seconds:
      return read_duration_ms(value).has_value();
    case Kind::bytes:
      return read_bytes(value).has_value();
    case Kind::list:
      return value.is_array();
    case Kind::text_list:
      return value.is_string() ||
             (value.is_array() && std::ranges::all_of(value.as_array(), is_scalar));
    case Kind::map:
      return value.is_object();
    case Kind::any:
      return true;
  }
  return false;
}

std::string_view wanted(Kind kind) {
  switch (kind) {
    case Kind::boolean:
      return "a boolean (true or false)";
    case Kind::integer:
      return "an integer";
    case Kind::seconds:
      return "a number of seconds, or text like \"30s\"";
    case Kind::bytes:
      return "a number of bytes, or text like \"1MB\"";
    case Kind::list:
      return "a list";
    case Kind::text_list:
      return "a list of texts";
    case Kind::map:
      return "a map";
    default:
      return "text";
  }
}

std::string shown(const Value& value) {
  if (!is_scalar(value)) return fmt::format("a {}", value.type_name());
  const std::string text = value.text();
  if (value.is_string()) return fmt::format("\"{}\"", text.substr(0, 40));
  return fmt::format("the {} {}", value.type_name(), text);
}

/// What is wrong with the value, "" if nothing. A secret is never shown.
std::string complaint(const Value& value, Kind kind) {
  if (value.is_null() || fits(value, kind)) return {};
  const std::string got =
      kind == Kind::secret ? fmt::format("a {}", value.type_name()) : shown(value);
  return fmt::format("must be {}, not {}", wanted(kind), got);
}

std::string remedy(const Value& value, Kind kind) {
  if ((kind == Kind::text || kind == Kind::secret) && value.is_bool())
    return "Put quotes around it: YAML reads on, off, yes and no as booleans.";
  if (kind == Kind::list || kind == Kind::text_list)
    return "Write each item on a line with \"- \".";
  if (kind == Kind::map) return "Write \"key: value\" lines, indented below it.";
  return "Correct the value or remove the key.";
}

bool is_section(std::span<const Key> keys, std::string_view path) {
  return std::ranges::any_of(keys, [&](const Key& key) {
    return key.path.size() > path.size() && key.path.starts_with(path) &&
           key.path[path.size()] == '.';
  });
}

/// The known names directly below `path` ("" = top).
std::vector<std::string_view> names_below(std::span<const Key> keys, std::string_view path) {
  std::vector<std::string_view> names;
  for (const Key& key : keys) {
    std::string_view rest = key.path;
    if (!path.empty()) {
      if (!rest.starts_with(path) || rest.size() <= path.size() || rest[path.size()] != '.')
        continue;
      rest.remove_prefix(path.size() + 1);
    }
    rest = rest.substr(0, rest.find('.'));
    if (std::ranges::find(names, rest) == names.end()) names.push_back(rest);
  }
  return names;
}

/// Left by --generate-config for the operator to fill in.
bool is_unfilled(const Value& value) {
  if (value.is_array()) return std::ranges::any_of(value.as_array(), is_unfilled);
  return value.is_string() && value.as_string().contains("#FIXME");
}

class Checker {
 public:
  Checker(std::span<const Key> keys, const std::vector<std::string>& free_keys, Findings& findings,
          Unknown unknown)
      : keys_(keys), free_(free_keys), findings_(findings), unknown_(unknown) {}

  void check(const Value& section, const std::string& prefix) {
    for (const auto& [name, value] : section.as_object()) {
      const std::string path = prefix.empty() ? name : prefix + "." + name;
      if (std::ranges::find(free_, path) != free_.end()) continue;
      if (const Key* key = find_key(keys_, path)) {
        check_value(*key, value);
      } else if (is_section(keys_, path)) {
        if (value.is_object())
          check(value, path);
        else if (!value.is_null())
          findings_.error(path, complaint(value, Kind::map), remedy(value, Kind::map));
      } else if (!is_file_of_secret(path, value)) {
        unknown(prefix, name, path);
      }
    }
  }

 private:
  void check_value(const Key& key, const Value& value) {
    if (auto what = complaint(value, key.kind); !what.empty())
      findings_.error(key.path, std::move(what), remedy(value, key.kind));
    else if (key.kind == Kind::secret && value.is_number())
      findings_.warning(key.path, "is a number to YAML, which drops leading zeros and underscores",
                        "Put quotes around it.");
    else if (is_unfilled(value))
      findings_.warning(key.path, "is still #FIXME", "Write what it is.");
  }

  bool is_file_of_secret(std::string_view path, const Value& value) {
    constexpr std::string_view suffix = "_file";
    if (!path.ends_with(suffix)) return false;
    const Key* key = find_key(keys_, path.substr(0, path.size() - suffix.size()));
    if (key == nullptr || key->kind != Kind::secret) return false;
    if (!value.is_string()) findings_.error(path, "must be the path of a file", "");
    return true;
  }

  void unknown(const std::string& prefix, const std::string& name, const std::string& path) {
    const auto names = names_below(keys_, prefix);
    const auto near = nearest(name, names);
    if (unknown_ == Unknown::error || prefix == "aurum" || prefix.starts_with("aurum.")) {
      const std::string known =
          std::accumulate(names.begin(), names.end(), std::string(), [](std::string all, auto n) {
            return all.empty() ? std::string(n) : all + ", " + std::string(n);
          });
      findings_.error(path, "is not a known key",
                      near.empty() ? fmt::format("Known keys here: {}.", known)
                                   : fmt::format("Did you mean \"{}\"?", near));
    } else {
      findings_.warning(path, "is not a known key and is ignored",
                        near.empty() ? std::string() : fmt::format("Did you mean \"{}\"?", near));
    }
  }

  std::span<const Key> keys_;
  const std::vector<std::string>& free_;
  Findings& findings_;
  Unknown unknown_;
};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Finding::text() const {
  std::string out = path;
  if (!path.empty()) out += message.starts_with("is ") ? " " : ": ";
  out += message;
  if (!hint.empty()) out += " (hint: " + hint + ")";
  return out;
}

void Findings::error(std::string_view path, std::string message, std::string hint) {
  add(Finding::Level::error, path, std::move(message), std::move(hint));
}
void Findings::warning(std::string_view path, std::string message, std::string hint) {
  add(Finding::Level::warning, path, std::move(message), std::move(hint));
}
void Findings::add(Finding::Level level, std::string_view path, std::string message,
                   std::string hint) {
  if (!source_.empty()) message += fmt::format(" (in {})", source_);
  out_.push_back({level, prefix_ + std::string(path), std::move(message), std::move(hint)});
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t longest = 64;
  if (word.size() > longest) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (auto candidate : candidates) {
    const auto distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

void check_keys(const Value& tree, std::span<const Key> keys,
                const std::vector<std::string>& free_keys, Findings& findings, Unknown unknown) {
  if (tree.is_object()) Checker(keys, free_keys, findings, unknown).check(tree, "");
}

void check_types(const Value& tree, std::span<const Key> keys, Findings& findings) {
  for (const Key& key : keys) {
    const Value* value = value_at(tree, key.path);
    if (value == nullptr) continue;
    if (const auto what = complaint(*value, key.kind); !what.empty())
      findings.warning(key.path, what + "; the default is used", remedy(*value, key.kind));
  }
}

const Value* value_at(const Value& tree, std::string_view path) {
  const Value* here = &tree;
  while (here != nullptr && !path.empty()) {
    const auto dot = path.find('.');
    here = here->find(path.substr(0, dot));
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
  }
  return here == nullptr || here->is_null() ? nullptr : here;
}

std::string Reader::text(std::string_view path, std::string_view otherwise) const {
  const Value* value = find(path);
  return value != nullptr && is_scalar(*value) ? value->text() : std::string(otherwise);
}

std::optional<bool> Reader::maybe(std::string_view path) const {
  const Value* value = find(path);
  return value == nullptr ? std::nullopt : read_bool(*value);
}

bool Reader::boolean(std::string_view path, bool otherwise) const {
  return maybe(path).value_or(otherwise);
}

std::int64_t Reader::integer(std::string_view path, std::int64_t otherwise) const {
  const Value* value = find(path);
  return value == nullptr ? otherwise : read_int(*value).value_or(otherwise);
}

std::int64_t Reader::seconds(std::string_view path, std::int64_t otherwise) const {
  const Value* value = find(path);
  const auto ms = value == nullptr ? std::nullopt : read_duration_ms(*value);
  if (!ms) return otherwise;
  // Rounded away from zero, so that "500ms" does not become 0, which often means "off".
  return *ms / 1000 + (*ms % 1000 > 0 ? 1 : *ms % 1000 < 0 ? -1 : 0);
}

std::int64_t Reader::bytes(std::string_view path, std::int64_t otherwise) const {
  const Value* value = find(path);
  return value == nullptr ? otherwise : read_bytes(*value).value_or(otherwise);
}

Value Reader::value(std::string_view path) const {
  const Value* value = find(path);
  return value == nullptr ? Value() : *value;
}

std::string word(const Reader& reader, std::string_view path,
                 std::initializer_list<std::string_view> words, Findings& findings) {
  const std::string_view otherwise = *words.begin();
  std::string text = reader.text(path, otherwise);
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (std::ranges::find(words, std::string_view(text)) != words.end()) return text;
  std::string known;
  for (auto w : words)
    if (!w.empty()) known += (known.empty() ? "" : ", ") + std::string(w);
  findings.error(path, fmt::format("\"{}\" is none of the possible values", text.substr(0, 40)),
                 fmt::format("Use one of: {}.", known));
  return std::string(otherwise);
}

int bounded(const Reader& reader, std::string_view path, int otherwise, int min, int max,
            bool seconds, Findings& findings) {
  const auto value = seconds ? reader.seconds(path, otherwise) : reader.integer(path, otherwise);
  if (value < min || value > max)
    findings.error(path, fmt::format("{} is not between {} and {}", value, min, max));
  return static_cast<int>(std::clamp<std::int64_t>(value, min, max));
}

void set_at(Value& tree, std::string_view path, Value value) {
  const auto dot = path.find('.');
  if (!tree.is_object()) tree = Value::object();
  if (dot == std::string_view::npos) {
    tree.set(path, std::move(value));
    return;
  }
  Value* section = tree.find(path.substr(0, dot));
  if (section == nullptr) section = &tree.set(path.substr(0, dot), Value::object());
  set_at(*section, path.substr(dot + 1), std::move(value));
}

}  // namespace aurum::model
