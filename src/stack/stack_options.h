#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

/// What the files of `aurum stack` share.
namespace aurum::stack {

class Cluster;

/// The command line; each command uses some of it.
struct StackOptions {
  std::string dir;
  int nodes = 3;
  int port_base = 0;
  int ttl = 0;
  int timeout = 120;
  std::string sync;
  std::string agent;
  std::string profile;
  std::string postgres;
  std::string node;
  std::string part;
  bool tls = false;
  bool backup = false;
  bool routing = false;
  bool yes = false;
  bool json = false;
  bool force = false;
};

/// Somebody else has the Lock.
Error busy();
/// How to call us from the present folder.
std::string own_name();

/// One command at a time on one stack; the kernel drops the lock with the process, however it ends.
class Lock {
 public:
  explicit Lock(const std::filesystem::path& file);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  bool held() const { return held_; }

 private:
  int fd_;
  bool held_ = false;
};

/// `aurum stack kill [NODE] [--part …]`, `stop NODE` and `start NODE [--agent …]`; exit codes.
int run_kill(const StackOptions& options);
int run_stop(const StackOptions& options);
int run_start(const StackOptions& options);
/// `aurum stack scale N`.
int run_scale(const StackOptions& options);
/// `aurum stack upgrade`.
int run_upgrade(const StackOptions& options);
/// With the stack of the folder, which nobody else works on meanwhile.
int on_stack(const StackOptions& options, int (*work)(Cluster&, const StackOptions&));

}  // namespace aurum::stack
