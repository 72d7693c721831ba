// One live cluster, handled by `aurum ctl` and REST as an operator would: what they print is what
// the cluster then does.
#include <fstream>
#include <sstream>

#include "live_cluster.h"

namespace aurum::live {
namespace {

std::string slurp(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST_F(LiveCtl, shows_the_cluster_in_every_form) {
  const auto table = ctl("list");
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_TRUE(table.has("+ Cluster: " + scope() + " (")) << table.text;
  EXPECT_TRUE(table.has("| Leader  | running   |")) << table.text;
  const json members = list();
  ASSERT_EQ(members.size(), 3U);
  EXPECT_TRUE(ctl("topology").has("| + node-"));
  EXPECT_TRUE(
      ctl("dsn").has(fmt::format("port={}", scratch_->plan().nodes[leader()].postgres_port)));
  EXPECT_TRUE(ctl("version " + scope()).has("node-3: Patroni 4."));
  EXPECT_TRUE(ctl("show-config").has("max_connections: 100"));
  EXPECT_EQ(ctl("list nosuch").exit_code, 0);
  EXPECT_EQ(ctl("frobnicate").exit_code, 2);
}

TEST_F(LiveCtl, answers_as_debians_patronictl_does) {
  const std::string passwords =
      fmt::format("PGPASSFILE={} ", (scratch_->plan().dir / "pgpass").string());
  const std::string config = fmt::format(" -c {} ", cluster().config_of(0).string());
  const std::string query = "query " + scope() + " -U postgres ";
  for (const std::string& words : {
           query + "-c \"SELECT 1 AS a, true AS b, NULL AS c, 'é' AS d\"",
           query + "-c \"SELECT 1 AS a, 'x y' AS b\" --format pretty",
           query + "-c \"SELECT 1 AS a, 'x' AS b\" --format json",
           query + "-c \"SELECT 1 AS a, 'x' AS b\" --format yaml",
           query + "-c \"SELECT 1, 2\" --delimiter '|'",
           query + "-r replica -c 'SELECT pg_is_in_recovery()'",
           query + "-c 'SELECT 1; SELECT 2 AS z'",
           query + "-m node-1 -r replica -c 'SELECT 1'",
           std::string("dsn -m node-2"),
           std::string("show-config"),
           std::string("history -f json"),
       }) {
    const auto theirs = run(passwords + "patronictl" + config + words);
    const auto ours = run(passwords + ::getenv("AURUM_PROGRAM") + " ctl" + config + words);
    EXPECT_EQ(ours.text, theirs.text) << words;
    EXPECT_EQ(ours.exit_code, theirs.exit_code) << words;
  }
}

TEST_F(LiveCtl, switches_over_named_unnamed_interactive_and_scheduled) {
  const std::size_t first = leader(), second = (first + 1) % 3;
  auto out =
      ctl(fmt::format("switchover --leader {} --candidate {} --force", name(first), name(second)));
  EXPECT_TRUE(out.has(fmt::format("Successfully switched over to \"{}\"", name(second))))
      << out.text;
  ASSERT_TRUE(cluster().wait_healthy(seconds(30)));
  EXPECT_EQ(leader(), second);

  out = ctl("switchover", "node-9\n");
  EXPECT_EQ(out.exit_code, 1);
  EXPECT_TRUE(out.has("Member node-9 is not the leader of cluster")) << out.text;
  out = ctl("switchover", fmt::format("{}\n{}\n\ny\n", name(second), name(first)));
  EXPECT_TRUE(out.has(fmt::format("Successfully switched over to \"{}\"", name(first))))
      << out.text;
  ASSERT_TRUE(cluster().wait_healthy(seconds(30)));
  out = ctl("switchover --force");
  EXPECT_TRUE(out.has("Successfully switched over to")) << out.text;
  ASSERT_TRUE(cluster().wait_healthy(seconds(30)));
  EXPECT_NE(leader(), first);

  out = ctl(fmt::format(
      "switchover --leader {} --candidate {} --scheduled 2099-01-01T00:00+00:00 --force",
      name(leader()), name(first)));
  EXPECT_TRUE(out.has("Switchover scheduled at: 2099-01-01T00:00:00+00:00")) << out.text;
  EXPECT_TRUE(
      ctl("flush " + scope() + " switchover --force").has("Success: scheduled switchover deleted"));
  EXPECT_TRUE(
      ctl("flush " + scope() + " switchover --force").has("No pending scheduled switchover"));
  out = ctl(fmt::format(
      "switchover --candidate {} --scheduled $(date -u -d '+3 sec' +%FT%TZ) --force", name(first)));
  EXPECT_TRUE(eventually([&] { return leader() == first; })) << out.text;
  EXPECT_TRUE(ctl("history -f json").has(fmt::format("\"New Leader\": \"{}\"", name(first))));
  ASSERT_TRUE(cluster().wait_healthy(seconds(30)));
  out = ctl(fmt::format("failover --candidate {} --force", name(second)));
  EXPECT_TRUE(out.has(fmt::format("Successfully failed over to \"{}\"", name(second)))) << out.text;
}

TEST_F(LiveCtl, a_switchover_leaves_the_third_member_running) {
  const std::size_t from = leader(), to = (from + 1) % 3, third = (from + 2) % 3;
  const auto started = sql(third, "SELECT pg_postmaster_start_time()");
  ctl(fmt::format("switchover --candidate {} --force", name(to)));
  ASSERT_TRUE(cluster().wait_healthy(seconds(30)));
  EXPECT_EQ(sql(third, "SELECT pg_postmaster_start_time()"), started);
}

TEST_F(LiveCtl, a_paused_cluster_still_switches_over_on_request_and_stays_whole) {
  EXPECT_TRUE(ctl("pause --wait").has("Success: cluster management is paused"));
  EXPECT_TRUE(ctl("pause").has("Error: Cluster is already paused"));
  EXPECT_TRUE(ctl("list").has(" Maintenance mode: on"));
  const std::size_t from = leader(), to = (from + 1) % 3;
  EXPECT_TRUE(ctl("switchover --force").has("only to a specific candidate in a paused state"));
  const auto out = ctl(fmt::format("switchover --candidate {} --force", name(to)));
  EXPECT_TRUE(out.has("Successfully switched over")) << out.text;
  const auto healthy = cluster().wait_healthy(seconds(30));
  EXPECT_TRUE(healthy) << healthy.error().text();
  patch(R"({"postgresql": {"parameters": {"work_mem": "5MB"}}})");
  EXPECT_TRUE(eventually([] { return everywhere("SHOW work_mem", "5MB"); }));
  EXPECT_TRUE(ctl("resume --wait").has("Success: cluster management is resumed"));
  EXPECT_TRUE(ctl("resume").has("Error: Cluster is not paused"));
  patch(R"({"postgresql": {"parameters": {"work_mem": null}}})");
  EXPECT_TRUE(eventually([] { return everywhere("SHOW work_mem", "4MB"); }));
}

TEST_F(LiveCtl, restarts_one_all_and_only_those_that_meet_the_conditions) {
  const std::size_t replica = (leader() + 1) % 3;
  const auto before = sql(replica, "SELECT pg_postmaster_start_time()");
  auto out = ctl(fmt::format("restart {} {} --force", scope(), name(replica)));
  EXPECT_TRUE(out.has("Success: restart on member " + name(replica))) << out.text;
  EXPECT_NE(sql(replica, "SELECT pg_postmaster_start_time()"), before);
  out = ctl(fmt::format("restart {} {} --force --pg-version 15.0", scope(), name(replica)));
  EXPECT_TRUE(out.has("status code=503, (restart conditions are not satisfied)")) << out.text;
  out = ctl("restart " + scope() + " --pending --force");
  EXPECT_TRUE(out.has("hint: no settings wait for a restart there")) << out.text;
  EXPECT_FALSE(out.has("restart on member")) << out.text;
  out = ctl("restart " + scope() + " --role replica --force");
  EXPECT_EQ(out.text.find("restart on member " + name(leader())), std::string::npos) << out.text;

  const auto later = fmt::format("restart {} {} --force --scheduled 2099-01-01T00:00+00:00",
                                 scope(), name(replica));
  EXPECT_TRUE(ctl(later).has("Success: restart scheduled on member"));
  EXPECT_TRUE(ctl(later).has("Failed: another restart is already scheduled on member"));
  EXPECT_TRUE(eventually([] { return ctl("list -e").has("2099-01-01T00:00:00+00:00 "); }))
      << ctl("list -e").text;
  EXPECT_TRUE(ctl("flush " + scope() + " restart --force")
                  .has("Success: flush scheduled restart for member"));
}

TEST_F(LiveCtl, limits_of_standbys_rise_on_the_replicas_first_and_fall_on_the_leader_first) {
  const std::string lead = name(leader());
  const auto pending = [](const std::string& reason) {
    return eventually([&] {
      std::size_t members = 0;
      for (const auto& member : list())
        members += member.value("Pending restart reason", "").find(reason) != std::string::npos;
      return members == 3;
    });
  };
  patch(R"({"postgresql": {"parameters": {"max_connections": 120, "shared_buffers": "64MB"}}})");
  ASSERT_TRUE(pending("max_connections: 100->120")) << ctl("list").text;
  EXPECT_TRUE(pending("shared_buffers: 128MB->64MB"));
  EXPECT_TRUE(patroni(0).value("pending_restart", false));
  auto out = ctl("restart " + scope() + " --force");
  EXPECT_TRUE(out.has("The replicas are restarted first: max_connections rises")) << out.text;
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_LE(out.at("restart on member " + name(i)), out.at("restart on member " + lead))
        << out.text;
  EXPECT_TRUE(everywhere("SHOW max_connections", "120"));
  EXPECT_TRUE(eventually([] { return !ctl("list").has("Pending restart"); }));

  patch(R"({"postgresql": {"parameters": {"max_connections": null, "shared_buffers": null}}})");
  ASSERT_TRUE(pending("max_connections: 120->100")) << ctl("list").text;
  EXPECT_TRUE(pending("shared_buffers: 64MB->")) << "a removed setting waits for a restart too";
  out = ctl("restart " + scope() + " --force");
  EXPECT_TRUE(out.has("The leader is restarted first: max_connections falls")) << out.text;
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_GE(out.at("restart on member " + name(i)), out.at("restart on member " + lead))
        << out.text;
  EXPECT_TRUE(everywhere("SHOW max_connections", "100"));
  EXPECT_TRUE(eventually([] { return !ctl("list").has("Pending restart"); })) << ctl("list").text;
}

TEST_F(LiveCtl, a_value_that_postgresql_refuses_stops_nothing) {
  patch(
      R"({"postgresql": {"parameters": {"work_mem": "zz", "max_connections": "abc", "no_such_setting": 1, "log_min_duration_statement": 77}}})");
  EXPECT_TRUE(eventually([] { return everywhere("SHOW log_min_duration_statement", "77ms"); }))
      << "the good one beside it is applied";
  EXPECT_TRUE(everywhere("SHOW work_mem", "4MB"));
  const auto out = ctl("restart " + scope() + " --force");
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(out.has("Success: restart on member " + name(i))) << out.text;
  EXPECT_TRUE(everywhere("SHOW max_connections", "100"));
  const auto log = slurp(cluster().log_of(name(0)).string());
  EXPECT_NE(log.find("postgresql.parameters.work_mem is ignored, PostgreSQL refuses it"),
            std::string::npos);
  patch(
      R"({"postgresql": {"parameters": {"work_mem": null, "max_connections": null, "no_such_setting": null, "log_min_duration_statement": null}}})");
}

TEST_F(LiveCtl, edit_config_shows_the_difference_and_refuses_nonsense) {
  auto out = ctl("edit-config --force -s maximum_lag_on_failover=2097152 -p work_mem=6MB");
  EXPECT_TRUE(out.has("+maximum_lag_on_failover: 2097152")) << out.text;
  EXPECT_TRUE(out.has("Configuration changed")) << out.text;
  EXPECT_TRUE(eventually([] { return everywhere("SHOW work_mem", "6MB"); }));
  EXPECT_TRUE(ctl("edit-config --force -p work_mem=6MB").has("Not changed"));
  EXPECT_EQ(ctl("edit-config --force -s maximum_lag_on_failover").exit_code, 1);
  out = ctl("edit-config --force -s maximum_lag_on_failover=1048576 -p work_mem=null");
  EXPECT_TRUE(eventually([] { return everywhere("SHOW work_mem", "4MB"); })) << out.text;
}

TEST_F(LiveCtl, synchronous_mode_follows_its_settings) {
  const auto senders = [](const std::string& state) {
    return sql(
        leader(),
        fmt::format("SELECT count(*) FROM pg_stat_replication WHERE sync_state = '{}'", state));
  };
  const auto standbys = [] {
    int count = 0;
    for (const auto& member : list()) count += member.value("Role", "") == "Sync Standby";
    return count;
  };
  patch(R"({"synchronous_mode": true})");
  EXPECT_TRUE(eventually([&] { return senders("sync") == "1" && standbys() == 1; }))
      << ctl("list").text;
  int good = 0;
  for (std::size_t i = 0; i < 3; ++i) good += status_of(i, "/sync") == 200;
  EXPECT_EQ(good, 1);
  patch(R"({"synchronous_node_count": 2})");
  EXPECT_TRUE(eventually([&] { return senders("sync") == "2" && standbys() == 2; }))
      << ctl("list").text;
  patch(R"({"synchronous_mode": null, "synchronous_node_count": null})");
  EXPECT_TRUE(eventually([&] { return senders("async") == "2" && standbys() == 0; }))
      << ctl("list").text;
}

TEST_F(LiveCtl, slots_follow_the_configuration) {
  const auto slots = [] {
    return sql(leader(),
               "SELECT coalesce(string_agg(slot_name, ',' ORDER BY slot_name), '') FROM "
               "pg_replication_slots");
  };
  const auto with = slots();
  patch(R"({"slots": {"archive": {"type": "physical"}}})");
  EXPECT_TRUE(eventually([&] { return slots() == "archive," + with; })) << slots();
  patch(R"({"slots": null})");
  EXPECT_TRUE(eventually([&] { return slots() == with; })) << slots();
  patch(R"({"postgresql": {"use_slots": false}})");
  EXPECT_TRUE(eventually([&] { return slots().empty(); }))
      << "a slot nobody uses holds WAL: " << slots();
  ASSERT_TRUE(cluster().wait_healthy(seconds(20)));
  patch(R"({"postgresql": {"use_slots": true}})");
  EXPECT_TRUE(eventually([&] { return slots() == with; })) << slots();
}

TEST_F(LiveCtl, reinit_copies_anew_and_says_how_far_it_is) {
  const std::size_t replica = (leader() + 1) % 3;
  const auto refused = ctl(fmt::format("reinit {} {} --force", scope(), name(leader())));
  EXPECT_EQ(refused.exit_code, 1) << refused.text;
  const auto out =
      ctl(fmt::format("reinit {} {} --force --wait --from-leader", scope(), name(replica)));
  EXPECT_TRUE(out.has("Success: reinitialize for member " + name(replica))) << out.text;
  EXPECT_TRUE(out.has("Reinitialize is completed on: " + name(replica))) << out.text;
  EXPECT_EQ(patroni(replica)["state"], "running");
  EXPECT_NE(slurp(cluster().log_of(name(replica)).string()).find("bootstrapped from leader"),
            std::string::npos);
}

TEST_F(LiveCtl, health_endpoints_tell_leader_from_replica) {
  const std::size_t lead = leader(), replica = (lead + 1) % 3;
  for (const char* path :
       {"/leader", "/primary", "/read-write", "/health", "/read-only", "/liveness", "/readiness"})
    EXPECT_EQ(status_of(lead, path), 200) << path;
  for (const char* path : {"/replica", "/async", "/standby-leader", "/nosuch", "/sync"})
    EXPECT_EQ(status_of(lead, path), 503) << path;
  for (const char* path :
       {"/replica", "/async", "/health", "/read-only", "/readiness", "/replica?lag=100MB"})
    EXPECT_EQ(status_of(replica, path), 200) << path;
  for (const char* path : {"/leader", "/primary", "/", "/replica?tag_x=1"})
    EXPECT_EQ(status_of(replica, path), 503) << path;
  const auto metrics = rest(lead, "GET", "/metrics");
  EXPECT_NE(
      metrics.find("patroni_primary{scope=\"" + scope() + "\",name=\"" + name(lead) + "\"} 1\n"),
      std::string::npos);
}

TEST_F(LiveCtl, callbacks_are_told_action_role_and_scope) {
  ::unlink(callback_file().c_str());
  EXPECT_TRUE(
      ctl("reload " + scope() + " --force").has("Reload request received for member node-1"));
  const auto called = [](const std::string& line, std::size_t times) {
    const auto text = slurp(callback_file());
    std::size_t seen = 0;
    for (std::size_t at = 0; (at = text.find(line + "\n", at)) != std::string::npos;
         at += line.size())
      ++seen;
    return seen == times;
  };
  EXPECT_TRUE(eventually([&] {
    return called("on_reload replica " + scope(), 2) && called("on_reload primary " + scope(), 1);
  })) << slurp(callback_file());
  ::unlink(callback_file().c_str());
  ctl("switchover --force");
  ASSERT_TRUE(cluster().wait_healthy(seconds(30)));
  EXPECT_TRUE(eventually([&] {
    return called("on_stop demoted " + scope(), 1) &&
           called("on_role_change primary " + scope(), 1) &&
           called("on_role_change replica " + scope(), 1);
  })) << slurp(callback_file());
}

TEST_F(LiveCtl, tags_of_the_file_are_taken_over_by_sighup) {
  const std::size_t tagged = (leader() + 1) % 3;
  const auto file = cluster().config_of(tagged).string();
  const auto before = slurp(file);
  const auto write = [&](const std::string& text) {
    std::ofstream(file) << text;
    const auto agent = cluster().agent(tagged);
    ASSERT_TRUE(agent);
    ASSERT_TRUE(stack::send_signal(*agent, SIGHUP));
  };
  write(before + "tags:\n  nofailover: true\n  noloadbalance: true\n  own: x\n");
  EXPECT_TRUE(eventually([&] {
    return ctl("list").has("nofailover: true") && status_of(tagged, "/replica") == 503;
  })) << ctl("list").text;
  const auto out = ctl(fmt::format("switchover --candidate {} --force", name(tagged)));
  EXPECT_TRUE(out.has("does not exist in cluster") && out.has("or is tagged as nofailover"))
      << out.text;
  write(before);
  EXPECT_TRUE(eventually([&] {
    return !ctl("list").has("nofailover") && status_of(tagged, "/replica") == 200;
  })) << ctl("list").text;
}

}  // namespace
}  // namespace aurum::live
