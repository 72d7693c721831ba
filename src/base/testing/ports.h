#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace aurum::testing {

/// TCP ports of 127.0.0.1 that were free a moment ago, all different. From below those that the
/// system gives to outgoing connections: one of them can be taken again at any moment.
inline std::vector<int> free_ports(std::size_t count) {
  std::random_device seed;
  std::uniform_int_distribution<int> any(15000, 32000);
  std::vector<int> ports;
  while (ports.size() < count) {
    const int port = any(seed);
    if (std::find(ports.begin(), ports.end(), port) != ports.end()) continue;
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                      ::listen(fd, 1) == 0;
    ::close(fd);
    if (free) ports.push_back(port);
  }
  return ports;
}

inline int free_port() { return free_ports(1).front(); }

}  // namespace aurum::testing
