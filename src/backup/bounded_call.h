#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace aurum::backup {

/// A program run to its end by a process that has nothing else to do: archive_command and
/// restore_command, which PostgreSQL starts many times a minute. Unlike runtime::run_process it
/// needs no event loop, and the program stays in our process group, so that a signal of the
/// postmaster to its group ends it too. It is killed when we die.
struct BoundedCall {
  std::vector<std::string> argv;
  Duration timeout = seconds(60);
  /// Asked every 20 ms: once true, no more than `hurry_timeout` is left.
  std::function<bool()> hurry;
  Duration hurry_timeout = seconds(3);
};

struct BoundedEnd {
  int exit_code = 0;   ///< 128 + signal
  bool hung = false;   ///< it was ended by us
  std::string errors;  ///< the last 8 KiB of its standard error
  /// Why it failed, from `errors`, else how it ended.
  std::string reason() const;
};

/// An error only when it cannot be started.
Result<BoundedEnd> run_bounded(const BoundedCall& call);

}  // namespace aurum::backup
