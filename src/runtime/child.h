#pragma once

#include <optional>
#include <sys/types.h>

#include "base/result.h"
#include "runtime/descriptor.h"
#include "runtime/process.h"

/// The plain part of run_process: starting a child with three pipes, killing and reaping it.
/// Private to process.cc.
namespace aurum::runtime {

/// A running child, leader of its own process group. What must stay true: its pid is signalled only
/// until it is reaped, so a reused pid is never hit. Nobody else in the program may wait for "any
/// child". The destructor kills the group of a child that has not been reaped.
class Child {
 public:
  static Result<Child> start(const ProcessSpec& spec);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  Descriptor input;   ///< our end of its standard input; none when spec.input is empty
  Descriptor output;  ///< our end of its standard output
  Descriptor errors;  ///< our end of its standard error
  Descriptor pidfd;   ///< readable when it has ended

  void kill_group();
  /// Takes its exit status; nothing when it has not ended yet.
  std::optional<ProcessEnd> reap();

 private:
  Child() = default;
  pid_t pid_ = -1;  ///< -1 = reaped or moved away
};

}  // namespace aurum::runtime
