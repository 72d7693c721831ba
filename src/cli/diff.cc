#include "cli/diff.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace aurum::cli {

namespace {

constexpr std::size_t kContext = 3;

using Lines = std::vector<std::string_view>;

Lines split(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

/// One line of the edit script: ' ' kept, '-' removed, '+' added.
struct Step {
  char mark;
  std::string_view line;
  std::size_t before, after;  ///< lines of either text that come before this step
};

/// The shortest script by the longest common subsequence of what lies between equal head and tail.
std::vector<Step> script_of(const Lines& a, const Lines& b) {
  std::size_t head = 0;
  while (head < a.size() && head < b.size() && a[head] == b[head]) ++head;
  std::size_t tail = 0;
  while (tail < a.size() - head && tail < b.size() - head &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  const std::size_t n = a.size() - head - tail;
  const std::size_t m = b.size() - head - tail;
  std::vector<std::vector<std::size_t>> common(n + 1, std::vector<std::size_t>(m + 1, 0));
  for (std::size_t i = n; i-- > 0;)
    for (std::size_t j = m; j-- > 0;)
      common[i][j] = a[head + i] == b[head + j] ? common[i + 1][j + 1] + 1
                                                : std::max(common[i + 1][j], common[i][j + 1]);

  std::vector<Step> script;
  for (std::size_t i = 0; i < head; ++i) script.push_back({' ', a[i], i, i});
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < n || j < m) {
    const std::size_t x = head + i;
    const std::size_t y = head + j;
    if (i < n && j < m && a[x] == b[y]) {
      script.push_back({' ', a[x], x, y});
      ++i;
      ++j;
    } else if (i < n && (j == m || common[i + 1][j] >= common[i][j + 1])) {
      script.push_back({'-', a[x], x, y});
      ++i;
    } else {
      script.push_back({'+', b[y], x, y});
      ++j;
    }
  }
  for (std::size_t k = 0; k < tail; ++k) {
    const std::size_t x = head + n + k;
    script.push_back({' ', a[x], x, head + m + k});
  }
  return script;
}

/// "start,length" of a hunk's side: lines count from 1, an empty side names the line before it, and
/// a length of one is left out (POSIX diff -u).
std::string range(std::size_t start, std::size_t length) {
  if (length == 1) return fmt::format("{}", start + 1);
  return fmt::format("{},{}", length == 0 ? start : start + 1, length);
}

void append_hunk(std::string& out, const std::vector<Step>& script, std::size_t from,
                 std::size_t to) {
  std::size_t removed = 0;
  std::size_t added = 0;
  for (std::size_t i = from; i < to; ++i) {
    removed += script[i].mark != '+' ? 1 : 0;
    added += script[i].mark != '-' ? 1 : 0;
  }
  out += fmt::format("@@ -{} +{} @@\n", range(script[from].before, removed),
                     range(script[from].after, added));
  for (std::size_t i = from; i < to; ++i)
    out += fmt::format("{}{}\n", script[i].mark, script[i].line);
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after) {
  const Lines a = split(before);
  const Lines b = split(after);
  const auto script = script_of(a, b);
  std::vector<std::size_t> changes;
  for (std::size_t i = 0; i < script.size(); ++i)
    if (script[i].mark != ' ') changes.push_back(i);
  if (changes.empty()) return {};

  std::string out = "--- \n+++ \n";
  std::size_t first = changes.front();
  std::size_t last = first;
  const auto flush = [&] {
    append_hunk(out, script, first > kContext ? first - kContext : 0,
                std::min(script.size(), last + kContext + 1));
  };
  for (const auto change : changes) {
    if (change > last + 2 * kContext + 1) {
      flush();
      first = change;
    }
    last = change;
  }
  flush();
  return out;
}

std::string coloured_diff(std::string_view diff) {
  std::string out;
  for (const auto line : split(diff)) {
    const char mark = line.empty() ? ' ' : line.front();
    const std::string_view style = mark == '-'   ? "\033[31m"
                                   : mark == '+' ? "\033[32m"
                                   : mark == '@' ? "\033[36m"
                                                 : "";
    out += style.empty() ? fmt::format("{}\n", line) : fmt::format("{}{}\033[0m\n", style, line);
  }
  return out;
}

}  // namespace aurum::cli
