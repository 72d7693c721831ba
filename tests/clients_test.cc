// Programs that know nothing of us, as they are set up for Patroni: HAProxy by its check paths,
// libpq by lists of hosts, promtool on the metrics; and the leader's key, as whoever moves a
// virtual address reads it (vip_manager_test has a real one).
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "stack/process.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

using Names = std::set<std::string>;

struct Check {
  const char* section;
  const char* how;         ///< HAProxy's words
  bool primary, replicas;  ///< who must be up by it
};

/// The forms of Patroni's manual, and those of newer HAProxy configurations.
constexpr Check kChecks[] = {
    {"primary", "option httpchk OPTIONS /primary", true, false},
    {"primary-get", "option httpchk GET /primary", true, false},
    {"primary-root", "option httpchk", true, false},
    {"primary-1.1",
     "option httpchk\n  http-check send meth GET uri /read-write ver HTTP/1.1 hdr Host aurum", true,
     false},
    {"kept",
     "option httpchk\n  http-check send meth HEAD uri /leader ver HTTP/1.1 hdr Host aurum "
     "hdr Connection keep-alive",
     true, false},
    {"master", "option httpchk OPTIONS /master", true, false},
    {"replica", "option httpchk OPTIONS /replica", false, true},
    {"replica-lag", "option httpchk OPTIONS /replica?lag=100MB", false, true},
    {"replica-tag", "option httpchk OPTIONS /replica?tag_of=nobody", false, false},
    {"async", "option httpchk OPTIONS /async", false, true},
    {"sync", "option httpchk OPTIONS /sync", false, false},
    {"read-only", "option httpchk OPTIONS /read-only", true, true},
    {"health", "option httpchk GET /health", true, true},
    {"liveness", "option httpchk GET /liveness", true, true},
    {"readiness", "option httpchk GET /readiness", true, true},
    {"standby-leader", "option httpchk OPTIONS /standby-leader", false, false},
};

std::string installed(const char* name) {
  for (const char* dir : {"/usr/sbin/", "/usr/bin/"})
    if (::access((std::string(dir) + name).c_str(), X_OK) == 0) return std::string(dir) + name;
  return {};
}

class Clients : public ClusterTest {
 protected:
  void TearDown() override {
    if (haproxy_) {
      stack::send_signal(*haproxy_, SIGKILL);
      stack::wait_gone(*haproxy_, seconds(5));
    }
    ClusterTest::TearDown();
  }

  void start_haproxy(const std::string& program) {
    const auto ports = need(stack::free_ports(3));
    stats_ = ports[0];
    rw_ = ports[1];
    ro_ = ports[2];
    std::string conf = fmt::format(
        "global\n  maxconn 200\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout check 2s\n"
        "  timeout client 1m\n  timeout server 1m\n"
        "  default-server check inter 200ms fall 2 rise 1\n"
        "listen stats\n  mode http\n  bind 127.0.0.1:{}\n  stats enable\n  stats uri /stats\n",
        stats_);
    for (const Check& check : kChecks) {
      conf += fmt::format("listen {}\n  {}\n  http-check expect status 200\n", check.section,
                          check.how);
      if (check.section == std::string("primary"))
        conf += fmt::format("  bind 127.0.0.1:{}\n", rw_);
      else if (check.section == std::string("replica"))
        conf += fmt::format("  bind 127.0.0.1:{}\n", ro_);
      else
        conf += fmt::format("  bind {}/{}.sock\n", (cluster().plan().dir / "run").string(),
                            check.section);
      for (const auto& node : cluster().plan().nodes)
        conf += fmt::format("  server {} {}:{} port {}\n", node.name, node.host, node.postgres_port,
                            node.rest_port);
    }
    const auto file = cluster().plan().dir / "run" / "clients.cfg";
    std::ofstream(file) << conf;
    ::chmod(file.c_str(), 0644);
    stack::Launch what;
    what.argv = {program, "-db", "-f", file.string()};
    what.log_file = cluster().log_of("clients-haproxy");
    haproxy_ = need(stack::launch(what, cluster().account()));
  }

  /// Servers of a section that HAProxy has as UP; nothing until it answers.
  std::optional<Names> up(const std::string& section) {
    const auto reply =
        stack::rest_call({"127.0.0.1", stats_, "GET", "/stats;csv", {}, {}, seconds(2)});
    if (!reply || reply->status != 200) return std::nullopt;
    Names names;
    std::istringstream lines(reply->body);
    for (std::string line; std::getline(lines, line);) {
      std::vector<std::string> cells;
      std::istringstream row(line);
      for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
      constexpr std::size_t kStatus = 17;
      if (cells.size() > kStatus && cells[0] == section && cells[kStatus].starts_with("UP"))
        names.insert(cells[1]);
    }
    names.erase("FRONTEND");
    names.erase("BACKEND");
    return names;
  }

