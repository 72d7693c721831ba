#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace aurum::stack {

/// Ctrl-C must still end and remove the clusters of a bench: the signals wait in a descriptor and
/// are looked at between steps. Made before any thread: all of them inherit the mask.
class Interrupts {
 public:
  Interrupts() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int s : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, s);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Interrupts() { ::close(fd_); }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  bool came() {
    signalfd_siginfo info{};
    if (::read(fd_, &info, sizeof info) == sizeof info) came_ = true;
    return came_;
  }

 private:
  int fd_ = -1;
  bool came_ = false;
};

}  // namespace aurum::stack
