// A cluster backs itself up: by its schedule, from a standby through TLS, one run at a time
// whatever becomes of agents, nodes and the repository.
#include "support/backups.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "backup/testing/recorded.h"
#include "model/cluster.h"
#include "model/restore.h"
#include "net/testing/certificates.h"
#include "runtime/clock.h"
#include "stack/process.h"
#include "support/cluster_test.h"
#include "support/scripts.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Three nodes with a repository on their common disk. pgBackRest is behind a script that notes
/// each backup, and hangs where a test wants it: {dir}/slow stops backups, {dir}/slow_restore
/// restores, {dir}/hang everything. Of two at once it tells in {dir}/overlaps; a zombie is none,
/// nor is another process that got the pid since: a process is its pid and when it began.
constexpr const char* kPgbackrest = R"SH(me="$$ $(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)"
case "$*" in
*" backup --type"*) if [ -e {dir}/pid ]; then
  read -r pid began < {dir}/pid
  case "$(sed 's/.*) //' /proc/$pid/stat 2>/dev/null | cut -d' ' -f1,20)" in
  "Z "*) ;;
  *" $began") echo "$* beside $(cut -c1-80 /proc/$pid/stat)" >> {dir}/overlaps;;
  esac; fi
  echo "$me" > {dir}/pid; echo "$*" >> {dir}/backups; [ ! -e {dir}/slow ] || exec sleep 600;;
*" restore --set"*) echo "$me" > {dir}/restore_pid; [ ! -e {dir}/slow_restore ] || exec sleep 600;;
esac
[ ! -e {dir}/hang ] || exec sleep 600
exec pgbackrest "$@")SH";

