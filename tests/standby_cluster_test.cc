// Two real clusters: one follows the other, is promoted, and the other then follows it.
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "live_ctl/live_cluster.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

using live::json;

/// One of the two sites. All passwords are those of site a, as the roles are.
class Site {
 public:
  Site(int nodes, const char* scope) : scratch_(need(stack::Scratch::make(nodes, 1))) {
    scratch_->plan().scope = scope;
  }
  stack::Plan& plan() { return scratch_->plan(); }
  stack::Cluster& cluster() { return scratch_->cluster(); }
  void start() { need(scratch_->start(seconds(90)), "site a"); }
  void begin() {
    need(scratch_->create());
    need(cluster().prepare());
    need(cluster().start_etcd(0));
    need(cluster().wait_etcd_healthy(seconds(30)));
    for (std::size_t i = 0; i < plan().nodes.size(); ++i) need(cluster().start_node(i));
  }
  const std::string& name(std::size_t node) { return plan().nodes.at(node).name; }
  int port(std::size_t node) { return plan().nodes.at(node).postgres_port; }
  int status(std::size_t node, const std::string& path) {
    const auto reply = cluster().rest(node, "GET", path);
    return reply ? reply->status : 0;
  }
  json patroni(std::size_t node) {
    const auto reply = cluster().rest(node, "GET", "/patroni");
    return reply ? json::parse(reply->body, nullptr, false) : json();
  }
  /// Who answers 200 to this path; the number of nodes if nobody does.
  std::size_t who(const std::string& path) {
    std::size_t i = 0;
    while (i < plan().nodes.size() && status(i, path) != 200) ++i;
    return i;
  }
  live::Output ctl(const std::string& arguments) {
    return live::run(fmt::format("{} ctl -c {} {}", std::getenv("AURUM_PROGRAM"),
                                 cluster().config_of(0).string(), arguments));
  }

 private:
  std::unique_ptr<stack::Scratch> scratch_;
};

class StandbyCluster : public ::testing::Test {
 protected:
  void SetUp() override {
    a_ = std::make_unique<Site>(2, "site-a");
    a_->start();
    password_ = a_->cluster().secrets().superuser;
    const std::size_t lead = a_->who("/primary");
    ASSERT_LT(lead, 2U);
    run_sql(*a_, lead, "CREATE TABLE rows(n int); INSERT INTO rows SELECT generate_series(1,100)");
    b_ = std::make_unique<Site>(2, "site-b");
    const auto& secrets = a_->cluster().secrets();
    json overrides;
    overrides["bootstrap"]["dcs"]["standby_cluster"] = {{"host", "127.0.0.1"},
                                                        {"port", a_->port(lead)}};
    auto& logins = overrides["postgresql"]["authentication"];
    const auto own = [](const std::string& password) {
      return json{{"password", password}, {"password_file", nullptr}};
    };
    logins = {{"superuser", own(secrets.superuser)},
              {"replication", own(secrets.replication)},
              {"rewind", own(secrets.rewind)}};
    b_->plan().overrides = overrides.dump();
    b_->begin();
  }
  void TearDown() override {
    if (!HasFailure()) return;
    for (Site* site : {a_.get(), b_.get()})
      for (std::size_t i = 0; site != nullptr && i < 2; ++i) {
        const auto log = file_text(site->cluster().log_of(site->name(i)));
        std::cerr << "--- " << site->plan().scope << " " << site->name(i) << "\n"
                  << log.substr(log.size() > 6000 ? log.size() - 6000 : 0);
      }
  }
  Result<std::string> ask(Site& site, std::size_t node, const std::string& statement) {
    return sql(fmt::format("host=127.0.0.1 port={} user=postgres dbname=postgres password={}",
                           site.port(node), password_),
               statement);
  }
  void run_sql(Site& site, std::size_t node, const std::string& statement) {
    need(ask(site, node, statement), statement);
  }
  bool streams_from(Site& site, std::size_t node, int port) {
    return ask(site, node,
               "SELECT sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'")
               .value_or("") == std::to_string(port);
  }
  bool rows_are(Site& site, int count) {
    for (std::size_t i = 0; i < 2; ++i)
      if (ask(site, i, "SELECT count(*) FROM rows").value_or("") != std::to_string(count))
        return false;
    return true;
  }
  void wait_for(const char* what, const std::function<bool()>& so, Duration limit = seconds(60)) {
    if (!live::eventually(so, limit)) throw std::runtime_error(fmt::format("no {}", what));
  }
  /// A standby leader that streams from this port, and a replica that streams from it.
  std::size_t wait_followed(Site& site, int port, Duration limit = seconds(60)) {
    std::size_t lead = 2;
    wait_for(
        "standby leader and its replica",
        [&] {
          lead = site.who("/standby-leader");
          return lead < 2 && streams_from(site, lead, port) &&
                 streams_from(site, 1 - lead, site.port(lead));
        },
        limit);
    return lead;
  }

