#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "stack/plan.h"

namespace aurum::stack {

/// Hosts of their own on this machine: each a network namespace with an address 10.x.y.N, joined by
/// a bridge in a further namespace; this process reaches them all through a link of its own
/// (10.x.y.254). Needs root, `ip` and `iptables`. Everything is removed by the destructor, with the
/// processes left in it; make() also sweeps away what killed runs left. The bridge is not in our
/// own namespace because a container engine may drop what is forwarded there.
class NetworkLab {
 public:
  /// "" when this machine can do it, else why not, for GTEST_SKIP.
  static std::string unavailable();
  static Result<std::unique_ptr<NetworkLab>> make(std::size_t hosts);
  ~NetworkLab();
  NetworkLab(const NetworkLab&) = delete;
  NetworkLab& operator=(const NetworkLab&) = delete;

  std::size_t hosts() const { return count_; }
  std::string name_of(std::size_t host) const;  ///< its namespace
  std::string address_of(std::size_t host) const;
  std::string network() const;  ///< "10.x.y.0/24"

  /// Pulls the host's cable, both ways and from everybody; also from this process.
  Status cut(std::size_t host);
  Status heal(std::size_t host);
  /// What `from` sends to `to` is lost; the other way goes on.
  Status cut_one_way(std::size_t from, std::size_t to);
  Status cut_pair(std::size_t a, std::size_t b);
  /// The host reaches no etcd member but its own, and that one none of the others; all else goes
  /// on.
  Status cut_etcd(std::size_t host);
  Status heal_all();

  /// Puts node i and etcd member i on host i with the usual ports, and opens pg_hba for the
  /// network.
  void settle(Plan& plan) const;

 private:
  NetworkLab(std::string prefix, int subnet, std::size_t count)
      : prefix_(std::move(prefix)), subnet_(subnet), count_(count) {}
  Status build();
  std::string device(std::size_t host) const;
  static std::string own_link();

  std::string prefix_;  ///< of every namespace: "aurum-lab-PID-START-"
  int subnet_;          ///< x·256 + y of 10.x.y.0
  std::size_t count_;
};

void sweep_network_labs();

}  // namespace aurum::stack
