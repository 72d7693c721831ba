#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "model/json_text.h"
#include "model/utf8.h"
#include "model/value.h"
#include "model/yaml_scalar.h"

namespace aurum::model {
namespace {

/// What a text allows, by the rules of YAML 1.1 for plain and quoted scalars (sections 9.1-9.2).
struct Shape {
  bool multiline = false;
  bool block_plain = true, flow_plain = true, single_quoted = true;
};

Shape shape_of(const std::u32string& text) {
  constexpr std::u32string_view flow_start = U",[]{}", any_start = U"#,[]{}&*!|>'\"%@`";
  Shape shape;
  if (text.empty()) {
    shape.flow_plain = false;
    return shape;
  }
  const auto blank_at = [&](std::size_t i) {
    return i >= text.size() || text[i] == ' ' || text[i] == '\n' || text[i] == '\t';
  };
  // yaml-cpp loses line breaks at the edges of single-quoted text, so these are written with
  // escapes.
  bool quotable = text.front() != U'\n' && text.back() != U'\n';
  bool block = true, flow = true, lines = false;
  if (text.starts_with(U"---") || text.starts_with(U"...")) block = flow = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    const bool before = i == 0 || blank_at(i - 1), after = blank_at(i + 1);
    if (i == 0) {
      if (any_start.find(c) != any_start.npos || (c == '-' && after)) block = flow = false;
      if (c == '?' || c == ':') {
        flow = false;
        if (after) block = false;
      }
    } else {
      if (flow_start.find(c) != flow_start.npos || c == '?' || c == ':') flow = false;
      if ((c == ':' && after) || (c == '#' && before)) block = flow = false;
    }
    if (c == '\n') {
      lines = true;
      if (i > 0 && text[i - 1] == ' ') quotable = false;
    }
    if (c == ' ' && i > 0 && text[i - 1] == '\n') quotable = false;
    const bool printable = c == '\n' || (c >= 0x20 && c <= 0x7E) ||
                           (c >= 0xA0 && c != 0x2028 && c != 0x2029 && c != 0xFEFF && c < 0xFFFE) ||
                           c >= 0x10000;
    if (!printable) quotable = false;
  }
  const bool edge = text.front() == ' ' || text.back() == ' ';
  shape.multiline = lines;
  shape.single_quoted = quotable;
  shape.block_plain = block && !lines && !edge && quotable;
  shape.flow_plain = flow && shape.block_plain;
  return shape;
}

std::string escaped(char32_t c) {
  switch (c) {
    case 0:
      return "\\0";
    case 7:
      return "\\a";
    case 8:
      return "\\b";
    case 9:
      return "\\t";
    case 10:
      return "\\n";
    case 11:
      return "\\v";
    case 12:
      return "\\f";
    case 13:
      return "\\r";
    case 27:
      return "\\e";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case 0x85:
      return "\\N";
    case 0x2028:
      return "\\L";
    case 0x2029:
      return "\\P";
    default:
      break;
  }
  const auto number = static_cast<std::uint32_t>(c);
  if (number <= 0xFF) return fmt::format("\\x{:02X}", number);
  return number <= 0xFFFF ? fmt::format("\\u{:04X}", number) : fmt::format("\\U{:08X}", number);
}

bool escape_needed(char32_t c) {
  if (c == '"' || c == '\\' || c == 0x2028 || c == 0x2029 || c == 0xFEFF) return true;
  return !((c >= 0x20 && c <= 0x7E) || (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD));
}

std::string real(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::string text = real_text(value);
  if (const auto e = text.find('e'); e != std::string::npos && text.find('.') == std::string::npos)
    text.insert(e, ".0");
  return text;
}

class Emitter {
 public:
  explicit Emitter(YamlStyle style) : style_(style) {}

  std::string document(const Value& value) {
    if (style_.flow) {
      flow_node(value, 0);
    } else if (is_collection(value)) {
      block_collection(value, 0, true);
    } else {
      blank_ = true;
      const bool plain = scalar(value, 2, true, false);
      if (plain) out_ += "\n...";
    }
    if (!style_.flow) out_ += '\n';
    return std::move(out_);
  }

 private:
  static bool is_collection(const Value& v) {
    return (v.is_array() || v.is_object()) && v.size() > 0;
  }

  void put(std::string_view ascii) {
    out_ += ascii;
    column_ += static_cast<int>(ascii.size());
    blank_ = false;
  }
  void put(std::u32string_view text) {
    for (char32_t c : text) append_utf8(out_, c);
    column_ += static_cast<int>(text.size());
    blank_ = false;
  }
  /// A new line with `indent` blanks; the next token needs no blank before it.
  void line(int indent) {
    out_ += '\n';
    pad(indent);
  }
  void pad(int indent) {
    out_.append(static_cast<std::size_t>(indent), ' ');
    column_ = indent;
    blank_ = true;
  }
  void separate() {
    if (!blank_) put(" ");
  }

  std::vector<const Value::Member*> members_of(const Value& map) const {
    std::vector<const Value::Member*> members;
    for (const auto& member : map.as_object()) members.push_back(&member);
    if (style_.sort_keys)
      std::ranges::sort(members, {},
                        [](const Value::Member* m) -> const auto& { return m->first; });
    return members;
  }

  /// Keys longer than this, empty ones and those of several lines take the "? key" form.
  static bool simple_key(const std::string& key) {
    constexpr std::size_t longest = 122;
    return !key.empty() && key.find('\n') == std::string::npos &&
           to_code_points(key).size() <= longest;
  }

