#include "model/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>

namespace aurum::model {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

/// A cursor for the small grammars below.
struct Cursor {
  std::string_view rest;
  bool take(char c) {
    if (!rest.starts_with(c)) return false;
    rest.remove_prefix(1);
    return true;
  }
  template <class Predicate>
  std::size_t skip(Predicate accept) {
    const auto end = std::ranges::find_if_not(rest, accept);
    const auto count = static_cast<std::size_t>(end - rest.begin());
    rest.remove_prefix(count);
    return count;
  }
  std::size_t digits() { return skip(digit); }
  bool done() const { return rest.empty(); }
};

bool digit_or_mark(char c) { return digit(c) || c == '_'; }

std::string without_marks(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

std::optional<Value> integer(std::string_view digits, int base, bool negative) {
  const std::string text = (negative ? "-" : "") + without_marks(digits);
  std::int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Value(number);
}

/// "12:30:45" and "1:30.5": digits in base 60, the parts after the first of one or two digits
/// below 60.
std::optional<Value> sexagesimal(std::string_view text, bool negative) {
  constexpr double limit = 9e18;
  std::string fraction;
  if (const auto point = text.find('.'); point != std::string_view::npos) {
    Cursor after{text.substr(point + 1)};
    after.skip(digit_or_mark);
    if (!after.done()) return std::nullopt;
    fraction = "0." + without_marks(text.substr(point + 1)) + "0";
    text = text.substr(0, point);
  } else if (text.starts_with('0')) {
    return std::nullopt;
  }
  std::int64_t total = 0;
  for (bool first = true; !text.empty(); first = false) {
    const auto colon = text.find(':');
    const auto part = text.substr(0, colon);
    Cursor digits{part};
    if (!first && (part.size() > 2 || !std::ranges::all_of(part, digit) ||
                   (part.size() == 2 && part[0] > '5')))
      return std::nullopt;
    digits.skip(digit_or_mark);
    const auto value = integer(part, 10, false);
    if (!digits.done() || part.empty() || !digit(part.front()) || !value ||
        static_cast<double>(total) * 60 > limit - static_cast<double>(value->as_int()))
      return std::nullopt;
    total = total * 60 + value->as_int();
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;
  }
  if (fraction.empty()) return Value(negative ? -total : total);
  double part = 0;
  std::from_chars(fraction.data(), fraction.data() + fraction.size(), part);
  const double sum = static_cast<double>(total) + part;
  return Value(negative ? -sum : sum);
}

std::optional<Value> decimal_real(std::string_view text, bool negative, bool signed_text) {
  Cursor scan{text};
  const bool leading = !text.empty() && digit(text.front());
  if (leading) scan.skip(digit_or_mark);
  if (!scan.take('.')) return std::nullopt;
  // ".5" has no sign in YAML 1.1 as PyYAML reads it; "._" is a word.
  if (!leading && (signed_text || scan.rest.empty() || !digit(scan.rest.front())))
    return std::nullopt;
  scan.skip(digit_or_mark);
  if (scan.take('e') || scan.take('E')) {
    if (!scan.take('+') && !scan.take('-')) return std::nullopt;
    if (scan.digits() == 0) return std::nullopt;
  }
  if (!scan.done()) return std::nullopt;
  std::string plain = without_marks(text);
  if (plain.starts_with('.')) plain.insert(0, "0");
  double number = 0;
  const auto result = std::from_chars(plain.data(), plain.data() + plain.size(), number);
  if (result.ec == std::errc::result_out_of_range) {
    const bool tiny =
        plain.find("e-") != std::string::npos || plain.find("E-") != std::string::npos;
    number = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  } else if (result.ec != std::errc()) {
    return std::nullopt;
  }
  return Value(negative ? -number : number);
}

/// Integers by their form, also those which do not fit ("99999999999999999999", "0x_").
bool has_integer_form(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || !digit(text.front())) return false;
  const auto only = [&](std::string_view digits, std::size_t from) {
    return text.size() > from && text.find_first_not_of(digits, from) == text.npos;
  };
  if (text.front() != '0') return only("0123456789_", 0);
  return only("01234567_", 0) || (text.starts_with("0b") && only("01_", 2)) ||
         (text.starts_with("0x") && only("0123456789abcdefABCDEF_", 2));
}

std::optional<Value> number(std::string_view text) {
  std::string_view body = text;
  const bool negative = body.starts_with('-');
  const bool signed_text = negative || body.starts_with('+');
  if (signed_text) body.remove_prefix(1);
  if (body.empty() || !(digit(body.front()) || body.front() == '.')) return std::nullopt;

  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (body == ".inf" || body == ".Inf" || body == ".INF")
    return Value(negative ? -infinity : infinity);
  if (!signed_text && (body == ".nan" || body == ".NaN" || body == ".NAN"))
    return Value(std::numeric_limits<double>::quiet_NaN());
  if (body.find(':') != std::string_view::npos) return sexagesimal(body, negative);
  if (auto real = decimal_real(body, negative, signed_text)) return real;
  if (!has_integer_form(body)) return std::nullopt;
  if (body.starts_with("0b")) return integer(body.substr(2), 2, negative);
  if (body.starts_with("0x")) return integer(body.substr(2), 16, negative);
  return integer(body, body.size() > 1 && body.front() == '0' ? 8 : 10, negative);
}

/// "2020-01-31" and "2020-1-31 10:00:00.5 +2".
bool timestamp(std::string_view text) {
  Cursor scan{text};
  const auto year = scan.digits();
  if (year != 4 || !scan.take('-')) return false;
  const auto month = scan.digits();
  if (month < 1 || month > 2 || !scan.take('-')) return false;
  const auto day = scan.digits();
  if (scan.done()) return month == 2 && day == 2;
  if (day < 1 || day > 2) return false;
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (!scan.take('T') && !scan.take('t') && scan.skip(blank) == 0) return false;
  const auto hour = scan.digits();
  if (hour < 1 || hour > 2 || !scan.take(':') || scan.digits() != 2 || !scan.take(':') ||
      scan.digits() != 2)
    return false;
  if (scan.take('.')) scan.digits();
  scan.skip(blank);
  if (scan.done() || scan.rest == "Z") return true;
  if (!scan.take('+') && !scan.take('-')) return false;
  const auto offset = scan.digits();
  if (offset < 1 || offset > 2) return false;
  return scan.done() || (scan.take(':') && scan.digits() == 2 && scan.done());
}

/// Only "word", "Word" and "WORD" count, as in https://yaml.org/type/bool.html.
bool is_word(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  if (text == lower) return true;
  const auto up = [](char c) { return static_cast<char>(c - 'a' + 'A'); };
  if (text.front() != up(lower.front())) return false;
  return text.substr(1) == lower.substr(1) ||
         std::ranges::equal(text.substr(1), lower.substr(1), {}, {}, up);
}

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::ranges::any_of(words, [&](auto word) { return is_word(text, word); });
}

}  // namespace

Value resolve_plain(std::string_view text) {
  static constexpr std::array<std::string_view, 3> yes = {"yes", "true", "on"};
  static constexpr std::array<std::string_view, 3> no = {"no", "false", "off"};
  if (text.empty() || text == "~" || is_word(text, "null")) return {};
  if (is_one_of(text, yes)) return true;
  if (is_one_of(text, no)) return false;
  if (auto value = number(text)) return std::move(*value);
  return text;
}

bool is_ambiguous(std::string_view text) {
  return !resolve_plain(text).is_string() || timestamp(text) || text == "=" || text == "<<" ||
         has_integer_form(text);
}

}  // namespace aurum::model
