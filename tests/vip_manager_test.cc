// vip-manager, which moves a virtual address by the leader's key, on hosts of their own (network
// namespaces): it knows nothing of us. Needs root, and tools/fetch-vip-manager.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "stack/netlab.h"
#include "stack/process.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

using Hosts = std::set<std::size_t>;

class VipManagerFull : public ClusterTest {
 protected:
  static void SetUpTestSuite() {
    if (stack::NetworkLab::unavailable().empty() && !program().empty())
      lab_ = need(stack::NetworkLab::make(3));
  }
  static void TearDownTestSuite() {
    ClusterTest::TearDownTestSuite();
    lab_.reset();
  }
  void SetUp() override {
    if (program().empty()) GTEST_SKIP() << "there is no vip-manager (tools/fetch-vip-manager)";
    if (!lab_) GTEST_SKIP() << stack::NetworkLab::unavailable();
    ClusterTest::SetUp();
  }
  void TearDown() override {
    for (const auto& manager : managers_) stack::send_signal(manager, SIGTERM);
    for (const auto& manager : managers_)
      if (!stack::wait_gone(manager, seconds(10))) stack::send_signal(manager, SIGKILL);
    ClusterTest::TearDown();
  }
  void plan(stack::Plan& p) override { lab_->settle(p); }

  /// build/tools/vip-manager/vip-manager beside the build; "" = none.
  static std::string program() {
    const char* ours = ::getenv("AURUM_PROGRAM");
    if (ours == nullptr) return {};
    const auto path =
        std::filesystem::path(ours).parent_path().parent_path() / "tools/vip-manager/vip-manager";
    return ::access(path.c_str(), X_OK) == 0 ? path.string() : "";
  }
  static std::string address() {
    const std::string network = lab_->network();
    return network.substr(0, network.rfind('.')) + ".100";
  }
  /// As its manual has it for a Patroni: the key below the namespace, the member's own name.
  void start_manager(std::size_t host) {
    std::string endpoints;
    for (const auto& etcd : cluster().plan().etcds)
      endpoints +=
          fmt::format("{}http://{}:{}", endpoints.empty() ? "" : ",", etcd.host, etcd.client_port);
    stack::Launch what;
    what.argv = {program(),
                 "--ip=" + address(),
                 "--netmask=24",
                 "--interface=eth0",
                 "--trigger-key=/service/" + cluster().plan().scope + "/leader",
                 "--trigger-value=" + name(host),
                 "--dcs-type=etcd",
                 "--dcs-endpoints=" + endpoints,
                 "--interval=500"};
    what.network_namespace = lab_->name_of(host);
    what.log_file = cluster().log_of(fmt::format("vip-manager-{}", host + 1));
    managers_.push_back(need(stack::launch(what, stack::Account{})));
  }
  /// Who has the address.
  static Hosts holders() {
    Hosts out;
    for (std::size_t host = 0; host < lab_->hosts(); ++host) {
      const std::string command = "ip -n " + lab_->name_of(host) + " -o addr show dev eth0";
      FILE* pipe = ::popen(command.c_str(), "re");
      if (pipe == nullptr) continue;
      std::string text;
      std::array<char, 4096> piece{};
      while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) text += piece.data();
      ::pclose(pipe);
      if (text.contains(" " + address() + "/")) out.insert(host);
    }
    return out;
  }
  void wait_address_at(std::size_t host) {
    wait_for("the address at " + name(host) + " alone", [&] { return holders() == Hosts{host}; });
  }

  static inline std::unique_ptr<stack::NetworkLab> lab_;
  std::vector<stack::ProcessId> managers_;
};

TEST_F(VipManagerFull, keeps_the_address_where_the_leader_is) {
  const std::size_t first = leader();
  for (std::size_t host = 0; host < 3; ++host) start_manager(host);
  wait_address_at(first);

  need(cluster().switchover());
  const std::size_t second = other_leader(first);
  wait_address_at(second);

  ASSERT_TRUE(cluster().kill(second, Part::node));
  wait_address_at(other_leader(second));
  need(cluster().start_node(second));
  wait_healthy();
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
