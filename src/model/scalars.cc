#include <cctype>
#include <charconv>
#include <cmath>
#include <span>

#include "model/value.h"

namespace aurum::model {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view text) {
  auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

struct Unit {
  std::string_view name;
  double factor;
};

/// Durations in milliseconds.
constexpr Unit kTimes[] = {{"us", 0.001},   {"ms", 1},        {"s", 1000},
                           {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr Unit kBytes[] = {{"b", 1},
                           {"kb", 1024},
                           {"mb", 1024.0 * 1024},
                           {"gb", 1024.0 * 1024 * 1024},
                           {"tb", 1024.0 * 1024 * 1024 * 1024}};

std::optional<std::int64_t> rounded(double number) {
  if (!std::isfinite(number) || std::abs(number) >= 9.2e18) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(number));
}

/// A number with an optional unit; a bare number counts in `bare`.
std::optional<std::int64_t> read_quantity(const Value& value, std::span<const Unit> units,
                                          double bare) {
  if (value.is_int() && bare == 1) return value.as_int();
  if (value.is_number()) return rounded(value.as_real() * bare);
  if (!value.is_string()) return std::nullopt;
  std::string_view text = trim(value.as_string());
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || !(std::isdigit(static_cast<unsigned char>(text.front())) ||
                        text.front() == '-' || text.front() == '.'))
    return std::nullopt;

  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  auto [after_whole, whole_error] = std::from_chars(text.data(), end, whole);
  if (whole_error == std::errc() && after_whole == end && bare == 1) return whole;

  double number = 0;
  auto [after, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string unit = lower(trim({after, static_cast<std::size_t>(end - after)}));
  if (unit.empty()) return rounded(number * bare);
  for (const auto& known : units)
    if (known.name == unit) return rounded(number * known.factor);
  return std::nullopt;
}

}  // namespace

std::optional<bool> read_bool(const Value& value) {
  if (value.is_bool()) return value.as_bool();
  if (!value.is_int() && !value.is_string()) return std::nullopt;
  const std::string word = lower(trim(value.text()));
  if (word == "on" || word == "true" || word == "yes" || word == "1") return true;
  if (word == "off" || word == "false" || word == "no" || word == "0") return false;
  return std::nullopt;
}

std::optional<std::int64_t> read_int(const Value& value) { return read_quantity(value, {}, 1); }

std::optional<std::int64_t> read_duration_ms(const Value& value, std::int64_t unit_ms) {
  return read_quantity(value, kTimes, static_cast<double>(unit_ms));
}

std::optional<std::int64_t> read_bytes(const Value& value) {
  return read_quantity(value, kBytes, 1);
}

}  // namespace aurum::model
