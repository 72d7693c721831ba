// Failsafe mode with a real etcd that is gone: writes go on as long as every member answers.
#include <fstream>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/testing/temp_dir.h"
#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class Failsafe : public ClusterTest {
 protected:
  /// Until every member says it: who has not read the mode before the store is gone promises
  /// nothing, and a leader that has not read its own map asks nobody.
  void switch_on() {
    ask(leader(), "PATCH", "/config", R"({"failsafe_mode": true})", 200);
    for (std::size_t i = 0; i < 3; ++i)
      wait_for("a map of all members on " + name(i), [this, i] {
        const auto reply = cluster().rest(i, "GET", "/failsafe");
        return reply && reply->status == 200 &&
               nlohmann::json::parse(reply->body, nullptr, false).size() == 3;
      });
  }
  bool in_failsafe(std::size_t node) {
    const auto reply = cluster().rest(node, "GET", "/patroni");
    return reply && nlohmann::json::parse(reply->body, nullptr, false)
                        .value("failsafe_mode_is_active", false);
  }
  bool nobody_writes() {
    for (std::size_t i = 0; i < 3; ++i)
      if (sql(cluster(), i, "SELECT pg_is_in_recovery()").value_or("") == "f") return false;
    return true;
  }
};

TEST_F(Failsafe, without_etcd_writes_go_on_until_a_member_is_lost_too) {
  switch_on();
  const std::size_t lead = leader();
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster().kill_etcd(i));
  wait_for("failsafe mode", [&] { return in_failsafe(lead); });
  const auto ttl = seconds(cluster().plan().ttl);
  const Instant end = runtime::now() + 2 * Duration(ttl);
  while (runtime::now() < end) wait_for_writes(seconds(2));
  EXPECT_TRUE(in_failsafe(replica()));
  EXPECT_EQ(need(cluster().rest(lead, "GET", "/primary")).status, 200);

  // A restarted agent promises again: it knows the mode by what it kept on its disk.
  const std::size_t lost = (lead + 1) % 3, restarted = (lead + 2) % 3;
  ASSERT_TRUE(cluster().kill(restarted, Part::agent));
  need(cluster().start_node(restarted));
  wait_for("its promise", [&] { return in_failsafe(restarted); });
  ask(restarted, "POST", "/restart", "", 503);  // it promises, and does nothing else
  const Instant later = runtime::now() + 2 * Duration(ttl);
  while (runtime::now() < later) wait_for_writes(seconds(2));
  EXPECT_EQ(stack::reigns_of(writers().history().acknowledged()).size(), 1U);
  EXPECT_EQ(need(cluster().rest(lead, "GET", "/primary")).status, 200);

  // Whoever does not answer may lead elsewhere, for all that is known.
  ASSERT_TRUE(cluster().kill(lost, Part::agent));
  wait_for("an end of writing", [&] { return nobody_writes(); });
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  need(cluster().start_node(lost));
  wait_for_writes(seconds(90));
  settle_and_judge();
}

// The members have promised for seconds yet; a leader that ends by itself tells them.
TEST_F(Failsafe, an_outage_ends_with_the_same_leader_and_a_switchover_at_once) {
  switch_on();
  const std::size_t lead = leader();
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster().kill_etcd(i));
  wait_for("failsafe mode", [&] { return in_failsafe(lead); });
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  wait_for("the store's leader",
           [&] { return get_key(cluster(), "leader").value_or("") == name(lead); });
  wait_healthy();
  EXPECT_EQ(leader(), lead);
  need(cluster().switchover());
  other_leader(lead, seconds(10));
  settle_and_judge();
}

