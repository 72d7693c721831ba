// The checklist, item by item: a cluster fit for production, and what one change makes of it.
#include "cli/doctor_checks.h"

#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kDay = 86'400;

std::string certificate_metric(std::int64_t end) {
  return "# HELP aurum_certificate_expiry_timestamp_seconds x\n"
         "aurum_certificate_expiry_timestamp_seconds{scope=\"s\",name=\"a\",use=\"restapi\"} " +
         std::to_string(end) + "\n";
}

model::Member member(const std::string& name, bool leads) {
  model::Member m{.name = name};
  m.conn_url = "postgres://" + name + ":5432/postgres";
  m.api_url = "https://" + name + ":8008/patroni";
  m.state = model::PgState::running;
  m.role = leads ? model::Role::primary : model::Role::replica;
  m.aurum_version = "0.1.0";
  m.xlog_location = model::Lsn{1 << 30};
  m.receive_lsn = leads ? std::nullopt : m.xlog_location;
  if (!leads) m.replication_state = "streaming";
  return m;
}

model::Value tree(std::string_view json) { return *model::parse_json(json); }

DoctorFacts fit() {
  DoctorFacts f;
  f.now = WallTime{kNow * 1'000'000};
  f.config.etcd.protocol = "https";
  f.config.rest.tls.certfile = "/certs/rest.crt";
  f.config.rest.username = "aurum";
  f.config.rest.password = "own";
  f.config.pg.superuser.password = "own";
  f.config.pg.replication.options["sslmode"] = "verify-full";
  f.config.aurum.backup.emplace();
  for (const char* host : {"e1:2379", "e2:2379", "e3:2379"})
    f.etcd.push_back({.endpoint = host, .error = "", .version = "3.5.30", .fsync_p99_s = 0.004});
  model::ClusterView view;
  for (const char* name : {"a", "b", "c"}) view.members[name] = member(name, *name == 'a');
  view.leader = model::Leader{.name = "a"};
  view.config = tree(R"({"ttl":10,"loop_wait":1,"retry_timeout":3,"synchronous_mode":true,)"
                     R"("postgresql":{"use_pg_rewind":true}})");
  view.sync = {.leader = "a", .members = {"b"}};
  f.view = view;
  backup::BackupKeys keys;
  keys.state.good[backup::RunKind::full] = {.kind = backup::RunKind::full, .started = kNow - 3600};
  f.backups = keys;
  f.restore_test = backup::RestoreTrial{.at = "2027-01-14T08:00:00+00:00", .ok = true};
  for (const char* name : {"a", "b", "c"})
    f.agents.push_back({.name = name,
                        .error = "",
                        .status = tree(R"({"server_version":150020})"),
                        .metrics = certificate_metric(kNow + 200 * kDay)});
  ServerFacts server;
  server.settings = {{"shared_preload_libraries", "aurum_fence"},
                     {"aurum.fence", "on"},
                     {"fsync", "on"},
                     {"full_page_writes", "on"},
                     {"synchronous_commit", "on"},
                     {"data_checksums", "on"},
                     {"wal_log_hints", "off"},
                     {"max_slot_wal_keep_size", "4096"},
                     {"archive_mode", "on"},
                     {"ssl", "on"},
                     {"password_encryption", "scram-sha-256"}};
  server.hba = {{1, "local", "", "peer"},
                {2, "hostnossl", "all", "reject"},
                {3, "hostssl", "all", "scram-sha-256"}};
  server.archiver = {
      .archived = 7, .failed = 1, .last_archived = kNow - 10, .last_failed = kNow - 20};
  f.server = server;
  f.machine = {.clock_synchronized = true,
               .secrets = {{"/certs/rest.key", 0600, false}, {"/data", 0700, true}},
               .free_share = 0.6,
               .guard = GuardFacts{.real_time = true, .locked = true, .oom_score = -1000}};
  return f;
}

Verdict verdict(std::string_view id, const DoctorFacts& facts) {
  for (const auto& item : check_items())
    if (item.id == id) return item.judge(facts);
  ADD_FAILURE() << "no item " << id;
  return {};
}

TEST(Doctor, a_cluster_fit_for_production_passes_everything) {
  const auto facts = fit();
  for (const auto& item : check_items()) {
    const auto seen = item.judge(facts);
    EXPECT_EQ(seen.health, Health::pass) << item.id << ": " << seen.told;
    EXPECT_FALSE(seen.told.empty()) << item.id;
  }
}

struct Fault {
  const char* id;
  std::function<void(DoctorFacts&)> make;
  const char* told;
};