class Backups : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = need(stack::Scratch::make(3, 1));
    auto& plan = scratch_->plan();
    plan.overrides = fmt::format(
        R"({{"postgresql": {{"parameters": {{"unix_socket_directories": "{0}/run"}}}},
            "aurum": {{"backup": {{"program": "{1}", "stanza": "main", "archive_push_timeout": 4,
              "repositories": [{{"path": "{0}/repository", "bundle": true, "retention": {{"full": 4}}}}],
              "tls": {{"ca_file": "{0}/tls/ca", "cert_file": "{0}/tls/cert", "key_file": "{0}/tls/key",
                       "host": "localhost", "listen": "127.0.0.1", "port": 65001}},
              "full": "0 2 1 1 *", "diff": "off", "incr": "0 2 1 1 *", "verify": "off",
              "restore_test": "0 2 1 1 *", "restore_test_checks": ["SELECT count(*) > 0 FROM pg_class"]}}}}}})",
        plan.dir.string(), script_path(plan, "pgbackrest"));
    need(scratch_->create());
    auto& c = scratch_->cluster();
    write_script(c, "pgbackrest", kPgbackrest);
    make_certificates(c);
    const auto ports = need(stack::free_ports(3));
    for (std::size_t node = 0; node < 3; ++node) {
      auto text = file_text(c.config_of(node));
      text.replace(text.find("65001"), 5, std::to_string(ports[node]));
      std::ofstream(c.config_of(node)) << text;
    }
    need(scratch_->start(seconds(120)));
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  void TearDown() override {
    for (const char* name : {"slow", "slow_restore", "hang"})
      fs::remove(script_path(c().plan(), name));
    EXPECT_EQ(script_output(c(), "overlaps"), "") << "two at once";
    if (!HasFailure()) return;
    for (const auto& node : c().plan().nodes)
      std::cerr << "--- " << node.name << "\n" << file_text(c().log_of(node.name));
    std::cerr << "--- state: " << get_key(c(), "aurum_backup/state").value_or("none") << "\n";
  }
  static void make_certificates(const stack::Cluster& c) {
    const auto dir = c.plan().dir / "tls";
    net::testing::write_localhost_pair(dir);
    for (const char* name : {"", "ca", "cert", "key"})
      if (::chown((dir / name).c_str(), c.account().uid, c.account().gid) != 0)
        throw std::runtime_error("cannot give away the certificates");
  }

  static stack::Cluster& c() { return scratch_->cluster(); }
  static const std::string& name(std::size_t node) { return c().plan().nodes.at(node).name; }
  static std::size_t index(const std::string& node) {
    for (std::size_t i = 0; i < 3; ++i)
      if (name(i) == node) return i;
    throw std::runtime_error("no node " + node);
  }
  static json state() {
    const auto text = get_key(c(), "aurum_backup/state");
    return text ? json::parse(*text, nullptr, false) : json::object();
  }
  static json good(const std::string& kind) {
    const auto now = state();
    return now.contains("good") && now["good"].contains(kind) ? now["good"][kind] : json::object();
  }
  static std::string holder() {
    const auto text = get_key(c(), "aurum_backup/lock");
    return text ? json::parse(*text, nullptr, false).value("node", "") : "";
  }
  static json wait_for_good(const std::string& kind, const std::string& after = {}) {
    wait_until("a good " + kind, [&] {
      const auto label = good(kind).value("label", "");
      return !label.empty() && label != after;
    });
    return good(kind);
  }
  /// A run is due at once: that of an agent that was lost.
  static void ask_for_incr() {
    wait_until("a free lock", [] { return holder().empty(); });
    auto now = state();
    now["running"] = {{"kind", "incr"}, {"node", "lost"}, {"started", 1}};
    need(put_key(c(), "aurum_backup/state", now.dump()));
  }
  static json trials() {
    const auto text = get_key(c(), "aurum_restore_test");
    return text ? json::parse(*text, nullptr, false) : json::object();
  }
  /// A restore test is due at once: none was made since New Year, and there was a backup.
  static void ask_for_test(const json& known) {
    wait_until("a free lock", [] { return holder().empty(); });
    auto now = state();
    now["good"]["incr"] = {{"kind", "incr"}, {"node", "lost"}, {"started", 1}, {"label", "old"}};
    need(put_key(c(), "aurum_backup/state", now.dump()));
    need(put_key(c(), "aurum_restore_test", known.dump()));
  }
  static fs::path scratch_of(std::size_t node) {
    return c().data_of(node).string() + ".pgbackrest/restore-test";
  }
  static std::string tester() {
    const auto text = get_key(c(), "aurum_backup/test");
    return text ? json::parse(*text, nullptr, false).value("node", "") : "";
  }
  static std::string rest(std::size_t node, const std::string& path) {
    const auto reply = need(c().rest(node, "GET", path));
    EXPECT_EQ(reply.status, 200) << path;
    return reply.body;
  }
  static std::string aurum_backup(std::size_t node, const std::string& words) {
    run_as_account(c(), fmt::format("{} backup -c {} {}", need(stack::own_program()),
                                    c().config_of(node).string(), words));
    return script_output(c(), "run.log");
  }
  static int aurum_restore(const std::string& words) {
    return aurum(c(), 0, "restore", words).code;
  }
  static std::string members_listed() { return aurum(c(), 0, "ctl", "list").text; }
  /// By what the script noted of it; a zombie does nothing any more.
  static bool lives(const std::string& noted) {
    stack::ProcessId id;
    if (std::sscanf(noted.c_str(), "%d %" SCNu64, &id.pid, &id.start) != 2) return false;
    return stack::alive(id);
  }
  /// Waits for one: on a busy machine an agent may be late with its answer. Other than `than`.
  static std::size_t leader(std::optional<std::size_t> than = {}) {
    std::optional<std::size_t> found;
    wait_until("a leader", [&] {
      found = c().leader();
      return found && found != than;
    });
    return *found;
  }
  /// A new segment is a lag of 16 MB until a standby tells that it has it, and a leader hands over
  /// to none that is so far behind.
  static void wait_for_standbys() {
    const auto lead = leader();
    const auto end = std::stoull(need(sql(c(), lead, "SELECT pg_current_wal_lsn() - '0/0'")));
    for (std::size_t node = 0; node < 3; ++node) {
      wait_until("the standbys' word on the last segment", [&] {
        return node == lead ||
               json::parse(rest(node, "/patroni"))["xlog"].value("received_location", 0ULL) >= end;
      });
    }
  }
  /// The run directory of each node's agent, where the breakers of its server are kept.
  static std::vector<fs::path> run_dirs() {
    std::vector<fs::path> out;
    for (std::size_t node = 0; node < 3; ++node) {
      const auto command = need(sql(c(), node, "SHOW restore_command"));
      const std::string option = "--state-dir ";
      const auto at = command.find(option) + option.size();
      out.emplace_back(command.substr(at, command.find(' ', at) - at));
      EXPECT_TRUE(fs::exists(out.back())) << command;
    }
    return out;
  }
  /// As on any other day: no restore_command has asked for long, and none knows that it hangs.
  static void forget_failures(const std::vector<fs::path>& run_dirs) {
    for (const auto& dir : run_dirs) fs::remove(dir / "archive-get.json");
  }
  /// Whether files wait for the archive, as PostgreSQL knows of them or as its agent keeps them.
  static bool archive_waits(std::size_t node) {
    std::error_code ec;
    const auto status = c().data_of(node) / "pg_wal" / "archive_status";
    for (fs::directory_iterator it(status, ec), end; !ec && it != end; it.increment(ec))
      if (it->path().extension() == ".ready") return true;
    return !fs::is_empty(c().data_of(node).string() + ".pgbackrest/left", ec) && !ec;
  }
  /// A backup that would never end: its node, and the pid of its pgBackRest.
  static std::pair<std::size_t, std::string> begin_one_that_hangs() {
    write_script(c(), "slow", "");
    ask_for_incr();
    wait_until("a backup that hangs",
               [] { return !holder().empty() && lives(script_output(c(), "pid")); });
    const std::pair began{index(holder()), script_output(c(), "pid")};
    fs::remove(script_path(c().plan(), "slow"));
    return began;
  }

  static std::unique_ptr<stack::Scratch> scratch_;
};
std::unique_ptr<stack::Scratch> Backups::scratch_;