// Neither knows what its former agent promised; the leader has told that it lives by none of that.
TEST_F(Failsafe, a_leader_lost_right_after_both_others_agents_began_is_followed_as_ever) {
  switch_on();
  const std::size_t lead = leader();
  const auto told = [this] {
    return std::stoll(get_key(cluster(), "aurum_unpromised").value_or("0"));
  };
  const Instant restarted = runtime::now();
  for (std::size_t i : {(lead + 1) % 3, (lead + 2) % 3}) {
    const auto before = told();
    ASSERT_TRUE(cluster().kill(i, Part::agent));
    need(cluster().start_node(i));
    wait_for("the leader's word to " + name(i), [&] { return told() > before; });
  }
  wait_healthy();
  ASSERT_TRUE(cluster().kill(lead, Part::node));
  other_leader(lead);
  EXPECT_LT(runtime::now() - restarted, seconds(25)) << "a promise lasts up to 30 s";
  need(cluster().start_node(lead));
  settle_and_judge(Loss::before_takeover);
}

/// Members who know each other by names that only this test and what it starts can look up.
class FailsafeByName : public Failsafe {
 protected:
  static constexpr const char* kHosts = "127.0.0.1 localhost\n";

  void SetUp() override {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      GTEST_SKIP() << "needs the right to mount";
    // Whoever does not find a name there asks a DNS server that is not: nothing leaves this host.
    write(files_ / "none", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n");
    write(files_ / "hosts",
          kHosts + std::string("127.0.0.1 node-1.test node-2.test node-3.test\n"));
    ASSERT_EQ(::mount((files_ / "none").c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(::mount((files_ / "hosts").c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr), 0);
    Failsafe::SetUp();
  }
  void TearDown() override {
    if (!IsSkipped()) Failsafe::TearDown();
    ::umount("/etc/hosts");
    ::umount("/etc/resolv.conf");
  }
  static void write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file) << text;
  }
  static std::string api_of(const std::string& member) {
    return nlohmann::json::parse(member, nullptr, false).value("api_url", "");
  }
  void name_members() {
    for (std::size_t i = 0; i < 3; ++i) {
      const auto port = ":" + std::to_string(cluster().plan().nodes[i].rest_port);
      auto config = file_text(cluster().config_of(i));
      const auto line = config.find("connect_address: \"127.0.0.1" + port);
      ASSERT_NE(line, std::string::npos) << config;
      config.replace(config.find("127.0.0.1", line), 9, name(i) + ".test");
      write(cluster().config_of(i), config);
      ask(i, "POST", "/reload", "", 202);
    }
    wait_for("members of names", [this] {
      for (std::size_t i = 0; i < 3; ++i)
        if (!api_of(get_key(cluster(), "members/" + name(i)).value_or("")).contains(".test:"))
          return false;
      return true;
    });
  }

  aurum::testing::TempDir files_;
};

// The links to the members were there before, so that the name service may be lost with etcd.
TEST_F(FailsafeByName, names_that_are_gone_with_etcd_do_not_end_the_leadership) {
  name_members();
  switch_on();
  wait_for("a map of names", [this] {
    const auto map = get_key(cluster(), "failsafe").value_or("");
    return map.contains("node-1.test") && map.contains("node-2.test") &&
           map.contains("node-3.test");
  });
  const std::size_t lead = leader();
  wait_for("links to both", [&] {
    const auto page = cluster().rest(lead, "GET", "/metrics");
    const auto at = page ? page->body.find("\naurum_peers_linked{") : std::string::npos;
    return at != std::string::npos &&
           page->body.substr(at + 1, page->body.find('\n', at + 1) - at - 1).ends_with(" 2");
  });
  write("/etc/hosts", kHosts);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(cluster().kill_etcd(i));
  wait_for("failsafe mode", [&] { return in_failsafe(lead); });
  const Instant end = runtime::now() + 3 * Duration(seconds(cluster().plan().ttl));
  while (runtime::now() < end) wait_for_writes(seconds(2));
  EXPECT_TRUE(in_failsafe(lead));
  for (std::size_t i = 0; i < 3; ++i) need(cluster().start_etcd(i));
  wait_for("the store's leader",
           [&] { return get_key(cluster(), "leader").value_or("") == name(lead); });
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
