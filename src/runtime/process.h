#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/async.h"

namespace aurum::runtime {

/// A program to run to its end.
struct ProcessSpec {
  std::vector<std::string> argv;                ///< argv[0] is searched in PATH when it has no '/'
  std::optional<std::vector<std::string>> env;  ///< "NAME=value"; unset = ours
  std::string working_dir;                      ///< "" = ours
  std::string input;                            ///< written to its standard input, then closed
  Duration timeout = seconds(60);  ///< then its whole process group is killed: Code::timeout
  std::function<void(std::string_view)>
      on_line;  ///< each line ('\n' or '\r') of either output, as it comes
};

struct ProcessEnd {
  int exit_code = 0;  ///< 128 + signal when killed by one
  int signal = 0;
  std::string out;  ///< the last 64 KiB of standard output
  std::string err;  ///< the last 64 KiB of standard error
  bool ok() const { return exit_code == 0; }
  /// One line for an Error: the last non-empty line of err (or out), else "exit code N" / "killed
  /// by signal N".
  std::string reason() const;
};

/// Starts it (posix_spawn, own process group, no descriptor of ours inherited) and awaits its end
/// by pidfd. Only failing to start, timeout and cancellation are errors; a non-zero exit code is a
/// result. Cancelling the coroutine (asio cancellation) kills the process group.
Task<Result<ProcessEnd>> run_process(ProcessSpec spec);

/// Splits like a POSIX shell does without expansions: blanks, '…', "…", backslash (§6 "shell
/// quoting rules").
Result<std::vector<std::string>> split_words(std::string_view command);

/// Full path of a program: `dir`/name when dir is not "", else the first of PATH; Code::not_found
/// with a hint.
Result<std::string> find_program(std::string_view name, std::string_view dir = {});

}  // namespace aurum::runtime
