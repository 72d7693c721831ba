#include "stack/netlab.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <set>
#include <signal.h>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>

#include "stack/process.h"

namespace aurum::stack {

namespace {

constexpr std::string_view kPrefix = "aurum-lab-";
constexpr int kEtcdClientPort = 2379;
constexpr int kEtcdPeerPort = 2380;

struct Output {
  int status = -1;
  std::string text;
};

/// For `ip` and `iptables` with words of our own making only; both end at once.
Output shell(const std::string& command) {
  Output output;
  FILE* pipe = ::popen((command + " 2>&1 </dev/null").c_str(), "re");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output.text += buffer.data();
  output.status = ::pclose(pipe);
  return output;
}

Status run(const std::string& command) {
  auto output = shell(command);
  if (output.status == 0) return {};
  while (output.text.ends_with('\n')) output.text.pop_back();
  return fail(Code::io, fmt::format("{}: {}", command, output.text));
}

std::vector<std::string> namespaces(std::string_view prefix) {
  std::vector<std::string> found;
  std::error_code ec;
  for (std::filesystem::directory_iterator it("/run/netns", ec), end; !ec && it != end;
       it.increment(ec)) {
    const std::string name = it->path().filename();
    if (name.starts_with(prefix)) found.push_back(name);
  }
  return found;
}

/// Ends what still runs in the namespaces (all of it was started by the lab's owner), then removes
/// them; their links go with them, also the peer in our own namespace.
void remove(const std::vector<std::string>& names) {
  kill_all([&] {
    std::vector<ProcessId> inside;
    for (const auto& name : names) {
      std::istringstream pids(shell("ip netns pids " + name).text);
      for (pid_t pid = 0; pids >> pid;) {
        const auto info = inspect(pid);
        if (info && alive(info->id) && pid != ::getpid()) inside.push_back(info->id);
      }
    }
    return inside;
  });
  for (const auto& name : names) (void)run("ip netns del " + name);
}

/// Networks 10.x.y of this machine that are in use, as x·256 + y.
std::set<int> used_subnets() {
  std::set<int> used;
  std::istringstream lines(shell("ip -4 -o addr show; ip -4 route show").text);
  for (std::string word; lines >> word;) {
    int x = 0, y = 0, z = 0;
    if (std::sscanf(word.c_str(), "10.%d.%d.%d", &x, &y, &z) == 3) used.insert(x * 256 + y);
  }
  return used;
}

}  // namespace

std::string NetworkLab::unavailable() {
  if (::geteuid() != 0) return "network namespaces need root";
  if (shell("ip -V").status != 0) return "the program ip is missing (package iproute2)";
  if (shell("iptables -V").status != 0) return "the program iptables is missing (package iptables)";
  const std::string probe = fmt::format("{}probe-{}", kPrefix, ::getpid());
  auto made = run("ip netns add " + probe);
  if (!made) return made.error().message;
  auto linked = run(fmt::format("ip -n {} link add probe0 type veth peer name probe1", probe));
  (void)run("ip netns del " + probe);
  return linked ? "" : linked.error().message;
}

void sweep_network_labs() {
  std::vector<std::string> dead;
  for (const auto& name : namespaces(kPrefix)) {
    ProcessId owner;
    if (std::sscanf(name.c_str() + kPrefix.size(), "%d-%lu-", &owner.pid, &owner.start) != 2)
      continue;
    if (!alive(owner)) dead.push_back(name);
  }
  if (!dead.empty()) remove(dead);
}

std::string NetworkLab::name_of(std::size_t host) const {
  return fmt::format("{}{}", prefix_, host + 1);
}
std::string NetworkLab::address_of(std::size_t host) const {
  return fmt::format("10.{}.{}.{}", subnet_ / 256, subnet_ % 256, host + 11);
}
std::string NetworkLab::network() const {
  return fmt::format("10.{}.{}.0/24", subnet_ / 256, subnet_ % 256);
}
std::string NetworkLab::device(std::size_t host) const { return fmt::format("host{}", host + 1); }

Result<std::unique_ptr<NetworkLab>> NetworkLab::make(std::size_t hosts) {
  sweep_network_labs();
  const auto me = inspect(::getpid());
  if (!me) return fail(Code::io, "cannot read /proc");
  const auto used = used_subnets();
  int subnet = 200 * 256 + ::getpid() % 4096;
  while (used.contains(subnet)) ++subnet;
  std::unique_ptr<NetworkLab> lab(
      new NetworkLab(fmt::format("{}{}-{}-", kPrefix, me->id.pid, me->id.start), subnet, hosts));
  auto built = lab->build();
  if (!built) return fail(built.error());
  return lab;
}

NetworkLab::~NetworkLab() {
  // Namespaces go in the kernel's own time; the name of our link is free at once for another lab.
  (void)run("ip link del " + own_link());
  remove(namespaces(prefix_));
}

/// Unique in our namespace, and within the 15 characters of an interface name.
std::string NetworkLab::own_link() { return fmt::format("aul{}", ::getpid()); }

Status NetworkLab::build() {
  const std::string bridge = prefix_ + "sw";
  const std::string own = own_link();
  std::vector<std::string> commands = {
      fmt::format("ip netns add {}", bridge),
      fmt::format("ip -n {} link add br0 type bridge", bridge),
      fmt::format("ip -n {} link set br0 up", bridge),
      fmt::format("ip link add {} type veth peer name lab netns {}", own, bridge),
      fmt::format("ip -n {} link set lab master br0 up", bridge),
      fmt::format("ip addr add 10.{}.{}.254/24 dev {}", subnet_ / 256, subnet_ % 256, own),
      fmt::format("ip link set {} up", own),
  };
  for (std::size_t i = 0; i < count_; ++i) {
    commands.push_back(fmt::format("ip netns add {}", name_of(i)));
    commands.push_back(fmt::format("ip -n {} link set lo up", name_of(i)));
    commands.push_back(fmt::format("ip -n {} link add eth0 type veth peer name {} netns {}",
                                   name_of(i), device(i), bridge));
    commands.push_back(fmt::format("ip -n {} addr add {}/24 dev eth0", name_of(i), address_of(i)));
    commands.push_back(fmt::format("ip -n {} link set eth0 up", name_of(i)));
    commands.push_back(fmt::format("ip -n {} link set {} master br0 up", bridge, device(i)));
  }
  for (const auto& command : commands) {
    auto done = run(command);
    if (!done) return done;
  }
  return {};
}

Status NetworkLab::cut(std::size_t host) {
  return run(fmt::format("ip -n {}sw link set {} down", prefix_, device(host)));
}

Status NetworkLab::heal(std::size_t host) {
  return run(fmt::format("ip -n {}sw link set {} up", prefix_, device(host)));
}

Status NetworkLab::cut_one_way(std::size_t from, std::size_t to) {
  return run(fmt::format("nsenter --net=/run/netns/{} iptables -w -A INPUT -s {} -j DROP",
                         name_of(to), address_of(from)));
}

Status NetworkLab::cut_pair(std::size_t a, std::size_t b) {
  auto one = cut_one_way(a, b);
  return one ? cut_one_way(b, a) : one;
}

Status NetworkLab::cut_etcd(std::size_t host) {
  for (const char* end : {"--dport", "--sport"}) {
    // Not what comes over loopback: its own member stays within reach, without a majority.
    auto done = run(fmt::format(
        "nsenter --net=/run/netns/{} iptables -w -A INPUT -i eth0 -p tcp {} {}:{} -j DROP",
        name_of(host), end, kEtcdClientPort, kEtcdPeerPort));
    if (!done) return done;
  }
  return {};
}

Status NetworkLab::heal_all() {
  Status result;
  for (std::size_t i = 0; i < count_; ++i) {
    auto up = heal(i);
    auto flushed = run(fmt::format("nsenter --net=/run/netns/{} iptables -w -F INPUT", name_of(i)));
    if (!up) result = up;
    if (!flushed) result = flushed;
  }
  return result;
}

void NetworkLab::settle(Plan& plan) const {
  plan.client_network = network();
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    auto& n = plan.nodes[i];
    n.host = address_of(i % count_);
    n.network_namespace = name_of(i % count_);
    n.postgres_port = 5432;
    n.rest_port = 8008;
  }
  for (std::size_t i = 0; i < plan.etcds.size(); ++i) {
    auto& e = plan.etcds[i];
    e.host = address_of(i % count_);
    e.network_namespace = name_of(i % count_);
    e.client_port = kEtcdClientPort;
    e.peer_port = kEtcdPeerPort;
  }
}

}  // namespace aurum::stack
