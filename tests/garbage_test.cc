// Somebody, or something, writes rubbish over every key of the store while the cluster runs.
#include <map>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

/// Every key but the lock, which has tests of its own.
const std::vector<std::string> kKeys = {"initialize",     "config",         "status",
                                        "optime/leader",  "history",        "failover",
                                        "sync",           "failsafe",       "aurum_timeline",
                                        "members/node-1", "members/node-2", "members/node-3"};

/// Those that a leader writes anew without a reason of its own.
const std::vector<std::string> kMended = {"initialize", "config", "status"};

/// About as long as the old one, and with the same beginning.
bool is_same_kind(const std::string& now, const std::string& old) {
  constexpr std::size_t kChange = 40;
  return now.substr(0, 8) == old.substr(0, 8) && now.size() + kChange > old.size() &&
         now.size() < old.size() + kChange;
}

class Garbage : public ClusterTest {
 protected:
  struct Pids {
    std::vector<int> agents, postmasters;
    friend bool operator==(const Pids&, const Pids&) = default;
  };
  Pids pids() {
    Pids all;
    for (std::size_t i = 0; i < 3; ++i) {
      all.agents.push_back(cluster().agent(i) ? cluster().agent(i)->pid : 0);
      all.postmasters.push_back(cluster().postmaster(i) ? cluster().postmaster(i)->pid : 0);
    }
    return all;
  }
  int lines(std::size_t node, std::size_t from, const std::string& with) {
    const std::string text = log_since(node, from);
    int found = 0;
    for (auto at = text.find(with); at != std::string::npos; at = text.find(with, at + 1)) ++found;
    return found;
  }

  /// Puts `make(old value)` over every key and waits until each agent has said so and the leader
  /// has mended what is its own.
  void spoil(const std::function<std::string(const std::string&)>& make) {
    const std::size_t lead = leader();
    const Pids before = pids();
    std::vector<std::size_t> log;
    for (std::size_t i = 0; i < 3; ++i) log.push_back(log_end(i));
    std::map<std::string, std::string> old;
    for (const auto& key : kKeys) old[key] = get_key(cluster(), key).value_or("");
    for (const auto& key : kKeys) need(put_key(cluster(), key, make(old[key])), key);
    for (std::size_t i = 0; i < 3; ++i)
      wait_for(name(i) + " to say what it can not read", [&] {
        return lines(i, log[i], "(DCS), config ") > 0 && lines(i, log[i], "(DCS), history ") > 0;
      });
    wait_for_writes();
    wait_healthy();
    for (const auto& key : kMended)
      wait_for(fmt::format("{} to be written anew", key),
               [&] { return is_same_kind(get_key(cluster(), key).value_or(""), old[key]); });
    EXPECT_EQ(leader(), lead);
    EXPECT_EQ(pids(), before) << "an agent or a server ended";
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_EQ(lines(i, log[i], "(DCS), config "), 1) << log_since(i, log[i]);
  }
};

TEST_F(Garbage, in_every_key_costs_nothing_and_is_said_once) {
  spoil([](const std::string&) { return std::string("\x01\xff{[\"not json"); });
  spoil([](const std::string& old) { return old.substr(0, old.size() / 2); });
  const std::string huge(1'200'000, 'x');
  spoil([&](const std::string&) { return R"({"a":")" + huge; });
  EXPECT_EQ(settle_and_judge().reigns.size(), 1U);
}

TEST_F(Garbage, in_the_lock_is_written_over_by_its_holder_and_said_once) {
  const std::size_t lead = leader();
  const Pids before = pids();
  for (const std::string& value : {std::string("\x01\xff{["), name(lead).substr(0, 3),
                                   std::string(), std::string(1'200'000, 'x')}) {
    std::vector<std::size_t> log;
    for (std::size_t i = 0; i < 3; ++i) log.push_back(log_end(i));
    need(put_key(cluster(), "leader", value));
    wait_for("the lock to be written anew",
             [&] { return get_key(cluster(), "leader").value_or("") == name(lead); });
    wait_for_writes();
    wait_healthy();
    EXPECT_EQ(leader(), lead);
    EXPECT_EQ(pids(), before) << "an agent or a server ended";
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_LE(lines(i, log[i], "leader names no member"), 1) << log_since(i, log[i]);
      EXPECT_EQ(lines(i, log[i], "demoted self"), 0) << log_since(i, log[i]);
    }
    EXPECT_EQ(lines(lead, log[lead], "leader names no member"), 1) << log_since(lead, log[lead]);
  }
  EXPECT_EQ(settle_and_judge().reigns.size(), 1U);
}

TEST_F(Garbage, in_the_lock_of_a_lost_leader_does_not_keep_others_from_leading) {
  const std::size_t old = leader();
  ASSERT_TRUE(cluster().kill(old, Part::node));
  need(put_key(cluster(), "leader", "rubbish"));
  other_leader(old);
  wait_for_writes();
  need(cluster().start_node(old));
  settle_and_judge(Loss::before_takeover);
}

}  // namespace
}  // namespace aurum::tests
