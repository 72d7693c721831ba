// The bench on real clusters: what it would say of a server that goes on past its deadline, and of
// one that does not.
#include <algorithm>
#include <unistd.h>

#include <gtest/gtest.h>

#include "runtime/clock.h"
#include "stack/bench_run.h"
#include "stack/nap.h"

namespace aurum::stack {
namespace {

FailoverOptions short_options() {
  FailoverOptions options;
  options.rate = 100;
  return options;
}

/// Clients write, the agent is stopped so that its deadline passes, and what they were told then is
/// judged. `all`: its guard is stopped with it.
Past worst_row_of_a_stopped_agent(Scratch& scratch, bool all) {
  Cluster& cluster = scratch.cluster();
  const PageWatch pages(cluster);
  auto workload = Workload::start(cluster, {.clients = 2, .rate = 50});
  if (!workload) throw std::runtime_error(workload.error().text());
  if (!(*workload)->wait_for_write(runtime::now(), seconds(20))) throw std::runtime_error("no row");
  const auto server = cluster.processes(0, Part::postgres);
  for (const auto& id : cluster.processes(0, all ? Part::node : Part::agent))
    if (std::find(server.begin(), server.end(), id) == server.end()) send_signal(id, SIGSTOP);
  // Until the deadline has passed, and three seconds more for rows to be told of.
  const auto ended = [&] {
    const auto spans = pages.seen(0);
    return !spans.empty() && spans.back().to > spans.back().until + seconds(3);
  };
  for (const Instant until = runtime::now() + seconds(30); !ended();) {
    if (runtime::now() > until) throw std::runtime_error("its deadline does not pass");
    nap(milliseconds(20));
  }
  (*workload)->pause();
  cluster.thaw(0, Part::node);
  Past worst = Past::no;
  for (const auto& row : (*workload)->history().acknowledged())
    worst = std::max(worst, judge_past(pages.seen(0), row.sent, row.acked));
  return worst;
}

std::unique_ptr<Scratch> single_node(const std::string& overrides) {
  auto scratch = Scratch::make(1, 1);
  if (!scratch) throw std::runtime_error(scratch.error().text());
  (*scratch)->plan().overrides = overrides;
  auto started = (*scratch)->start(seconds(90));
  if (!started) throw std::runtime_error(started.error().text());
  return std::move(*scratch);
}

TEST(BenchSystem, a_server_that_goes_on_past_its_page_is_seen) {
  // No commit fence, and a guard that can not kill: what is left of the protection is nothing.
  const auto scratch = single_node(R"({"aurum": {"fence": null}})");
  EXPECT_EQ(worst_row_of_a_stopped_agent(*scratch, true), Past::yes);
}

TEST(BenchSystem, a_server_that_is_killed_in_time_is_not_accused) {
  const auto scratch = single_node("");
  EXPECT_NE(worst_row_of_a_stopped_agent(*scratch, false), Past::yes);
}

TEST(BenchSystem, an_agent_stopped_for_a_while_has_no_row_past_its_deadline) {
  auto arm = Arm::start("aurum@default", short_options());
  ASSERT_TRUE(arm) << arm.error().text();
  Interrupts interrupts;
  const Instant began = runtime::now();
  (*arm)->run(Fault::agent_stop, 1, seconds(12), interrupts);
  EXPECT_GE(runtime::now() - began, seconds(12));
  (*arm)->judge();
  ASSERT_EQ((*arm)->runs().size(), 1U);
  const RunRecord& run = (*arm)->runs().front();
  EXPECT_EQ(run.note, "");
  EXPECT_TRUE(run.promote_s) << "another node leads";
  EXPECT_GT(run.outage_s, 0.5);
  EXPECT_LT(run.outage_s, 12) << "it did not wait for the end of the stop";
  EXPECT_GT(run.rows, 100U);
  EXPECT_EQ(run.past, 0U);
  EXPECT_EQ(run.second_writer, 0U);
  EXPECT_GT(run.unknown, 0U) << "its clients lost their connections";
  EXPECT_LE(run.unknown, 4U) << "one for each client";
}

TEST(BenchSystem, the_server_of_a_stopped_patroni_goes_on) {
  if (::access("/usr/bin/patroni", X_OK) != 0) GTEST_SKIP() << "patroni is not installed";
  auto arm = Arm::start("patroni", short_options());
  ASSERT_TRUE(arm) << arm.error().text();
  Interrupts interrupts;
  (*arm)->run(Fault::agent_stop, 1, seconds(30), interrupts);
  (*arm)->judge();
  ASSERT_EQ((*arm)->runs().size(), 1U);
  const RunRecord& run = (*arm)->runs().front();
  EXPECT_TRUE(run.promote_s) << "another node leads";
  EXPECT_GT(run.past, 0U) << "its server was told of nothing";
  EXPECT_LT(run.past, run.rows);
}

}  // namespace
}  // namespace aurum::stack
