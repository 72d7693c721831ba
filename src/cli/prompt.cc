#include "cli/prompt.h"

#include <algorithm>
#include <cctype>
#include <istream>
#include <ostream>
#include <termios.h>
#include <unistd.h>

namespace aurum::cli {

namespace {

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

Result<std::string> read_line(Console& console) {
  console.out.flush();
  std::string line;
  if (!std::getline(console.in, line)) {
    if (console.terminal) console.out << '\n' << std::flush;
    return fail(Code::cancelled, "Aborted!");
  }
  return line;
}

}  // namespace

Result<std::string> ask(Console& console, std::string_view text, std::string_view fallback) {
  console.out << text << " [" << fallback << "]: ";
  auto line = read_line(console);
  if (!line) return line;
  const auto answer = trimmed(*line);
  return std::string(answer.empty() ? fallback : answer);
}

Result<std::string> ask(Console& console, std::string_view text) {
  for (;;) {
    console.out << text << ": ";
    auto line = read_line(console);
    if (!line) return line;
    if (const auto answer = trimmed(*line); !answer.empty()) return std::string(answer);
  }
}

Result<std::string> ask_password(Console& console) {
  termios shown{};
  const bool terminal = ::tcgetattr(STDIN_FILENO, &shown) == 0;
  if (terminal) {
    termios hidden = shown;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  console.err << "Password:" << std::flush;
  auto line = read_line(console);
  if (terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    console.err << "\n";
  }
  return line;
}

Result<bool> confirm(Console& console, std::string_view question) {
  for (;;) {
    console.out << question << " [y/N]: ";
    const auto line = read_line(console);
    if (!line) return fail(line.error());
    std::string answer(trimmed(*line));
    std::transform(answer.begin(), answer.end(), answer.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (answer == "y" || answer == "yes") return true;
    if (answer.empty() || answer == "n" || answer == "no") return false;
    console.out << "Error: invalid input\n";
  }
}

}  // namespace aurum::cli
