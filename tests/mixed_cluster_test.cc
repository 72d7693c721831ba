// A cluster of Debian's Patroni moves to aurum node after node, and back, while clients write.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <functional>
#include <sstream>
#include <sys/stat.h>

#include <fmt/format.h>

#include "model/cluster.h"
#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

class MixedCluster : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    plan.agent = {"patroni"};
    stack::set_ttl(plan, 20);  // Patroni's shortest
    plan.loop_wait = 1;
    plan.retry_timeout = 3;
  }

  bool is_ours(std::size_t node) {
    return get_key(cluster(), "members/" + name(node)).value_or("").find("\"aurum\"") !=
           std::string::npos;
  }
  std::vector<pid_t> postmasters() {
    std::vector<pid_t> found;
    for (std::size_t i = 0; i < 3; ++i)
      found.push_back(cluster().postmaster(i) ? cluster().postmaster(i)->pid : 0);
    return found;
  }
  void start_with(std::size_t node, const std::vector<std::string>& agent) {
    need(cluster().change_agent(node, agent));
    need(cluster().start_node(node));
    wait_for(name(node) + " under its new agent",
             [&] { return is_ours(node) == agent.empty() && cluster().observe().healthy(); });
  }
  void switch_over(std::size_t to) {
    const std::size_t from = leader();
    ask(from, "POST", "/switchover",
        fmt::format(R"({{"leader":"{}","candidate":"{}"}})", name(from), name(to)), 200);
    EXPECT_EQ(leader(), to);
    wait_healthy();
    wait_for_writes();
  }
  /// aurum takes over the running server of a node; nothing happens to PostgreSQL.
  void adopt(std::size_t node, bool paused) {
    const auto before = postmasters();
    if (paused) {
      ask(leader(), "PATCH", "/config", R"({"pause": true})", 200);
      wait_for("the pause at " + name(node), [&] {
        const auto reply = cluster().rest(node, "GET", "/patroni");
        return reply && reply->body.find("\"pause\": true") != std::string::npos;
      });
      const auto agent = cluster().agent(node);
      ASSERT_TRUE(agent && stack::send_signal(*agent, SIGTERM));
      wait_for("the end of an agent", [&] { return !cluster().agent(node); });
    } else {
      ASSERT_TRUE(cluster().kill(node, Part::agent));
    }
    start_with(node, {});
    if (paused) ask(leader(), "PATCH", "/config", R"({"pause": null})", 200);
    EXPECT_EQ(postmasters(), before) << "PostgreSQL was started again";
  }
};

TEST_F(MixedCluster, moves_to_aurum_and_back_and_loses_no_row) {
  const std::size_t first = leader();
  const std::size_t second = (first + 1) % 3, third = (first + 2) % 3;

  // Replicas are adopted as they run; leadership goes from Patroni to aurum and back again while
  // both are members.
  adopt(second, true);
  switch_over(second);
  switch_over(first);
  adopt(third, false);
  adopt(first, true);  // the leader
  EXPECT_EQ(leader(), first);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(is_ours(i)) << name(i);
  settle_and_judge();
}

using FullMixedCluster = MixedCluster;

TEST_F(FullMixedCluster,
       in_synchronous_mode_a_member_that_is_lost_costs_no_row_in_either_direction) {
  ask(leader(), "PATCH", "/config", R"({"synchronous_mode": true})", 200);
  const auto standby = [&] {
    for (const auto& n : cluster().observe().nodes)
      if (n.sync) return true;
    return false;
  };
  wait_for("a synchronous standby", standby);
  // The way back: an orderly stop ends PostgreSQL as well, so that it starts without what aurum
  // loads into it.
  const std::size_t ours = leader();
  const std::size_t theirs = (ours + 1) % 3, last = (ours + 2) % 3;
  need(cluster().stop_node(theirs));
  start_with(theirs, {"patroni"});
  need(cluster().stop_node(last));
  start_with(last, {"patroni"});
  wait_for("a synchronous standby", standby);

  // The aurum primary is lost: a Patroni takes over. Then that one is lost: one of the others.
  ASSERT_TRUE(cluster().kill(ours, Part::node));
  const std::size_t next = other_leader(ours);
  EXPECT_FALSE(is_ours(next));
  wait_for_writes();
  need(cluster().start_node(ours));
  wait_healthy();
  wait_for("a synchronous standby", standby);
  ASSERT_TRUE(cluster().kill(next, Part::node));
  other_leader(next);
  wait_for_writes();
  need(cluster().start_node(next));
  wait_healthy();
  wait_for("a synchronous standby", standby);
  // Only the synchronous standby may be named, so none is.
  if (leader() == ours) {
    ask(ours, "POST", "/switchover", fmt::format(R"({{"leader":"{}"}})", name(ours)), 200);
    other_leader(ours);
    wait_healthy();
  }
  need(cluster().stop_node(ours));
  start_with(ours, {"patroni"});
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(is_ours(i)) << name(i);
  settle_and_judge();
}

