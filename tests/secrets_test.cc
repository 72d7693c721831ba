// A password is changed across a running cluster: real etcd, PostgreSQL and agents. What must hold:
// no client, walreceiver or agent is refused, whoever is killed in between.

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "pg/scram.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Said {
  int exit_code = -1;
  std::string text;  ///< both streams
};

Said run(const std::string& command) {
  Said said;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return said;
  std::array<char, 4096> buffer{};
  while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe))
    said.text.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  said.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return said;
}

class Secrets : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    wait_healthy();
  }

  std::string aurum() const { return ::getenv("AURUM_PROGRAM"); }
  Said secrets(std::size_t node, const std::string& words) {
    return run(
        fmt::format("{} secrets {} -c {}", aurum(), words, cluster().config_of(node).string()));
  }
  fs::path file(std::size_t node, const std::string& use) {
    return cluster().plan().dir / "secrets" / name(node) / use;
  }
  std::string in_use(std::size_t node, const std::string& use) {
    const auto text = file_text(file(node, use));
    return text.substr(0, text.find('\n'));
  }
  std::size_t nodes() { return cluster().plan().nodes.size(); }
  std::string conninfo(std::size_t node, const std::string& role, const std::string& password) {
    const auto& n = cluster().plan().nodes.at(node);
    return fmt::format("host={} port={} user={} dbname=postgres password={} connect_timeout=5",
                       n.host, n.postgres_port, role, password);
  }
  /// Behind what the servers wrote until now.
  void mark_logs() {
    for (std::size_t node = 0; node < nodes(); ++node) marks_.push_back(log_end(node));
  }
  enum class By { server, caller };
  /// How often a login was refused since mark_logs(): as servers tell, or as those who wanted in
  /// do. An agent that tries its second password at once is not refused, whatever the server tells.
  std::size_t refusals(By by) {
    std::size_t count = 0;
    for (std::size_t node = 0; node < nodes(); ++node) {
      std::istringstream lines(log_since(node, marks_.at(node)));
      for (std::string line; std::getline(lines, line);) {
        if (!line.contains("password authentication failed")) continue;
        const bool servers_own = line.contains("] FATAL:  password authentication failed");
        if (servers_own == (by == By::server)) ++count;
      }
    }
    return count;
  }
  /// One password everywhere, other than `former`, and PostgreSQL takes it.
  void expect_changed(const std::string& use, const std::string& role, const std::string& former) {
    const auto fresh = in_use(0, use);
    EXPECT_NE(fresh, former);
    for (std::size_t node = 0; node < nodes(); ++node) {
      EXPECT_EQ(file_text(file(node, use)), fresh + "\n") << name(node);
      if (role.empty()) continue;
      EXPECT_TRUE(sql(conninfo(node, role, fresh), "SELECT 1")) << name(node);
      EXPECT_FALSE(sql(conninfo(node, role, former), "SELECT 1")) << name(node);
    }
  }

  Said rotate(std::size_t node, const std::string& use) { return secrets(node, "rotate " + use); }
  static std::string role_of(const std::string& use) {
    for (const auto& [one, role] : kAll)
      if (use == one) return role;
    return {};
  }
  /// One step by hand, as the command asks for it.
  void step(std::size_t node, const std::string& use, const std::string& what,
            const std::string& fresh) {
    const json body = {{"password", use},
                       {"step", what},
                       {"salt", "salt"},
                       {"target", pg::password_fingerprint(fresh, "salt")},
                       {"new", fresh}};
    ask(node, "POST", "/secrets", body.dump(), 200);
  }
  /// Leaves a change behind its step `until`; "first": prepared on one member only.
  void bring_to(const std::string& until, const std::string& use, const std::string& fresh) {
    const auto lead = leader();
    if (until == "first") return step(lead, use, "prepare", fresh);
    for (std::size_t node = 0; node < nodes(); ++node) step(node, use, "prepare", fresh);
    if (until == "prepare") return;
    if (use != "rest") step(lead, use, "alter", fresh);
    if (until == "alter") return;
    for (std::size_t node = 0; node < nodes(); ++node) step(node, use, "change", fresh);
    cluster().take_up_secrets();
    if (until == "finish") step(lead, use, "finish", fresh);
  }
  /// As where somebody else mounts them.
  void writable(bool yes) {
    for (std::size_t node = 0; node < nodes(); ++node)
      fs::permissions(file(node, "").parent_path(), fs::perms(yes ? 0700 : 0500));
  }
  void write_everywhere(const std::string& use, const std::string& text) {
    for (std::size_t node = 0; node < nodes(); ++node) std::ofstream(file(node, use)) << text;
  }
  /// The clients logged in with what was good then.
  void judge_with_new_passwords() {
    cluster().take_up_secrets();
    begin_history();
    wait_for_writes();
    settle_and_judge();
  }

  static constexpr std::pair<const char*, const char*> kAll[] = {
      {"superuser", "postgres"}, {"rewind", "rewinder"}, {"replication", ""}, {"rest", ""}};
  std::vector<std::size_t> marks_;
};

