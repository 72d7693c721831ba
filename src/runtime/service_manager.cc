#include "runtime/service_manager.h"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace aurum::runtime {

namespace {

std::string taken(const char* name) {
  const char* text = std::getenv(name);
  std::string out = text == nullptr ? "" : text;
  ::unsetenv(name);
  return out;
}

std::optional<long long> number(const std::string& text) {
  long long value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager out;
  out.address_ = taken("NOTIFY_SOCKET");
  const auto period_us = number(taken("WATCHDOG_USEC"));
  const auto watched = number(taken("WATCHDOG_PID"));
  const bool usable = out.address_.size() > 1 &&
                      out.address_.size() < sizeof(sockaddr_un::sun_path) &&
                      (out.address_[0] == '/' || out.address_[0] == '@');
  if (!usable) return out;
  if (out.address_[0] == '@') out.address_[0] = '\0';
  out.fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The watchdog may be meant for a process above us, which handed its environment on.
  const bool ours = !watched || *watched == ::getpid();
  if (period_us && *period_us > 0 && ours) out.watchdog_ = std::chrono::microseconds(*period_us);
  return out;
}

ServiceManager::ServiceManager(ServiceManager&& other) noexcept { *this = std::move(other); }

ServiceManager& ServiceManager::operator=(ServiceManager&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(address_, other.address_);
  std::swap(watchdog_, other.watchdog_);
  std::swap(status_, other.status_);
  std::swap(ready_, other.ready_);
  return *this;
}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) ::close(fd_);
}

void ServiceManager::ready() {
  ready_ = true;
  send("READY=1");
}

void ServiceManager::alive() { send("WATCHDOG=1"); }

void ServiceManager::status(std::string_view text) {
  if (text == status_) return;
  status_ = text;
  // A line break would begin another message.
  for (char& c : status_)
    if (c == '\n') c = ' ';
  send("STATUS=" + status_);
}

void ServiceManager::reloading() { send("RELOADING=1"); }

void ServiceManager::stopping() { send("STOPPING=1"); }

void ServiceManager::send(std::string_view message) const {
  if (fd_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  if (::sendto(fd_, message.data(), message.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&to), size) < 0)
    errno = 0;  // lost
}

}  // namespace aurum::runtime