TEST_F(Backups, a_new_cluster_makes_its_stanza_and_a_full_backup_of_a_standby) {
  const auto full = wait_for_good("full");
  const auto lead = leader();
  EXPECT_EQ(full.value("node", "").substr(0, 5), "node-") << full;
  EXPECT_NE(full["node"], name(lead)) << full;
  EXPECT_EQ(state()["system_identifier"], get_key(c(), "initialize").value_or("?"));
  EXPECT_NE(script_output(c(), "backups").find("--backup-standby"), std::string::npos);

  wait_until("the catalogue",
             [&] { return rest(lead, "/backups").find("full") != std::string::npos; });
  wait_until("the leader's look at it", [&] {
    return rest(lead, "/metrics").find("pgbackrest_backup_info{") != std::string::npos;
  });
  wait_until("the space", [&] {
    return rest(lead, "/metrics").find("repository_free_bytes{") != std::string::npos;
  });
  const auto metrics = rest(lead, "/metrics");
  for (const char* line :
       {"pgbackrest_stanza_status{stanza=\"main\"} 0\n", "backup_type=\"full\"} ",
        "aurum_archive_lag_bytes{", "aurum_backup_repository_free_bytes{"})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << "\n" << metrics;

  // By hand too, on the other standby, and shown with the schedule. Its agent may have learned of
  // the leader's pgBackRest only just now.
  const auto other = 3 - lead - index(full["node"]);
  const auto conf = c().data_of(other).string() + ".pgbackrest/pgbackrest.conf";
  wait_until("the leader in its pgbackrest.conf",
             [&] { return file_text(conf).find(c().data_of(lead).string()) != std::string::npos; });
  const auto said = aurum_backup(other, "now --type diff");
  EXPECT_NE(said.find("done: diff"), std::string::npos) << said;
  EXPECT_EQ(good("diff")["node"], name(other));
  const auto listed = aurum_backup(lead, "list");
  EXPECT_NE(listed.find(good("diff").value("label", "?")), std::string::npos) << listed;
  EXPECT_NE(listed.find("0 2 1 1 *"), std::string::npos) << listed;
}

