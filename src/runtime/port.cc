#include "runtime/port.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <pwd.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace aurum::runtime {

namespace {

namespace fs = std::filesystem;

/// Sockets that listen on `port`: inode -> owner. Of /proc/net/tcp and tcp6, column 2 is the local
/// address, 4 the state (0A = LISTEN), 8 the owner, 10 the inode.
std::map<std::string, std::string> listening_sockets(std::uint16_t port) {
  std::map<std::string, std::string> owners;
  const std::string suffix = fmt::format(":{:04X}", port);
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::vector<std::string> column(10);
      for (auto& c : column) words >> c;
      if (words && column[1].ends_with(suffix) && column[3] == "0A") owners[column[9]] = column[7];
    }
  }
  return owners;
}

std::string user_name(const std::string& uid) {
  const passwd* user = ::getpwuid(static_cast<uid_t>(std::strtoul(uid.c_str(), nullptr, 10)));
  return user != nullptr ? user->pw_name : uid;
}

std::string program_name(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/comm");
  std::string name;
  std::getline(in, name);
  return name;
}

/// Whether process `pid`, as far as we may look into it, has one of the sockets.
bool has_socket(const std::string& pid, const std::map<std::string, std::string>& sockets) {
  std::error_code ec;
  for (fs::directory_iterator fd("/proc/" + pid + "/fd", ec), end; !ec && fd != end;
       fd.increment(ec)) {
    std::error_code gone;
    const auto target = fs::read_symlink(fd->path(), gone).string();
    if (target.starts_with("socket:[") && sockets.contains(target.substr(8, target.size() - 9)))
      return true;
  }
  return false;
}

/// 0, or the errno of trying to listen there. An address of a family this kernel lacks is skipped.
int try_to_bind(const std::string& host, int port) {
  addrinfo wish{}, *found = nullptr;
  wish.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  wish.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wish, &found) != 0) return 0;
  int error = 0;
  if (const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0); fd >= 0) {
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (found->ai_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(fd, found->ai_addr, found->ai_addrlen) != 0) error = errno;
    ::close(fd);
  }
  ::freeaddrinfo(found);
  return error;
}

Status verdict(int error, const std::string& host, int port) {
  switch (error) {
    case EADDRINUSE: {
      const auto who = who_listens(static_cast<std::uint16_t>(port));
      return fail(
          Code::exists,
          fmt::format("port {} on {} is in use by {}", port, host,
                      who.empty() ? "another process" : who),
          fmt::format("`ss -ltnp 'sport = :{}'` shows it. Stop it, or choose another port.", port));
    }
    case EADDRNOTAVAIL:
      return fail(Code::invalid, "this machine has no address " + host,
                  "`ip address` lists those it has.");
    case EACCES:
      return fail(Code::permission,
                  fmt::format("port {} may not be listened on by this user", port),
                  "Ports below 1024 need a privilege; choose a higher one.");
    default:
      return {};
  }
}

}  // namespace

std::string who_listens(std::uint16_t port) {
  const auto sockets = listening_sockets(port);
  if (sockets.empty()) return {};
  std::error_code ec;
  for (fs::directory_iterator proc("/proc", ec), end; !ec && proc != end; proc.increment(ec)) {
    const auto pid = proc->path().filename().string();
    if (!std::ranges::all_of(pid, [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (has_socket(pid, sockets)) return fmt::format("{} (pid {})", program_name(pid), pid);
  }
  return "a process of user " + user_name(sockets.begin()->second);
}

Status port_is_free(const std::string& hosts, int port) {
  std::istringstream in(hosts.empty() ? "*" : hosts);
  for (std::string host; std::getline(in, host, ',');) {
    std::erase(host, ' ');
    std::erase(host, '[');
    std::erase(host, ']');
    std::vector<std::string> addresses = {host};
    if (host.empty() || host == "*") addresses = {"0.0.0.0", "::"};
    if (host == "localhost") addresses = {"127.0.0.1"};
    for (const auto& address : addresses) {
      Status free = verdict(try_to_bind(address, port), address, port);
      if (!free) return free;
    }
  }
  return {};
}

}  // namespace aurum::runtime
