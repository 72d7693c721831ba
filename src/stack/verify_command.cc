// `aurum verify`: the script tests/verify.sh, found beside the program.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "stack/commands.h"
#include "stack/plan.h"
#include "stack/terminal.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

/// In a source tree the program is build/PRESET/aurum, installed it is /usr/bin/aurum.
Result<fs::path> find_script() {
  std::error_code ec;
  const auto me = fs::read_symlink("/proc/self/exe", ec);
  for (const auto& folder :
       {me.parent_path() / "../../tests", me.parent_path() / "../share/aurum/tests"}) {
    const auto script = (folder / "verify.sh").lexically_normal();
    if (::access(script.c_str(), X_OK) == 0) return script;
  }
  return fail(Code::not_found, "verify.sh is not here",
              "It comes with the source: tests/verify.sh --help.");
}

}  // namespace

int verify_main(int argc, char** argv) {
  const auto script = find_script();
  if (!script) return report(script.error());
  const auto program = own_program();
  if (program) ::setenv("AURUM_PROGRAM", program->c_str(), 1);
  std::string name = script->string();
  std::vector<char*> words = {name.data()};
  for (int i = 1; i < argc; ++i) words.push_back(argv[i]);
  words.push_back(nullptr);
  ::execv(name.c_str(), words.data());
  return report({Code::io, "cannot run " + name + ": " + std::strerror(errno), {}});
}

}  // namespace aurum::stack