std::vector<Fault> faults() {
  return {
      {"etcd-members", [](auto& f) { f.etcd[1].error = "refused"; }, "e2:2379: refused"},
      {"etcd-members", [](auto& f) { f.etcd.pop_back(); }, "none may be lost"},
      {"etcd-version", [](auto& f) { f.etcd[2].version = "3.5.16"; }, "3.5.16"},
      {"etcd-disk", [](auto& f) { f.etcd[0].fsync_p99_s = 0.128; }, "128 ms"},
      {"members", [](auto& f) { f.view->members["c"].replication_state = ""; },
       "c does not stream"},
      {"members", [](auto& f) { f.view->leader.reset(); }, "nobody leads"},
      {"hosts", [](auto& f) { f.view->members["c"].conn_url = "postgres://b:5433/postgres"; },
       "on b"},
      {"tags",
       [](auto& f) {
         for (const char* name : {"b", "c"})
           f.view->members[name].tags = tree(R"({"nofailover":true})");
       },
       "no replica"},
      {"lag", [](auto& f) { f.view->members["b"].receive_lsn = model::Lsn{1 << 29}; },
       "b is 512 MB"},
      {"pending-restart", [](auto& f) { f.view->members["b"].pending_restart = true; }, "b"},
      {"not-paused", [](auto& f) { f.view->config.set("pause", true); }, "paused"},
      {"versions", [](auto& f) { f.agents[1].status = tree(R"({"server_version":150018})"); },
       "150018"},
      {"versions", [](auto& f) { f.view->members["c"].aurum_version = ""; }, "patroni"},
      {"timing", [](auto& f) { f.view->config.set("ttl", 60); }, "ttl 60"},
      {"synchronous-mode", [](auto& f) { f.view->config.set("synchronous_mode", false); }, "lose"},
      {"synchronous-mode", [](auto& f) { f.view->sync.members.clear(); }, "no standby is"},
      {"commit-fence", [](auto& f) { f.server->settings["shared_preload_libraries"] = ""; },
       "without"},
      {"commit-fence", [](auto& f) { f.server->settings["aurum.fence"] = "off"; }, "off"},
      {"guard", [](auto& f) { f.machine.guard->real_time = false; }, "as any process"},
      {"guard", [](auto& f) { f.machine.guard->locked = false; }, "swapped out"},
      {"guard", [](auto& f) { f.machine.guard->oom_score = 0; }, "memory is short"},
      {"durability", [](auto& f) { f.server->settings["fsync"] = "off"; }, "fsync is off"},
      {"checksums", [](auto& f) { f.server->settings["data_checksums"] = "off"; }, "not noticed"},
      {"pg-rewind", [](auto& f) { f.server->settings["data_checksums"] = "off"; }, "wal_log_hints"},
      {"pg-rewind", [](auto& f) { f.view->config.set("postgresql", tree("{}")); },
       "use_pg_rewind is off"},
      {"slots-bounded", [](auto& f) { f.server->settings["max_slot_wal_keep_size"] = "-1"; }, "-1"},
      {"archiving", [](auto& f) { f.server->settings["archive_mode"] = "off"; }, "archive_mode"},
      {"archiving", [](auto& f) { f.server->archiver.last_failed = kNow; }, "1 tries"},
      {"backup-age", [](auto& f) { f.config.aurum.backup.reset(); }, "no aurum.backup"},
      {"backup-age", [](auto& f) { f.backups->state.good.clear(); }, "there is none"},
      {"backup-age",
       [](auto& f) { f.backups->state.good[backup::RunKind::full].started = kNow - 50 * 3600; },
       "50 hours"},
      {"restore-test", [](auto& f) { f.restore_test.reset(); }, "never"},
      {"restore-test", [](auto& f) { f.restore_test->ok = false; }, "failed"},
      {"restore-test", [](auto& f) { f.restore_test->at = "2026-11-14T08:00:00+00:00"; },
       "62 days"},
      {"tls", [](auto& f) { f.config.etcd.protocol = "http"; }, "etcd"},
      {"tls", [](auto& f) { f.config.rest.tls.certfile = ""; }, "REST"},
      {"tls", [](auto& f) { f.config.pg.replication.options.clear(); }, "replication"},
      {"tls", [](auto& f) { f.server->hba.push_back({9, "host", "10.0.0.0", "scram-sha-256"}); },
       "line 9"},
      {"authentication", [](auto& f) { f.server->hba.push_back({8, "hostssl", "all", "trust"}); },
       "line 8"},
      {"authentication", [](auto& f) { f.server->settings["password_encryption"] = "md5"; }, "md5"},
      {"passwords",
       [](auto& f) { f.passwords.push_back({.path = "a", .message = "everybody knows"}); },
       "knows"},
      {"rest-writes", [](auto& f) { f.config.rest.password = ""; }, "anybody"},
      {"file-modes", [](auto& f) { f.machine.secrets[0].mode = 0644; }, "/certs/rest.key is 0644"},
      {"certificates", [](auto& f) { f.agents[2].metrics = certificate_metric(kNow + 5 * kDay); },
       "5 days (c restapi)"},
      {"time-sync", [](auto& f) { f.machine.clock_synchronized = false; }, "NTP"},
      {"disk-room", [](auto& f) { f.machine.free_share = 0.07; }, "7 %"},
  };
}