  void expect_haproxy_follows(std::size_t lead) {
    for (const Check& check : kChecks) {
      Names wanted;
      for (std::size_t i = 0; i < 3; ++i)
        if (i == lead ? check.primary : check.replicas) wanted.insert(name(i));
      std::optional<Names> seen;
      try {
        wait_for("haproxy", [&] { return (seen = up(check.section)) == wanted; }, seconds(10));
      } catch (const std::runtime_error&) {
        std::string text;
        for (const auto& one : seen.value_or(Names{"(no answer)"})) text += " " + one;
        ADD_FAILURE() << check.section << " (" << check.how << ") has" << text;
      }
    }
    const auto door = [&](std::uint16_t port) {
      return fmt::format("host=127.0.0.1 port={} user=postgres password={} dbname=postgres", port,
                         cluster().secrets().superuser);
    };
    EXPECT_EQ(sql(door(rw_), "SELECT pg_is_in_recovery()").value_or("?"), "f");
    EXPECT_EQ(sql(door(ro_), "SELECT pg_is_in_recovery()").value_or("?"), "t");
  }

  /// A libpq string over all nodes, in an order that does not begin with the right one.
  std::string everybody(std::size_t first, const std::string& attributes) {
    std::string hosts, ports;
    for (std::size_t k = 0; k < 3; ++k) {
      const auto& node = cluster().plan().nodes[(first + k) % 3];
      hosts += (k == 0 ? "" : ",") + node.host;
      ports += (k == 0 ? "" : ",") + std::to_string(node.postgres_port);
    }
    return fmt::format(
        "host={} port={} user=postgres password={} dbname=postgres connect_timeout=3 "
        "target_session_attrs={}",
        hosts, ports, cluster().secrets().superuser, attributes);
  }
  void expect_libpq_finds(std::size_t lead, bool replicas) {
    const auto port = [&](std::size_t first, const char* attributes) {
      return sql(everybody(first, attributes), "SHOW port").value_or("?");
    };
    const std::string primary = std::to_string(cluster().plan().nodes[lead].postgres_port);
    for (std::size_t first = 0; first < 3; ++first) {
      EXPECT_EQ(port(first, "read-write"), primary);
      EXPECT_EQ(port(first, "primary"), primary);
      if (!replicas) continue;
      EXPECT_NE(port(first, "standby"), primary);
      EXPECT_NE(port(first, "read-only"), primary);
      EXPECT_NE(port(first, "prefer-standby"), primary);
    }
  }
  void expect_key_names(std::size_t lead) {
    EXPECT_EQ(get_key(cluster(), "leader").value_or("?"), name(lead));
  }

  std::optional<stack::ProcessId> haproxy_;
  std::uint16_t stats_ = 0, rw_ = 0, ro_ = 0;
};

TEST_F(Clients, haproxy_libpq_and_the_leader_key_agree_in_every_phase) {
  const std::string program = installed("haproxy");
  if (program.empty()) GTEST_SKIP() << "haproxy is not installed";
  const std::size_t first = leader();
  start_haproxy(program);
  expect_haproxy_follows(first);
  expect_libpq_finds(first, true);
  expect_key_names(first);

  need(cluster().switchover());
  const std::size_t second = leader();
  ASSERT_NE(second, first);
  wait_healthy();
  expect_haproxy_follows(second);
  expect_libpq_finds(second, true);
  expect_key_names(second);

  // A lost leader: nobody answers for it, the others are found all the same.
  ASSERT_TRUE(cluster().kill(second, Part::node));
  const std::size_t third = other_leader(second);
  wait_for_writes();
  expect_libpq_finds(third, false);
  expect_key_names(third);
  need(cluster().start_node(second));
  settle_and_judge(Loss::before_takeover);
  expect_haproxy_follows(leader());
}

// promtool tells what is no metric by its exit code 1; 3 are opinions about names, and the names
// that it does not like are Patroni's.
TEST_F(Clients, promtool_reads_the_metrics_of_primary_and_replica) {
  const std::string program = installed("promtool");
  if (program.empty()) GTEST_SKIP() << "promtool (package prometheus) is not installed";
  for (const std::size_t node : {leader(), replica()}) {
    const auto metrics = ask(node, "GET", "/metrics", "", 200);
    const auto base = cluster().plan().dir / "run";
    std::ofstream(base / "metrics") << metrics;
    const int status = std::system(fmt::format("{} check metrics <{}/metrics >{}/said 2>&1",
                                               program, base.string(), base.string())
                                       .c_str());
    const std::string said = file_text(base / "said");
    EXPECT_TRUE(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3) << said;
    std::istringstream lines(said);
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(line.empty() || line.starts_with("patroni_")) << line;
  }
}

}  // namespace
}  // namespace aurum::tests