  /// Block list or map whose lines begin at `indent`; the first goes on where we are if `here`.
  void block_collection(const Value& value, int indent, bool here) {
    if (value.is_array()) {
      for (const auto& item : value.as_array()) {
        if (!here) line(indent);
        here = false;
        put("-");
        nested(item, indent, indent + 2);
      }
      return;
    }
    for (const auto* member : members_of(value)) {
      if (!here) line(indent);
      here = false;
      const bool simple = simple_key(member->first);
      if (!simple) put("? ");
      blank_ = true;
      scalar(member->first, indent + 2, !simple, false);
      if (!simple) {
        line(indent);
        put(":");
        nested(member->second, indent, indent + 2);
      } else {
        put(":");
        if (is_collection(member->second))
          block_collection(member->second, member->second.is_array() ? indent : indent + 2, false);
        else
          leaf(member->second, indent + 2);
      }
    }
  }

  /// What stands behind "- " (or ": " of a long key) on the same line.
  void nested(const Value& value, int indent, int inner) {
    if (!is_collection(value)) return leaf(value, indent + 2);
    put(" ");
    block_collection(value, inner, true);
  }

  void leaf(const Value& value, int indent) {
    blank_ = false;
    if (value.is_array())
      put(" []");
    else if (value.is_object())
      put(" {}");
    else
      scalar(value, indent, true, false);
  }

  void flow_node(const Value& value, int indent) {
    if (!value.is_array() && !value.is_object()) {
      scalar(value, indent + 2, true, true);
      return;
    }
    separate_unless_first();
    put(value.is_array() ? "[" : "{");
    blank_ = true;
    const int inner = indent + 2;
    bool first = true;
    const auto next = [&] {
      if (!first) put(",");
      first = false;
      if (column_ > style_.width) line(inner);
    };
    if (value.is_array()) {
      for (const auto& item : value.as_array()) {
        next();
        flow_node(item, inner);
      }
    } else {
      for (const auto* member : members_of(value)) {
        next();
        const bool simple = simple_key(member->first);
        if (!simple) {
          separate();
          put("?");
        }
        scalar(member->first, inner + 2, !simple, true);
        if (!simple) {
          if (column_ > style_.width) line(inner);
          separate();
        }
        put(":");
        flow_node(member->second, inner);
      }
    }
    put(value.is_array() ? "]" : "}");
  }

  void separate_unless_first() {
    if (!out_.empty()) separate();
  }

  /// Writes a scalar, with a blank before it where needed. Returns whether it stands without
  /// quotes.
  bool scalar(const Value& value, int indent, bool fold, bool in_flow) {
    separate_unless_first();
    if (!value.is_string()) {
      put(value.is_null() ? "null" : value.is_real() ? real(value.as_real()) : value.text());
      return true;
    }
    const std::string& utf8 = value.as_string();
    const std::u32string text = to_code_points(utf8);
    const Shape shape = shape_of(text);
    const bool key_blocks = !fold && (text.empty() || shape.multiline);
    if (!is_ambiguous(utf8) && !key_blocks && (in_flow ? shape.flow_plain : shape.block_plain)) {
      words(text, indent, fold, false);
      return true;
    }
    if (shape.single_quoted && (fold || !shape.multiline)) {
      put("'");
      words(text, indent, fold, true);
      put("'");
    } else {
      double_quoted(text, indent, fold);
    }
    return false;
  }

  /// Plain or single-quoted text: a lone blank past the width becomes a line break, a line break an
  /// empty line.
  void words(const std::u32string& text, int indent, bool fold, bool quoted) {
    for (std::size_t i = 0; i < text.size();) {
      const char32_t c = text[i];
      std::size_t end = i + 1;
      while (end < text.size() &&
             (c == ' ' || c == '\n' ? text[end] == c : text[end] != ' ' && text[end] != '\n'))
        ++end;
      const std::u32string_view run = std::u32string_view(text).substr(i, end - i);
      if (c == '\n') {
        out_.append(run.size(), '\n');
        line(indent);
      } else if (c == ' ' && run.size() == 1 && fold && column_ > style_.width &&
                 (!quoted || (i != 0 && end != text.size()))) {
        line(indent);
      } else if (quoted && c != ' ') {
        for (char32_t letter : run)
          letter == '\'' ? put("''") : put(std::u32string_view(&letter, 1));
      } else {
        put(run);
      }
      i = end;
    }
  }

  void double_quoted(const std::u32string& text, int indent, bool fold) {
    put("\"");
    // `start` is the first character not yet written; runs end before escapes and after blanks.
    std::size_t start = 0;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      const bool last = end == text.size();
      if (last || escape_needed(text[end])) {
        if (start < end) {
          put(std::u32string_view(text).substr(start, end - start));
          start = end;
        }
        if (!last) {
          put(escaped(text[end]));
          start = end + 1;
        }
      }
      if (!(end > 0 && end + 1 < text.size()) || !fold) continue;
      const int pending = end > start ? static_cast<int>(end - start) : 0;
      if ((text[end] != ' ' && start < end) ||
          column_ + (end >= start ? pending : -1) <= style_.width)
        continue;
      if (start < end) {
        put(std::u32string_view(text).substr(start, end - start));
        start = end;
      }
      put("\\");
      line(indent);
      if (start < text.size() && text[start] == ' ') put("\\");
    }
    put("\"");
  }

  YamlStyle style_;
  std::string out_;
  int column_ = 0;
  bool blank_ = true;  ///< the last character separates tokens, so that no blank is needed
};

}  // namespace

std::string to_yaml(const Value& value, YamlStyle style) {
  if (!style.flow && !value.is_null() && value.size() == 0 &&
      (value.is_array() || value.is_object()))
    return value.is_array() ? "[]\n" : "{}\n";
  return Emitter(style).document(value);
}

}  // namespace aurum::model