TEST_F(Backups, are_proved_by_a_restore_test_that_a_replica_makes_by_the_schedule) {
  wait_for_good("full");
  ask_for_test(json::object());
  wait_until("a result", [] { return trials().contains("ok"); });
  const auto found = trials();
  EXPECT_TRUE(found.value("ok", false)) << found;
  EXPECT_EQ(found["checksums"], "ok") << found;
  EXPECT_TRUE(found["checks"][0].value("ok", false)) << found;
  const auto lead = leader();
  EXPECT_NE(found["node"], name(lead));
  EXPECT_EQ(tester(), "");
  for (std::size_t node = 0; node < 3; ++node) EXPECT_FALSE(fs::exists(scratch_of(node)));

  wait_until("the leader's look at it", [&] {
    return rest(lead, "/metrics").find("aurum_restore_test_ok{") != std::string::npos;
  });
  const auto metrics = rest(lead, "/metrics");
  for (const char* series : {"aurum_restore_test_age_seconds{", "aurum_restore_test_rto_seconds{",
                             "aurum_restore_test_rpo_seconds{"})
    EXPECT_NE(metrics.find(series), std::string::npos) << series;
  const auto shown = json::parse(rest(lead, "/backups"))["restore_test"];
  EXPECT_TRUE(shown["last"].value("ok", false)) << shown;
  EXPECT_EQ(shown["late_seconds"], 0);
  const auto listed = aurum_backup(lead, "list");
  EXPECT_NE(listed.find(fmt::format("on {}: ok, RTO", found["node"].get<std::string>())),
            std::string::npos)
      << listed;
}

// Nobody is left to end what the test began, but for its own watcher; and another replica makes it.
TEST_F(Backups, a_restore_test_whose_agent_is_killed_leaves_nothing_and_is_made_elsewhere) {
  wait_for_good("full");
  write_script(c(), "slow_restore", "");
  fs::remove(script_path(c().plan(), "restore_pid"));
  ask_for_test(json::object());
  wait_until("a restore that hangs",
             [] { return !tester().empty() && lives(script_output(c(), "restore_pid")); });
  const auto node = index(tester());
  const auto pid = script_output(c(), "restore_pid");
  EXPECT_TRUE(fs::exists(scratch_of(node)));
  ASSERT_TRUE(c().kill(node, Part::agent));
  wait_until("the end of its pgBackRest", [&] { return !lives(pid); }, seconds(10));
  wait_until("the end of its folder", [&] { return !fs::exists(scratch_of(node)); }, seconds(10));
  fs::remove(script_path(c().plan(), "slow_restore"));
  wait_until("the end of its lock", [] { return tester().empty(); });
  EXPECT_EQ(trials()["running"]["node"], name(node)) << "nobody has said how it ended";
  need(c().start_node(node));
  need(c().wait_healthy(seconds(60)));
  // As if the pause were over.
  ask_for_test({{"running", {{"node", name(node)}, {"started", 1}}}});
  wait_until("a result", [] { return trials().contains("ok"); });
  EXPECT_TRUE(trials().value("ok", false)) << trials();
  EXPECT_EQ(trials()["node"], name(3 - node - leader()));
}

