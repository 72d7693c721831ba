#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

/// Whether the checkpointer is at work: a query and a commit are answered without it, for as long
/// as there is room for WAL.
namespace aurum::pg {

/// What /proc/<pid>/status says of a process (proc(5)).
struct Activity {
  char state = 0;  ///< R S D T t Z X …
  int parent = 0;
  std::uint64_t switches = 0;  ///< how often it was given up the processor: it ran in between
};
std::optional<Activity> parse_activity(std::string_view text);
std::optional<Activity> read_activity(int pid);

/// Looks at one process again and again. Stuck is one that is stopped by a signal, or that waits in
/// the kernel without having run once: a checkpoint of any length sleeps, computes, or wakes up for
/// each piece that its disk has taken (checkpointer_test.cc). Pure.
class CheckpointerWatch {
 public:
  /// A single wait of a process at work may take so long: it is the kernel's own patience with a
  /// request to a disk. A hung disk is found sooner, by the write probe.
  static constexpr Duration kDiskPatience = seconds(30);

  int pid() const { return pid_; }  ///< 0: not known, it is to be found
  void found(int pid);
  /// `seen` is what /proc has under pid() now; another parent than `postmaster`: it is another
  /// process.
  void observe(const std::optional<Activity>& seen, int postmaster, Instant now);
  /// Code::timeout: it is stuck, and was already `hang_limit` ago.
  Status judge(Duration hang_limit) const;

 private:
  int pid_ = 0;
  std::optional<Activity> last_;
  Instant since_{};  ///< it is as it was then
  Instant seen_{};
};

}  // namespace aurum::pg
