// Who streams from whom, and who is waited for, as tags and the dynamic configuration say.
#include <csignal>
#include <fstream>

#include <fmt/format.h>

#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class ReplicationTags : public ClusterTest {
 protected:
  std::string ask_sql(std::size_t node, const std::string& query) {
    const auto answer = sql(cluster(), node, query);
    return answer ? *answer : "error: " + answer.error().text();
  }
  /// The port that this standby's walreceiver streams from; "" without one.
  std::string streams_from(std::size_t node) {
    return ask_sql(node,
                   "SELECT coalesce((SELECT sender_port::text FROM pg_stat_wal_receiver "
                   "WHERE status = 'streaming'), '')");
  }
  std::string port_of(std::size_t node) {
    return std::to_string(cluster().plan().nodes.at(node).postgres_port);
  }
  std::string slots_for(std::size_t holder, std::size_t member) {
    std::string slot = name(member);
    for (char& c : slot)
      if (c == '-') c = '_';
    return ask_sql(holder, fmt::format("SELECT count(*) FROM pg_replication_slots WHERE slot_name "
                                       "= '{}' AND active",
                                       slot));
  }
  /// As an operator does it: the file, and SIGHUP.
  void write_config(std::size_t node, const std::string& text) {
    std::ofstream(cluster().config_of(node)) << text;
    const auto agent = cluster().agent(node);
    ASSERT_TRUE(agent && stack::send_signal(*agent, SIGHUP));
  }
  void set_tags(std::size_t node, const std::string& tags) {
    untagged_ = file_text(cluster().config_of(node));
    write_config(node, untagged_ + "tags:\n" + tags);
  }
  void remove_tags(std::size_t node) { write_config(node, untagged_); }

 private:
  std::string untagged_;
};

TEST_F(ReplicationTags, a_cascade_streams_from_its_member_and_from_the_leader_without_it) {
  const std::size_t lead = leader(), middle = (lead + 1) % 3, last = (lead + 2) % 3;
  set_tags(last, "  replicatefrom: " + name(middle) + "\n");
  wait_for("a cascade", [&] { return streams_from(last) == port_of(middle); });
  wait_for("its slot", [&] { return slots_for(middle, last) == "1"; });
  wait_for_writes();
  ASSERT_TRUE(cluster().kill(middle, Part::node));
  wait_for("the leader as its source", [&] { return streams_from(last) == port_of(lead); });
  wait_for_writes();
  need(cluster().start_node(middle));
  wait_for("the cascade again", [&] { return streams_from(last) == port_of(middle); });

  // Whom it follows leads by now: it is the leader that it streams from.
  ask(lead, "POST", "/switchover",
      fmt::format(R"({{"leader":"{}","candidate":"{}"}})", name(lead), name(middle)), 200);
  wait_for("the new leader as its source", [&] { return streams_from(last) == port_of(middle); });
  remove_tags(last);
  wait_healthy();
  settle_and_judge();
}

TEST_F(ReplicationTags, nostream_ends_the_stream_and_its_slot) {
  const std::size_t lead = leader(), standby = (lead + 1) % 3;
  wait_for("a stream", [&] { return streams_from(standby) == port_of(lead); });
  set_tags(standby, "  nostream: true\n");
  wait_for("the end of the stream", [&] { return streams_from(standby).empty(); });
  wait_for("the end of its slot",
           [&] { return ask_sql(lead, "SELECT count(*) FROM pg_replication_slots") == "1"; });
  EXPECT_EQ(ask_sql(standby, "SHOW primary_conninfo"), "");
  EXPECT_EQ(ask_sql(standby, "SELECT pg_is_in_recovery()"), "t");
  wait_for_writes();
  remove_tags(standby);
  wait_for("a stream again", [&] { return streams_from(standby) == port_of(lead); });
  settle_and_judge();
}

TEST_F(ReplicationTags, a_synchronous_standby_that_lags_too_far_gives_way) {
  const auto key = [this] {
    std::string text = get_key(cluster(), "sync").value_or("");
    std::erase(text, ' ');
    return text;
  };
  const std::size_t lead = leader(), one = (lead + 1) % 3, other = (lead + 2) % 3;
  ask(lead, "PATCH", "/config", R"({"synchronous_mode": true, "maximum_lag_on_syncnode": 1048576})",
      200);
  const auto named = [&](std::size_t node) {
    return key().find(fmt::format("\"sync_standby\":\"{}\"", name(node))) != std::string::npos;
  };
  wait_for("a synchronous standby", [&] { return named(one) || named(other); });
  const std::size_t slow = named(one) ? one : other, next = third(lead, slow);
  const auto receiver = ask_sql(slow, "SELECT pid FROM pg_stat_wal_receiver");
  const pid_t pid = std::atoi(receiver.c_str());
  ASSERT_GT(pid, 1) << receiver;
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  // Outside of a transaction, so that nobody waits for a commit.
  EXPECT_EQ(ask_sql(lead,
                    "SELECT count(pg_logical_emit_message(false, 'lag', repeat('x', 100000)))"
                    " FROM generate_series(1, 40)"),
            "40");
  wait_for("another synchronous standby", [&] { return named(next); });
  ::kill(pid, SIGCONT);
  wait_for_writes();
  ask(lead, "PATCH", "/config", R"({"synchronous_mode": null, "maximum_lag_on_syncnode": null})",
      200);
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
