#pragma once

#include <string>
#include <string_view>

#include "base/time.h"

namespace aurum::runtime {

/// Whoever started this process and wants to know how it is: systemd, by the protocol of
/// sd_notify(3), a datagram to the socket in $NOTIFY_SOCKET. Without such a socket every call does
/// nothing. Nothing here waits: a message that can not be sent is lost.
class ServiceManager {
 public:
  /// From the environment, where it is removed: what we start must not speak in our name. To be
  /// called before there are threads.
  static ServiceManager from_environment();

  ServiceManager() = default;
  ServiceManager(ServiceManager&& other) noexcept;
  ServiceManager& operator=(ServiceManager&& other) noexcept;
  ~ServiceManager();

  bool listens() const { return fd_ >= 0; }
  /// alive() must be called at least this often, else the process is killed; 0 = nobody watches.
  Duration watchdog() const { return watchdog_; }

  /// The start is over, or a reload is; `systemctl start` waits for the first.
  void ready();
  bool is_ready() const { return ready_; }
  void alive();
  /// One line for people (`systemctl status`); sent when it differs from the last one.
  void status(std::string_view text);
  void reloading();
  void stopping();

 private:
  void send(std::string_view message) const;

  int fd_ = -1;
  std::string address_;  ///< sun_path: begins with '/' or, for an abstract name, with '\0'
  Duration watchdog_{};
  std::string status_;
  bool ready_ = false;
};

}  // namespace aurum::runtime