// As recorded, from a program that prints it at once: what counts is our part.
TEST_F(Backups, five_hundred_are_listed_in_half_a_second) {
  std::ofstream(script_path(c().plan(), "info.json")) << backup::testing::many_backups(500);
  write_script(c(), "recorded", "cat {dir}/info.json");
  auto text = file_text(c().config_of(0));
  const auto program = script_path(c().plan(), "pgbackrest");
  text.replace(text.find(program), program.size(), script_path(c().plan(), "recorded"));
  const auto config = script_path(c().plan(), "recorded.yml");
  std::ofstream(config) << text;
  const auto command = fmt::format("{} backup -c {} list", need(stack::own_program()), config);
  // The best of several is of this program, the others of what else the machine does.
  Duration best = seconds(60);
  for (int i = 0; i < 3 || (i < 20 && best >= milliseconds(500)); ++i) {
    const Instant begun = runtime::now();
    run_as_account(c(), command);
    best = std::min(best, runtime::now() - begun);
  }
  EXPECT_LT(best, milliseconds(500));
  EXPECT_GT(line_count(script_output(c(), "run.log")), 500U);
}

// A scheduled backup gives way to a restore of the cluster, none begins during it, and they go on
// when the cluster serves again, also before the operator has confirmed.
TEST_F(Backups, give_way_to_a_restore_of_the_cluster_and_go_on_behind_it) {
  wait_for_good("full");
  const auto lead = c().leader().value();
  need(sql(c(), lead, "CREATE TABLE kept AS SELECT 1 AS i"));
  const auto before = good("incr").value("label", "");
  write_script(c(), "slow", "");
  ask_for_incr();
  wait_until("a backup that hangs",
             [] { return !holder().empty() && lives(script_output(c(), "pid")); });
  const auto pid = script_output(c(), "pid");
  fs::remove(script_path(c().plan(), "slow"));
  std::jthread command([] { aurum_restore("--latest --yes"); });
  const auto step = [] {
    const auto restore = model::decode_restore(get_key(c(), "aurum_restore").value_or(""));
    return restore ? std::string(model::to_string(restore->step)) : std::string();
  };
  wait_until("the restore, in the leader's view of the cluster",
             [&] { return json::parse(rest(lead, "/cluster")).contains("restore"); });
  EXPECT_NE(members_listed().find(" Restore to the newest WAL: "), std::string::npos);
  wait_until("the end of the backup", [&] { return !lives(pid); });
  wait_until("the end of the restore", [&] { return step() == "done"; }, seconds(180));
  command.join();
  need(c().wait_healthy(seconds(120)));
  EXPECT_EQ(need(sql(c(), c().leader().value(), "SELECT i FROM kept")), "1");
  const auto interrupted = state()["recent"];
  EXPECT_TRUE(std::ranges::any_of(interrupted, [](const json& run) {
    return run.value("interrupted", false);
  })) << interrupted;
  ask_for_incr();
  wait_for_good("incr", before);
  EXPECT_EQ(step(), "done") << "nobody has confirmed yet";
  EXPECT_EQ(aurum_restore("--confirm --yes"), 0);
}

TEST_F(Backups, follow_a_switchover) {
  wait_for_good("full");
  const auto old = leader();
  const auto before = good("incr").value("label", "");
  wait_for_standbys();
  // In the middle of one, which can not end under another leader.
  const auto pid = begin_one_that_hangs().second;
  need(c().switchover());
  leader(old);
  wait_until("the end of its pgBackRest", [&] { return !lives(pid); });
  wait_until("its word on it", [] {
    const auto runs = state()["recent"];
    return !runs.empty() && runs.back()["node"] != "lost" &&
           runs.back().value("interrupted", false);
  });
  need(c().wait_healthy(seconds(60)));
  ask_for_incr();  // as a time of the schedule for which there is no backup yet
  const auto incr = wait_for_good("incr", before);
  EXPECT_NE(incr["node"], name(leader()));
}

class BackupsFull : public Backups {};