/// `aurum.profile: default`, and a Patroni among them: it tells of no heartbeat, and nobody kills
/// its server in time.
class FullMixedHeartbeats : public MixedCluster {
 protected:
  void plan(stack::Plan& plan) override {
    need(stack::set_agent(plan, "aurum@default"));
    stack::set_ttl(plan, 20);
    plan.loop_wait = 1;
    plan.retry_timeout = 3;
  }
  std::string heartbeat() { return get_key(cluster(), "aurum_heartbeat").value_or(""); }
  void wait_for_heartbeats(std::size_t of) {
    wait_for("heartbeats of " + name(of), [&] {
      const auto beat = model::decode_heartbeat(heartbeat());
      return beat && beat->leader == name(of);
    });
  }
};

TEST_F(FullMixedHeartbeats, end_while_a_patroni_is_a_member_and_begin_again_when_it_is_gone) {
  const std::size_t lead = leader(), member = (lead + 1) % 3;
  wait_for_heartbeats(lead);
  need(cluster().stop_node(member));
  start_with(member, {"patroni"});
  wait_for("no heartbeats", [&] { return heartbeat().empty(); });
  const Instant end = runtime::now() + seconds(5);  // ten times as long as from one to the next
  while (runtime::now() < end) {
    wait_for_writes(seconds(2));
    EXPECT_EQ(heartbeat(), "");
  }
  EXPECT_FALSE(is_ours(member));

  need(cluster().stop_node(member));
  wait_for_heartbeats(lead);
  start_with(member, {});
  wait_for_heartbeats(lead);
  const auto verdict = settle_and_judge();
  EXPECT_EQ(verdict.reigns.size(), 1U) << "somebody else led meanwhile";
}

/// A live cluster of Debian's Patroni, handled by `aurum ctl` and by its own `patronictl`.
class PatroniByCtl : public MixedCluster {
 protected:
  struct Said {
    int exit_code = -1;
    std::vector<std::string> lines;  ///< all but tables and moments, which differ from run to run
    std::vector<std::string> rows;   ///< of tables: member, host, role, state, timeline
  };
  /// The columns that Patroni has had in all its versions.
  static std::string first_cells(const std::string& row) {
    std::string cells;
    std::size_t from = 1;
    for (int i = 0; i < 5; ++i) {
      const auto to = row.find('|', from);
      if (to == std::string::npos) break;
      const std::string cell = row.substr(from, to - from);
      const auto first = cell.find_first_not_of(' ');
      if (first != std::string::npos)
        cells += cell.substr(first, cell.find_last_not_of(' ') - first + 1);
      cells += '|';
      from = to + 1;
    }
    return cells;
  }
  Said run(const std::string& program, const std::string& words) {
    const std::string command = fmt::format("PGPASSFILE={} timeout 90 {} -c {} {} 2>&1 </dev/null",
                                            (cluster().plan().dir / "pgpass").string(), program,
                                            cluster().config_of(0).string(), words);
    Said said;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return said;
    std::string text;
    std::array<char, 4096> piece;
    for (std::size_t n = 0; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
      text.append(piece.data(), n);
    const int status = ::pclose(pipe);
    said.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("+") || line.starts_with("hint:")) continue;
      if (line.starts_with("Usage:") || line.starts_with("Try '")) continue;  // the programs' names
      if (line.starts_with("|"))
        said.rows.push_back(first_cells(line));
      else if (!line.starts_with("20"))  // "2026-11-23 19:26:59.19974 Switchover scheduled"
        said.lines.push_back(line);
    }
    std::ranges::sort(said.lines);  // in which order members are asked is each one's own
    return said;
  }
  Said theirs(const std::string& words) { return run("patronictl", words); }
  Said ours(const std::string& words) {
    return run(fmt::format("{} ctl", ::getenv("AURUM_PROGRAM")), words);
  }
  /// Tables show what members last wrote of themselves: up to loop_wait after it came true.
  void wait_settled() {
    wait_healthy();
    for (std::size_t i = 0; i < 3; ++i)
      wait_for(name(i) + " to call itself running", [&] {
        const auto text = get_key(cluster(), "members/" + name(i)).value_or("");
        return text.find(R"("state":"running")") != std::string::npos;
      });
  }
  void expect_same(const std::string& words, const std::string& undone_by = {}) {
    const Said first = theirs(words);
    if (!undone_by.empty()) theirs(undone_by);
    wait_settled();
    const Said second = ours(words);
    if (!undone_by.empty()) theirs(undone_by);
    wait_settled();
    compare(words, first, second);
  }
  static void compare(const std::string& words, const Said& first, const Said& second) {
    EXPECT_EQ(second.lines, first.lines) << words;
    EXPECT_EQ(second.rows, first.rows) << words;
    EXPECT_EQ(second.exit_code, first.exit_code) << words;
  }
  /// A reinitialization is answered before it is done: waits until another data directory is there.
  Said made_anew(std::size_t node, const std::function<Said()>& command) {
    const auto made = [&] {
      struct stat file{};
      const auto path = cluster().data_of(node) / "PG_VERSION";
      if (::stat(path.c_str(), &file) != 0) return std::int64_t{0};
      return std::int64_t{file.st_ctim.tv_sec} * 1'000'000'000 + file.st_ctim.tv_nsec;
    };
    const auto was = made();
    const Said said = command();
    wait_for(name(node) + " to be made anew", [&] { return made() > was; });
    wait_settled();
    return said;
  }
};

