#include "support/cluster_test.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "runtime/clock.h"

namespace aurum::tests {

std::unique_ptr<stack::Scratch> ClusterTest::scratch_;

void ClusterTest::TearDownTestSuite() { scratch_.reset(); }

void ClusterTest::SetUp() {
  if (!scratch_) {
    scratch_ = need(stack::Scratch::make());
    if (const char* bin = std::getenv("AURUM_TEST_PG_BIN")) scratch_->plan().postgres_bin_dir = bin;
    plan(scratch_->plan());
    need(scratch_->start(seconds(120)), "the cluster did not come up");
  }
  if (writes()) begin_history();
}

void ClusterTest::TearDown() {
  writers_.reset();
  if (!HasFailure()) return;
  if (scratch_) print_decisions();
  scratch_.reset();
}

void ClusterTest::print_decisions() {
  constexpr std::size_t kLines = 40;
  constexpr std::size_t kTime = 24;  // "2026-11-23 00:26:04,207 "
  for (const auto& node : cluster().plan().nodes) {
    std::deque<std::string> last;
    std::istringstream log(file_text(cluster().log_of(node.name)));
    for (std::string line; std::getline(log, line);) {
      const bool decision = line.find(" INFO: ") != std::string::npos ||
                            line.find(" WARNING: ") != std::string::npos ||
                            line.find(" ERROR: ") != std::string::npos ||
                            line.find("FATAL:") != std::string::npos ||  // PostgreSQL's last word
                            line.find("broken promise") != std::string::npos ||  // the agent's
                            line.find("terminate called") != std::string::npos ||
                            line.find("what(): ") != std::string::npos;
      if (!decision || line.size() <= kTime) continue;
      if (line.find("no action. I am") != std::string::npos) continue;
      if (!last.empty() && line.substr(kTime, 176) == last.back().substr(kTime)) continue;
      last.push_back(line.substr(0, 200));
      if (last.size() > kLines) last.pop_front();
    }
    std::cerr << "--- what " << node.name << " decided last\n";
    for (const auto& line : last) std::cerr << line << "\n";
  }
}

void ClusterTest::begin_history() {
  writers_.reset();
  need(sql(cluster().write_conninfo(leader()), "DROP TABLE IF EXISTS aurum_history"));
  // Slow enough for a busy machine: what counts is the order of answers, not their number.
  writers_ = need(
      stack::Workload::start(cluster(), {.clients = 4, .rate = 80, .answer_deadline = seconds(2)}));
  wait_for_writes();
}

std::size_t ClusterTest::leader(Duration timeout) {
  std::optional<std::size_t> found;
  wait_for(
      "a leader",
      [&] {
        found = cluster().leader();
        return found.has_value();
      },
      timeout);
  return *found;
}

std::size_t ClusterTest::other_leader(std::size_t than, Duration timeout) {
  std::optional<std::size_t> found;
  wait_for(
      fmt::format("another leader than {}", name(than)),
      [&] {
        for (std::size_t i = 0; i < cluster().plan().nodes.size(); ++i) {
          if (i == than) continue;
          auto reply = cluster().rest(i, "GET", "/primary", {}, milliseconds(700));
          if (reply && reply->status == 200) found = i;
        }
        return found.has_value();
      },
      timeout);
  return *found;
}

std::size_t ClusterTest::replica() { return (leader() + 1) % cluster().plan().nodes.size(); }

void ClusterTest::wait_for(const std::string& what, const std::function<bool()>& so,
                           Duration timeout) {
  const Instant until = runtime::now() + timeout;
  while (!so()) {
    if (runtime::now() >= until) {
      const auto view = cluster().observe();
      std::string state;
      for (const auto& n : view.nodes)
        state += fmt::format("; {} {} {} on {}", n.name, n.role.empty() ? "silent" : n.role,
                             n.state, n.timeline);
      throw std::runtime_error(
          fmt::format("waited {:.0f} s for {}{}", to_seconds(timeout), what, state));
    }
    nap(milliseconds(30));
  }
}

void ClusterTest::wait_for_writes(Duration timeout) {
  const Instant now = runtime::now();
  wait_for(
      "an acknowledged row",
      [&] {
        const auto last = writers_->history().last_acked();
        return last && *last > now + milliseconds(300);
      },
      timeout);
}

void ClusterTest::wait_healthy(Duration timeout) { need(cluster().wait_healthy(timeout)); }

stack::Verdict ClusterTest::settle_and_judge(Loss loss) {
  wait_healthy();
  wait_for_writes();
  writers_->stop();
  stack::Verdict verdict;
  judge(writers_->history(), loss, &verdict);
  return verdict;
}

void ClusterTest::judge(const stack::History& history, Loss loss, stack::Verdict* verdict) {
  const auto rows = need(stack::read_rows(cluster()));
  const auto found = stack::judge(history, rows);
  EXPECT_TRUE(found.second_writer.empty()) << found.text();
  EXPECT_TRUE(found.resurrected.empty()) << found.text();
  EXPECT_TRUE(found.unknown_origin.empty()) << found.text();
  EXPECT_GT(found.acknowledged, 0U);
  if (loss == Loss::none) {
    EXPECT_TRUE(found.lost.empty()) << found.text();
  } else {
    const auto& last = found.reigns.back();
    for (const auto& row : found.lost) {
      EXPECT_LT(row.sent, last.first) << "row " << row.id << " was lost by the new primary";
      EXPECT_FALSE(row.node == last.node && row.timeline == last.timeline) << "row " << row.id;
    }
  }
  const auto acked = history.acknowledged();
  std::set<std::int64_t> ids;
  for (const auto& ack : acked) EXPECT_TRUE(ids.insert(ack.id).second) << "acknowledged twice";

  // Every node ends with the same rows: nobody follows a history of its own.
  for (std::size_t i = 0; i < cluster().plan().nodes.size(); ++i) {
    std::string seen;
    wait_for(fmt::format("{} rows on {}", rows.size(), name(i)), [&] {
      seen = sql(cluster(), i, "SELECT count(*) FROM aurum_history").value_or("");
      return seen == std::to_string(rows.size());
    });
  }
  if (verdict != nullptr) *verdict = found;
}

std::string ClusterTest::ask(std::size_t node, const std::string& method, const std::string& path,
                             const std::string& body, int status, Duration timeout) {
  const auto reply = need(cluster().rest(node, method, path, body, timeout), method + " " + path);
  EXPECT_EQ(reply.status, status) << method << " " << path << ": " << reply.body;
  return reply.body;
}

}  // namespace aurum::tests