TEST_F(BackupsFull, of_an_agent_or_a_node_that_was_killed_begin_again_elsewhere) {
  wait_for_good("full");
  for (const Part part : {Part::agent, Part::node}) {
    const auto before = good("incr").value("label", "");
    const auto [node, pid] = begin_one_that_hangs();
    ASSERT_TRUE(c().kill(node, part));
    wait_until("the end of its pgBackRest", [&] { return !lives(pid); }, seconds(10));
    const auto incr = wait_for_good("incr", before);
    EXPECT_NE(incr["node"], name(node));
    wait_until("the end of its lock", [] { return holder().empty(); });
    need(c().start_node(node));
    need(c().wait_healthy(seconds(60)));
  }
}

// Frozen, and cut off from etcd, are the same here: the lock goes, and its pgBackRest before it.
TEST_F(Backups, of_an_agent_that_is_frozen_end_before_others_begin) {
  wait_for_good("full");
  const auto before = good("incr").value("label", "");
  const auto [node, pid] = begin_one_that_hangs();
  ASSERT_TRUE(c().freeze(node, Part::agent));
  wait_until("the end of its pgBackRest", [&] { return !lives(pid); }, seconds(20));
  const auto incr = wait_for_good("incr", before);  // TearDown looks for two at once
  EXPECT_NE(incr["node"], name(node));
  ASSERT_TRUE(c().thaw(node, Part::agent));
  need(c().wait_healthy(seconds(60)));
}

// FAILURES F38: the repository hangs, and everything else goes on. What the old leader could not
// archive is archived when the repository is back.
TEST_F(Backups, of_a_dead_repository_delay_nobody) {
  wait_for_good("full");
  const auto old = leader();
  const auto dirs = run_dirs();
  write_script(c(), "hang", "");
  ask_for_incr();
  need(sql(c(), old, "CREATE TABLE IF NOT EXISTS t(i int)"));
  for (int i = 0; i < 3; ++i)
    need(sql(c(), old, "INSERT INTO t VALUES (1); SELECT pg_switch_wal()"));
  const auto waiting = need(sql(c(), old, "SELECT pg_walfile_name(pg_current_wal_lsn())"));
  wait_for_standbys();
  forget_failures(dirs);
  const Instant begun = runtime::now();
  need(c().switchover());
  const auto second = leader(old);
  const auto took = runtime::now() - begun;
  EXPECT_LT(took, seconds(10)) << "archive_stop_timeout is 3 s, three tries of a push 12 s";
  wait_until(
      "both to stream from the new leader",
      [&] {
        const auto streams =
            sql(c(), second, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'");
        return streams && *streams == "2";
      },
      seconds(90));
  // The standbys' connections to it stay, and so they ask the repository when they are promoted,
  // not before (archive_test: a_promotion_that_has_begun_waits_for_no_dead_repository).
  forget_failures(dirs);
  const Instant frozen = runtime::now();
  ASSERT_TRUE(c().freeze(second, Part::node));
  leader(second);
  EXPECT_LT(runtime::now() - frozen, seconds(20)) << "archive_get_timeout is 30 s";
  ASSERT_TRUE(c().kill(second, Part::node));
  for (std::size_t node = 0; node < 3; ++node) need(c().start_node(node));
  need(c().wait_healthy(seconds(60)));
  fs::remove(script_path(c().plan(), "hang"));
  need(sql(c(), leader(), "SELECT pg_switch_wal()"));  // wakes the archiver
  wait_until(
      "all WAL in the archive",
      [&] {
        std::string names;
        for (const auto& entry : fs::recursive_directory_iterator(c().plan().dir / "repository"))
          names += entry.path().filename().string() + "\n";
        const auto first = std::stoul(waiting.substr(16), nullptr, 16);
        for (auto number = first - 3; number < first; ++number)
          if (names.find(fmt::format("{}{:08X}", waiting.substr(0, 16), number)) == names.npos)
            return false;
        return true;
      },
      seconds(150));
  // By its own archiver where it leads again, else by its agent.
  wait_until("nothing that waits on the old leader", [&] { return !archive_waits(old); });
}

}  // namespace
}  // namespace aurum::tests