TEST_F(PatroniByCtl, answers_and_does_what_debians_patronictl_does) {
  const std::string scope = cluster().plan().scope;
  const std::size_t lead = leader(), standby = (lead + 1) % 3;
  const std::string query = "query " + scope + " -U postgres ";
  for (const std::string& words :
       {std::string("list"),
        "list " + scope,
        std::string("list nosuch"),
        std::string("topology"),
        std::string("show-config"),
        std::string("history -f json"),
        std::string("history -f tsv"),
        std::string("history -f yaml"),
        std::string("dsn"),
        std::string("dsn -r replica"),
        "dsn -m " + name(standby),
        "dsn -r replica -m " + name(lead),
        query + "-c 'SELECT 1 AS a'",
        query + "-r replica -c 'SELECT pg_is_in_recovery()'",
        query + "-f /nonexistent",
        "flush " + scope + " switchover",
        "flush " + scope + " restart --force",
        "reload " + scope + " --force",
        "reload " + scope + " " + name(standby) + " --force",
        "restart " + scope + " " + name(standby) + " --pg-version 15.0 --force",
        std::string("resume"),
        std::string("remove nosuch"),
        "remove " + scope,
        "reinit " + scope + " " + name(lead) + " --force",
        "reinit " + scope + " node-9 --force",
        std::string("switchover --leader node-9 --force"),
        std::string("failover --force"),
        std::string("edit-config --set ttl=20 --quiet --force"),
        std::string("edit-config --set ttl=20 --force"),
        std::string("edit-config --set a --force")})
    expect_same(words);
  // A Patroni of before 4 asks all, who decline.
  if (theirs("version").lines.at(0).starts_with("patronictl version 4"))
    expect_same("restart " + scope + " --pending --force");
}

TEST_F(PatroniByCtl, changes_what_debians_patronictl_changes) {
  const std::string scope = cluster().plan().scope;
  const std::size_t lead = leader(), standby = (lead + 1) % 3;
  const std::string pair =
      fmt::format("switchover --leader {} --candidate {}", name(lead), name(standby));
  const std::string back =
      fmt::format("switchover --leader {} --candidate {} --force", name(standby), name(lead));
  expect_same("pause --wait", "resume --wait");
  theirs("pause --wait");
  expect_same("pause");
  expect_same("resume --wait", "pause --wait");
  theirs("resume --wait");
  expect_same("edit-config -p work_mem=5MB --force", "edit-config -p work_mem=null --force");
  expect_same("restart " + scope + " " + name(standby) + " --force");
  expect_same(
      "restart " + scope + " " + name(standby) + " --force --scheduled 2099-01-01T00:00+00:00",
      "flush " + scope + " restart --force");
  expect_same(pair + " --scheduled 2099-01-01T00:00+00:00 --force",
              "flush " + scope + " switchover --force");
  const std::string reinit = "reinit " + scope + " " + name(standby) + " --force";
  const Said first = made_anew(standby, [&] { return theirs(reinit); });
  const Said second = made_anew(standby, [&] { return ours(reinit); });
  compare(reinit, first, second);

  // There with theirs, and back with ours. The tables show moments of a switchover.
  const auto lead_is = [this](std::size_t node) {
    wait_for(name(node) + " to lead", [&] { return cluster().leader() == node; });
    wait_healthy();
  };
  const Said there = theirs(pair + " --force");
  lead_is(standby);
  const Said home = ours(back);
  lead_is(lead);
  EXPECT_EQ(home.lines, there.lines);
  EXPECT_EQ(home.exit_code, there.exit_code);
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