TEST(Doctor, every_fault_is_named_with_what_to_do) {
  std::set<std::string_view> tried;
  for (const auto& fault : faults()) {
    auto facts = fit();
    fault.make(facts);
    const auto seen = verdict(fault.id, facts);
    tried.insert(fault.id);
    EXPECT_EQ(seen.health, Health::fail) << fault.id << ": " << seen.told;
    EXPECT_THAT(seen.told, HasSubstr(fault.told)) << fault.id;
    EXPECT_FALSE(seen.fix.empty()) << fault.id;
  }
  for (const auto& item : check_items())
    EXPECT_TRUE(tried.contains(item.id)) << "no fault for " << item.id;
}

TEST(Doctor, a_quorum_is_told_by_its_number) {
  auto facts = fit();
  EXPECT_EQ(verdict("synchronous-mode", facts).told, "a commit waits for b");
  facts.view->config.set("synchronous_mode", "quorum");
  facts.view->sync = {.leader = "a", .members = {"b", "c"}, .quorum = 1};
  EXPECT_EQ(verdict("synchronous-mode", facts).told, "a commit waits for 1 of b, c");
}

TEST(Doctor, roles_are_enough_to_keep_writes_from_everybody) {
  auto facts = fit();
  facts.config.rest.username = facts.config.rest.password = "";
  facts.config.aurum.access = {{.role = model::AccessRole::admin, .name = "ops"}};
  EXPECT_EQ(verdict("rest-writes", facts).told, "with a role of aurum.access");
}

TEST(Doctor, what_could_not_be_asked_is_not_known) {
  DoctorFacts nothing;
  nothing.config.aurum.backup.emplace();
  for (const auto& item : check_items()) {
    const auto seen = item.judge(nothing);
    const bool of_the_file =
        item.id == "etcd-members" || item.id == "tls" || item.id == "rest-writes";
    EXPECT_EQ(seen.health, of_the_file ? Health::fail : Health::unknown)
        << item.id << ": " << seen.told;
  }
  auto facts = fit();
  facts.agents[1].error = "no answer";
  facts.agents[1].metrics.clear();
  EXPECT_EQ(verdict("certificates", facts).health, Health::unknown);
  EXPECT_EQ(verdict("versions", facts).health, Health::unknown);
}

TEST(Doctor, items_have_names_of_their_own) {
  std::set<std::string_view> ids;
  for (const auto& item : check_items()) EXPECT_TRUE(ids.insert(item.id).second) << item.id;
}

TEST(DoctorMetrics, a_percentile_is_the_bound_of_its_bucket) {
  const std::string text =
      "# TYPE h histogram\nh_bucket{le=\"0.001\"} 50\nh_bucket{le=\"0.002\"} 98\n"
      "h_bucket{le=\"0.004\"} 99\nh_bucket{le=\"+Inf\"} 100\nh_sum 1\nh_count 100\n";
  EXPECT_EQ(p99(text, "h"), 0.004);
  EXPECT_EQ(p99(text, "other"), std::nullopt);
  EXPECT_EQ(p99("h_bucket{le=\"0.001\"} 1\nh_bucket{le=\"+Inf\"} 100\n", "h"), 0.001);
  EXPECT_EQ(p99("h_bucket{le=\"+Inf\"} 0\n", "h"), std::nullopt);
}

TEST(DoctorMetrics, samples_of_one_name) {
  const auto found = samples("a{x=\"1\"} 2\nab{x=\"1\"} 3\na 4\n# a 5\n", "a");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].first, "{x=\"1\"}");
  EXPECT_EQ(found[1].second, 4);
}

}  // namespace
}  // namespace aurum::cli
