#include "stack/terminal.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "runtime/clock.h"

namespace aurum::stack {

namespace {

constexpr std::size_t kWidth = 79;

std::size_t columns_of(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
  return n;
}

std::string cut(std::string text, std::size_t width) {
  while (columns_of(text) > width) text.pop_back();
  return text;
}

}  // namespace

bool colours() { return ::isatty(1) != 0 && std::getenv("NO_COLOR") == nullptr; }

std::string bold(const std::string& text) {
  return colours() ? "\033[1m" + text + "\033[0m" : text;
}

Progress::Progress(bool quiet)
    : quiet_(quiet), terminal_(::isatty(1) != 0), began_(runtime::now()), step_began_(began_) {}

Progress::~Progress() {
  if (!text_.empty()) broken();
}

void Progress::draw(std::string_view mark, std::string_view tail, bool last) {
  if (quiet_) return;
  const double took = to_seconds(runtime::now() - step_began_);
  std::string line =
      cut(fmt::format("{:>6.1f}s {} {}{}{}", took, mark, text_, tail.empty() ? "" : ": ", tail),
          kWidth);
  if (line == shown_ && !last) return;
  shown_ = line;
  if (terminal_) {
    std::printf("\r\033[K%s%s", line.c_str(), last ? "\n" : "");
  } else if (last) {
    std::printf("%s\n", line.c_str());
  }
  std::fflush(stdout);
}

void Progress::step(std::string text) {
  finish();
  text_ = std::move(text);
  step_began_ = runtime::now();
  draw("..", {}, false);
}

void Progress::detail(std::string_view text) {
  if (terminal_ && !text_.empty()) draw("..", text, false);
}

void Progress::bar(std::size_t done, std::size_t of, std::string_view text) {
  if (!terminal_ || text_.empty()) return;
  constexpr std::size_t kCells = 20;
  const std::size_t full = of == 0 ? 0 : std::min(kCells, done * kCells / of);
  draw("..",
       fmt::format("[{}{}] {}/{} {}", std::string(full, '#'), std::string(kCells - full, '-'), done,
                   of, text),
       false);
}

void Progress::finish() {
  if (text_.empty()) return;
  draw("ok", {}, true);
  text_.clear();
  shown_.clear();
}

void Progress::broken() {
  if (text_.empty()) return;
  draw("!!", {}, true);
  text_.clear();
  shown_.clear();
}

Duration Progress::total() const { return runtime::now() - began_; }

std::string table(const std::vector<std::vector<std::string>>& rows, std::string_view indent) {
  std::vector<std::size_t> width;
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], columns_of(row[c]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line(indent);
    for (std::size_t c = 0; c < row.size(); ++c) {
      line += row[c] + std::string(width[c] - columns_of(row[c]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

int report(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return 1;
}

void explain_failures(CLI::App& app, const char* help) {
  app.failure_message([help](const CLI::App* at, const CLI::Error& e) {
    const auto rest = at->remaining(true);
    const bool unknown =
        e.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError) && !rest.empty();
    return fmt::format("error: {}\nhint: {}\n",
                       unknown ? "unknown command '" + rest.front() + "'" : e.what(), help);
  });
}

}  // namespace aurum::stack
