#include "cli/editor.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "runtime/process.h"

extern char** environ;

namespace aurum::cli {

namespace {

/// A file of our own, removed at the end whatever happens.
class TemporaryFile {
 public:
  static Result<TemporaryFile> make(std::string_view name, std::string_view text) {
    std::error_code none;
    std::string safe(name);
    for (char& c : safe)
      if (c == '/') c = '_';
    std::string path =
        (std::filesystem::temp_directory_path(none) / (safe + "-config-XXXXXX.yaml")).string();
    const int fd = mkstemps(path.data(), 5);
    if (fd < 0)
      return fail(Code::io, fmt::format("cannot create {}: {}", path, std::strerror(errno)));
    close(fd);
    TemporaryFile file(path);
    std::ofstream out(path, std::ios::binary);
    out << text;
    out.close();
    if (!out) return fail(Code::io, fmt::format("cannot write {}", path));
    return file;
  }
  TemporaryFile(TemporaryFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<std::vector<std::string>> editor_command() {
  if (const char* chosen = std::getenv("EDITOR"); chosen != nullptr && *chosen != '\0')
    return runtime::split_words(chosen);
  for (const auto* name : {"editor", "vi"})
    if (auto path = runtime::find_program(name)) return std::vector<std::string>{*path};
  return fail(Code::not_found,
              "EDITOR environment variable is not set. editor or vi are not available",
              "Set EDITOR, or change settings with -s key=value.");
}

/// Runs it on our own terminal and waits: the user decides how long.
Status run_on_terminal(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ);
  if (failed != 0)
    return fail(Code::not_found,
                fmt::format("cannot start editor {}: {}", words[0], std::strerror(failed)),
                "Set EDITOR to a program that exists.");
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail(Code::io, "lost the editor's exit code");
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  if (code != 0) return fail(Code::invalid, fmt::format("Editor exited with return code {}", code));
  return {};
}

}  // namespace

Result<std::string> edit_text(std::string_view text, std::string_view name) {
  auto words = editor_command();
  if (!words) return fail(words.error());
  const auto file = TemporaryFile::make(name, text);
  if (!file) return fail(file.error());
  words->push_back(file->path());
  const auto edited = run_on_terminal(*words);
  if (!edited) return fail(edited.error());
  std::ifstream in(file->path(), std::ios::binary);
  std::ostringstream saved;
  saved << in.rdbuf();
  if (!in) return fail(Code::io, fmt::format("cannot read {} again", file->path()));
  return saved.str();
}

}  // namespace aurum::cli
