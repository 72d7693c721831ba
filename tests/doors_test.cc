// HAProxy and PgBouncer of a stack, with TLS on every link: they lead to the primary whoever that
// is and however many nodes there are, and take up what has changed without a client's loss.
#include <future>
#include <set>
#include <vector>

#include <libpq-fe.h>

#include "runtime/clock.h"
#include "stack/certs.h"
#include "stack/libpq.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

using stack::Way;

class Doors : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    plan.tls = true;
    need(stack::plan_door(plan, Way::pgbouncer));
  }
  void SetUp() override {
    for (const char* name : {"haproxy", "pgbouncer"})
      if (const auto found = stack::find_server(name); !found) GTEST_SKIP() << found.error().text();
    ClusterTest::SetUp();
  }
  /// "PORT" of the primary that answers, "PORT, a replica", or why nobody does.
  static std::string answer_of(const std::string& conninfo) {
    const auto said = sql(conninfo,
                          "SELECT current_setting('port') || "
                          "CASE WHEN pg_is_in_recovery() THEN ', a replica' ELSE '' END");
    return said ? *said : said.error().text();
  }
  std::string by(Way way) { return answer_of(cluster().door_conninfo(way)); }
  std::string port_of(std::size_t node) {
    return std::to_string(cluster().plan().nodes[node].postgres_port);
  }
};

/// A client that stays connected.
class Client {
 public:
  explicit Client(const std::string& conninfo) : conn_(PQconnectdb(conninfo.c_str())) {}
  bool answers() {
    const stack::Answer result(PQexec(conn_.get(), "SELECT 1"));
    return PQresultStatus(result.get()) == PGRES_TUPLES_OK;
  }

 private:
  stack::Connection conn_;
};

TEST_F(Doors, lead_to_the_primary_through_a_failover_and_come_back_when_killed) {
  const std::size_t first = leader();
  EXPECT_EQ(by(Way::haproxy), port_of(first));
  EXPECT_EQ(by(Way::pgbouncer), port_of(first));
  // A role that only the database knows, in a database of its own.
  need(sql(cluster(), first, "CREATE ROLE app LOGIN PASSWORD 'of its own'"));
  need(sql(cluster(), first, "CREATE DATABASE app OWNER app"));
  const auto app = stack::door_pairs(cluster().plan(), Way::pgbouncer) +
                   " user=app dbname=app password='of its own'";
  EXPECT_EQ(answer_of(app), port_of(first));
  EXPECT_NE(answer_of(app + "s"), port_of(first)) << "a wrong password is taken";

  cluster().kill(first, Part::node);
  const std::size_t now = other_leader(first);
  wait_for("HAProxy", [&] { return by(Way::haproxy) == port_of(now); });
  wait_for("PgBouncer", [&] { return by(Way::pgbouncer) == port_of(now); });
  need(cluster().start_node(first));
  wait_healthy();

  for (const auto& door : cluster().doors()) {
    ASSERT_TRUE(cluster().kill_door(door));
    EXPECT_EQ(cluster().observe().trouble, door + " is down");
    need(cluster().start_door(door));
    wait_healthy();
  }
  EXPECT_EQ(by(Way::pgbouncer), port_of(now));
  settle_and_judge(Loss::before_takeover);
}

TEST_F(Doors, take_up_certificates_and_nodes_and_no_client_is_lost) {
  const std::size_t lead = leader();
  Client direct(cluster().door_conninfo(Way::haproxy));
  Client pooled(cluster().door_conninfo(Way::pgbouncer));
  ASSERT_TRUE(direct.answers() && pooled.answers());
  const auto before = cluster().door("haproxy"), pooler = cluster().door("pgbouncer");

  need(stack::renew_certs({cluster().plan().dir / "certs"}, {.all = true}, runtime::wall_now()));
  need(cluster().start_doors());
  EXPECT_TRUE(direct.answers() && pooled.answers());
  EXPECT_EQ(by(Way::haproxy), port_of(lead));

  // One more node, and one less: HAProxy becomes a new process, which knows who leads.
  need(cluster().add_node());
  const std::size_t fresh = cluster().plan().nodes.size() - 1;
  need(cluster().start_node(fresh));
  wait_healthy();
  const auto look = [&] {
    // Clients come all the while, as many as there is time for.
    const auto until = runtime::now() + seconds(2);
    std::vector<std::future<std::set<std::string>>> clients;
    for (int i = 0; i < 3; ++i)
      clients.push_back(std::async(std::launch::async, [&] {
        std::set<std::string> answers;
        while (runtime::now() < until) answers.insert(by(Way::haproxy));
        return answers;
      }));
    nap(milliseconds(200));
    need(cluster().start_doors());
    for (auto& client : clients) EXPECT_EQ(client.get(), std::set<std::string>{port_of(lead)});
    EXPECT_TRUE(direct.answers() && pooled.answers());
  };
  look();
  const auto reads = cluster().door_conninfo(Way::haproxy, stack::Access::read_only);
  wait_for("the fourth node's answer",
           [&] { return answer_of(reads) == port_of(fresh) + ", a replica"; });
  need(cluster().stop_node(fresh));
  need(cluster().remove_node(fresh));
  look();
  EXPECT_EQ(cluster().door("haproxy"), before) << "its master stays";
  EXPECT_EQ(cluster().door("pgbouncer"), pooler);
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