TEST_F(Secrets, every_password_is_changed_under_load_and_nobody_is_refused) {
  mark_logs();
  for (const auto& [use, role] : kAll) {
    const auto former = in_use(0, use);
    const auto said = rotate(replica(), use);
    ASSERT_EQ(said.exit_code, 0) << said.text;
    EXPECT_EQ(said.text.find(in_use(0, use)), std::string::npos) << "a password on the terminal";
    EXPECT_TRUE(said.text.contains(std::string("the password ") + use)) << said.text;
    EXPECT_EQ(refusals(By::caller), 0u) << use;
    expect_changed(use, role, former);
    // What was refused now is what this test tried: the servers' logs are where it would be seen.
    if (*role != '\0') EXPECT_GT(refusals(By::server), 0u) << use;
    marks_.clear();
    mark_logs();
  }
  judge_with_new_passwords();
}

TEST_F(Secrets, whoever_logs_in_behind_it_uses_the_new_one) {
  for (const char* use : {"superuser", "replication", "rewind"})
    ASSERT_EQ(rotate(0, use).exit_code, 0);
  cluster().take_up_secrets();
  begin_history();
  wait_for_writes();
  const auto old = leader();
  const auto rebuilt = third(old, replica());
  mark_logs();
  ask(rebuilt, "POST", "/reinitialize", "{}", 200);
  wait_healthy();
  ASSERT_TRUE(cluster().kill(old, Part::node));
  other_leader(old);
  need(cluster().start_node(old));
  settle_and_judge(Loss::before_takeover);
  EXPECT_EQ(refusals(By::caller), 0u);
}

TEST_F(Secrets, cut_short_at_any_step_it_goes_on) {
  for (const char* use : {"superuser", "replication", "rest"}) {
    for (const std::string until : {"first", "prepare", "alter", "change", "finish"}) {
      // A walreceiver's password is another matter than the others' behind ALTER ROLE only.
      if (std::string(use) == "rest" ? until == "alter"
                                     : until != "alter" && std::string(use) == "replication")
        continue;
      SCOPED_TRACE(fmt::format("{} until {}", use, until));
      const auto former = in_use(0, use);
      const auto fresh = fmt::format("the-new-one-of-{}-{}", use, until);
      bring_to(until, use, fresh);
      const auto restarted = replica();
      ASSERT_TRUE(cluster().kill(restarted, Part::agent));
      need(cluster().start_node(restarted));
      wait_healthy();
      const auto said = rotate(until == "first" ? leader() : 0, use);
      ASSERT_EQ(said.exit_code, 0) << said.text;
      EXPECT_TRUE(said.text.contains("begun before")) << said.text;
      expect_changed(use, role_of(use), former);
      EXPECT_EQ(in_use(0, use), fresh);
      cluster().take_up_secrets();
    }
  }
  judge_with_new_passwords();
}

