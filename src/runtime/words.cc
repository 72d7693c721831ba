// Words of a command line and programs by name: the part of process.h that starts nothing.
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/process.h"

namespace aurum::runtime {

Result<std::vector<std::string>> split_words(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  auto unclosed = [&](char quote) {
    return fail(Code::invalid, fmt::format("unclosed {} in command: {}", quote, command),
                "Close the quote, or put a backslash before it.");
  };
  for (std::size_t i = 0; i < command.size(); ++i) {
    char c = command[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
      continue;
    }
    in_word = true;
    if (c == '\\') {
      if (++i == command.size())
        return fail(Code::invalid, fmt::format("backslash at the end of command: {}", command));
      if (command[i] != '\n') word += command[i];
    } else if (c == '\'') {
      auto end = command.find('\'', i + 1);
      if (end == std::string_view::npos) return unclosed(c);
      word += command.substr(i + 1, end - i - 1);
      i = end;
    } else if (c == '"') {
      for (++i; i < command.size() && command[i] != '"'; ++i) {
        bool escape = command[i] == '\\' && i + 1 < command.size() &&
                      std::string_view("$`\"\\\n").contains(command[i + 1]);
        if (escape && command[++i] == '\n') continue;
        word += command[i];
      }
      if (i == command.size()) return unclosed(c);
    } else {
      word += c;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

namespace {
bool is_program(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}
}  // namespace

Result<std::string> find_program(std::string_view name, std::string_view dir) {
  if (name.empty()) return fail(Code::invalid, "empty program name");
  std::filesystem::path file(name);
  if (name.contains('/') || !dir.empty()) {
    auto path = name.contains('/') ? file : std::filesystem::path(dir) / file;
    if (is_program(path)) return path.string();
    return fail(
        Code::not_found,
        fmt::format("program {} does not exist or may not be executed", path.string()),
        "Check the directory (postgresql.bin_dir for PostgreSQL's programs) and the rights.");
  }
  const char* search = std::getenv("PATH");
  std::string_view rest = search != nullptr ? search : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    auto end = std::min(rest.find(':'), rest.size());
    auto path = std::filesystem::path(end == 0 ? "." : rest.substr(0, end)) / file;
    if (is_program(path)) return path.string();
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return fail(Code::not_found, fmt::format("program {} is not in PATH", name),
              "Install it, or name its directory (postgresql.bin_dir for PostgreSQL's programs).");
}

}  // namespace aurum::runtime
