#include "stack/stack_options.h"

#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace aurum::stack {

namespace fs = std::filesystem;

Error busy() {
  return {Code::exists, "another `aurum stack` command works on this stack", "Wait for it to end."};
}

std::string own_name() {
  std::error_code ec;
  const auto me = fs::read_symlink("/proc/self/exe", ec);
  const auto near = me.lexically_relative(fs::current_path(ec));
  return ec || near.empty() || near.begin()->string() == ".." ? me.string() : near.string();
}

Lock::Lock(const fs::path& file) : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  held_ = fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
}

Lock::~Lock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace aurum::stack