  std::unique_ptr<Site> a_, b_;
  std::string password_;
};

TEST_F(StandbyCluster, follows_fails_over_is_promoted_and_changes_places) {
  const std::size_t lead_a = a_->who("/primary");
  const int port_a = a_->port(lead_a);
  const std::size_t lead = wait_followed(*b_, port_a, seconds(90));
  wait_for("rows at site b", [&] { return rows_are(*b_, 100); });

  // What others see of it.
  for (const char* path : {"/standby_leader", "/leader", "/read-only", "/health"})
    EXPECT_EQ(b_->status(lead, path), 200) << path;
  for (const char* path : {"/", "/primary", "/master", "/read-write", "/replica"})
    EXPECT_EQ(b_->status(lead, path), 503) << path;
  // Both sites are made at once: its copy may end later than the rows came.
  wait_for("a replica at site b", [&] { return b_->status(1 - lead, "/replica") == 200; });
  EXPECT_EQ(b_->status(1 - lead, "/standby-leader"), 503);
  EXPECT_EQ(b_->patroni(lead)["role"], "standby_leader");
  EXPECT_EQ(b_->patroni(lead)["replication_state"], "streaming");
  EXPECT_EQ(b_->patroni(1 - lead)["role"], "replica");
  const auto member =
      json::parse(need(get_key(b_->cluster(), "members/" + b_->name(lead))), nullptr, false);
  EXPECT_EQ(member["role"], "standby_leader");
  const auto list = b_->ctl("list");
  EXPECT_TRUE(list.has("| Standby Leader | ")) << list.text;
  EXPECT_EQ(need(get_key(b_->cluster(), "initialize")), need(get_key(a_->cluster(), "initialize")));
  EXPECT_FALSE(ask(*b_, lead, "INSERT INTO rows VALUES (0)")) << "it is read-only";

  // Its leader is lost: the other one streams from the remote, on the remote's timeline.
  ASSERT_TRUE(b_->cluster().kill(lead, Part::node));
  wait_for("another standby leader", [&] {
    return b_->status(1 - lead, "/standby-leader") == 200 && streams_from(*b_, 1 - lead, port_a);
  });
  run_sql(*a_, lead_a, "INSERT INTO rows SELECT generate_series(101,200)");
  need(b_->cluster().start_node(lead));
  const std::size_t next = wait_followed(*b_, port_a);
  EXPECT_EQ(next, 1 - lead);
  wait_for("more rows at site b", [&] { return rows_are(*b_, 200); });
  EXPECT_EQ(b_->patroni(next)["timeline"], a_->patroni(lead_a)["timeline"]);

  // Site b takes the writes; site a follows it.
  const auto promoted = b_->ctl("promote-cluster --force");
  EXPECT_TRUE(promoted.has("cluster is successfully promoted")) << promoted.text;
  EXPECT_EQ(b_->status(next, "/primary"), 200);
  run_sql(*b_, next, "INSERT INTO rows SELECT generate_series(201,300)");
  run_sql(*a_, lead_a, "INSERT INTO rows VALUES (-1)");  // which nobody will miss
  const auto demoted =
      a_->ctl(fmt::format("demote-cluster --host 127.0.0.1 --port {} --force", b_->port(next)));
  EXPECT_TRUE(demoted.has("cluster is successfully demoted")) << demoted.text;
  EXPECT_EQ(wait_followed(*a_, b_->port(next), seconds(120)), lead_a);
  wait_for("the rows of site b at site a", [&] { return rows_are(*a_, 300); });
  EXPECT_EQ(ask(*a_, lead_a, "SELECT count(*) FROM rows WHERE n < 0").value_or("?"), "0");

  // And back in order: who writes is demoted first, and nothing is lost.
  const auto back =
      b_->ctl(fmt::format("demote-cluster --host 127.0.0.1 --port {} --force", port_a));
  EXPECT_TRUE(back.has("cluster is successfully demoted")) << back.text;
  EXPECT_EQ(b_->who("/primary"), 2U);
  const auto again = a_->ctl("promote-cluster --force");
  EXPECT_TRUE(again.has("cluster is successfully promoted")) << again.text;
  EXPECT_EQ(ask(*a_, lead_a, "SELECT count(*) FROM rows").value_or("?"), "300");
  run_sql(*a_, lead_a, "INSERT INTO rows SELECT generate_series(301,400)");
  EXPECT_EQ(wait_followed(*b_, port_a, seconds(120)), next);
  wait_for("the rows of site a at site b", [&] { return rows_are(*b_, 400); });
  const auto log = file_text(b_->cluster().log_of(b_->name(next)));
  EXPECT_EQ(log.find("running pg_rewind"), std::string::npos) << "nothing had to be thrown away";
}

}  // namespace
}  // namespace aurum::tests