TEST_F(Secrets, a_leader_lost_in_the_middle_is_followed_and_the_change_finished) {
  const auto former = in_use(0, "replication");
  const auto old = leader();
  bring_to("alter", "replication", "replication-after-a-failover");
  ASSERT_TRUE(cluster().kill(old, Part::node));
  const auto next = other_leader(old);
  const auto early = rotate(next, "replication");
  need(cluster().start_node(old));
  wait_healthy();
  // Without the lost one it is either refused, or finished for those that are there.
  if (early.exit_code != 0) EXPECT_TRUE(early.text.starts_with("error: ")) << early.text;
  const auto said = rotate(next, "replication");
  ASSERT_EQ(said.exit_code, 0) << said.text;
  expect_changed("replication", "", former);
  settle_and_judge(Loss::before_takeover);
}

TEST_F(Secrets, files_that_only_their_operator_can_write_are_changed_by_hand_between_two_runs) {
  const auto former = in_use(0, "superuser");
  const std::string fresh = "written-by-the-operator";
  writable(false);
  const auto refused = rotate(0, "superuser");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_TRUE(refused.text.contains("next: NEW")) << refused.text;
  EXPECT_TRUE(sql(conninfo(0, "postgres", former), "SELECT 1"));
  write_everywhere("superuser", former + "\nnext: " + fresh + "\n");
  const auto altered = rotate(0, "superuser");
  EXPECT_EQ(altered.exit_code, 1);
  EXPECT_TRUE(altered.text.contains("previous: FORMER")) << altered.text;
  EXPECT_TRUE(sql(conninfo(leader(), "postgres", fresh), "SELECT 1"));
  write_everywhere("superuser", fresh + "\nprevious: " + former + "\n");
  const auto almost = rotate(0, "superuser");
  EXPECT_EQ(almost.exit_code, 1);
  EXPECT_TRUE(almost.text.contains("the new password alone")) << almost.text;
  write_everywhere("superuser", fresh + "\n");
  writable(true);
  expect_changed("superuser", "postgres", former);
  const auto shown = secrets(0, "show superuser --json");
  EXPECT_EQ(shown.exit_code, 0) << shown.text;
  const auto members = json::parse(shown.text)["passwords"][0]["members"];
  ASSERT_EQ(members.size(), nodes());
  for (const auto& member : members) {
    EXPECT_EQ(member["holds"], "one");
    EXPECT_EQ(member["postgresql_takes"], "the first");
  }
  judge_with_new_passwords();
}

TEST_F(Secrets, what_can_not_be_carried_through_is_refused_and_changes_nothing) {
  const auto former = in_use(0, "superuser");
  const auto refused = [&](const std::string& why, const std::string& words = "rotate superuser") {
    const auto said = secrets(0, words);
    EXPECT_NE(said.exit_code, 0) << words;
    EXPECT_TRUE(said.text.contains(why)) << said.text;
    for (std::size_t node = 0; node < nodes(); ++node)
      EXPECT_EQ(file_text(file(node, "superuser")), former + "\n");
  };
  refused("there is no password 'monitor'", "rotate monitor");
  refused("one password at a time", "rotate superuser s3cret-as-an-argument");
  refused("cannot read /no/such", "rotate superuser --new-from /no/such");
  ask(leader(), "PATCH", "/config", R"({"pause": true})", 200);
  refused("the cluster is paused");
  ask(leader(), "PATCH", "/config", R"({"pause": null})", 200);
  wait_healthy();

  const auto config = file_text(cluster().config_of(1));
  const auto line = "password_file: " + file(1, "superuser").string();
  auto plain = config;
  plain.replace(plain.find(line), line.size(), "password: " + former);
  std::ofstream(cluster().config_of(1)) << plain;
  ask(1, "POST", "/reload", "", 202);
  wait_for("the reason", [&] {
    return secrets(0, "rotate superuser")
        .text.contains(name(1) + ": its password stands in the configuration");
  });
  std::ofstream(cluster().config_of(1)) << config;
  ask(1, "POST", "/reload", "", 202);

  const auto frozen = third(0, leader() == 0 ? 1 : leader());
  ASSERT_TRUE(cluster().freeze(frozen, Part::agent));
  refused(name(frozen));
  ASSERT_TRUE(cluster().thaw(frozen, Part::agent));
  settle_and_judge(Loss::before_takeover);
}

}  // namespace
}  // namespace aurum::tests
