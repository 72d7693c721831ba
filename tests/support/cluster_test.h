#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "stack/scratch.h"
#include "stack/workload.h"
#include "support/inspect.h"

/// What every cluster test stands on.
namespace aurum::tests {

using stack::Cluster;
using stack::Part;

/// The value, or the end of this test with the error's text.
template <class T>
T need(Result<T> result, const std::string& what = {}) {
  if (!result) throw std::runtime_error(what + (what.empty() ? "" : ": ") + result.error().text());
  return std::move(*result);
}
inline void need(const Status& status, const std::string& what = {}) {
  if (!status) throw std::runtime_error(what + (what.empty() ? "" : ": ") + status.error().text());
}

/// What the mode and the event together promise about acknowledged rows.
enum class Loss {
  none,
  /// Asynchronous replication and a lost primary: rows the old one acknowledged while nobody else
  /// led.
  before_takeover,
};

/// A cluster that the tests of one suite share: each begins with a healthy cluster, which the one
/// before has left to heal itself, and with clients that write. A test that failed leaves its
/// cluster to nobody: the next one gets a new one.
///
/// A test does something to the cluster and ends with `settle_and_judge`.
class ClusterTest : public ::testing::Test {
 protected:
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;

  /// What this suite's cluster is; called before it is made.
  virtual void plan(stack::Plan&) {}
  /// Whether clients write from the beginning.
  virtual bool writes() const { return true; }

  Cluster& cluster() { return scratch_->cluster(); }
  stack::Workload& writers() { return *writers_; }
  const std::string& name(std::size_t node) { return cluster().plan().nodes.at(node).name; }

  /// Waits until one node holds the lock and answers as primary.
  std::size_t leader(Duration timeout = seconds(60));
  /// Waits until another node than this one does.
  std::size_t other_leader(std::size_t than, Duration timeout = seconds(60));
  /// Any node that does not lead.
  std::size_t replica();
  std::size_t third(std::size_t a, std::size_t b) const { return 3 - a - b; }
  /// Looks until it is so; else this test ends, saying what it waited for.
  void wait_for(const std::string& what, const std::function<bool()>& so,
                Duration timeout = seconds(60));
  /// Waits for an acknowledgement of a row sent from now on.
  void wait_for_writes(Duration timeout = seconds(60));
  void wait_healthy(Duration timeout = seconds(120));

  /// Waits for health, ends the clients, and compares what was acknowledged with what every node
  /// has. The history is also given back for what only one test wants to know of it.
  stack::Verdict settle_and_judge(Loss loss = Loss::none);
  void judge(const stack::History& history, Loss loss, stack::Verdict* verdict = nullptr);
  /// Ends the present clients without a judgement and begins a new history.
  void begin_history();

  /// Where a node's log ends now; `log_since` gives what came behind it.
  std::size_t log_end(std::size_t node) { return file_text(cluster().log_of(name(node))).size(); }
  std::string log_since(std::size_t node, std::size_t begin) {
    return file_text(cluster().log_of(name(node))).substr(begin);
  }

  /// REST with the answer's status as an expectation.
  std::string ask(std::size_t node, const std::string& method, const std::string& path,
                  const std::string& body, int status, Duration timeout = seconds(60));

 private:
  /// What the agents decided last, for the report of a test that failed.
  void print_decisions();

  static std::unique_ptr<stack::Scratch> scratch_;
  std::unique_ptr<stack::Workload> writers_;
};

}  // namespace aurum::tests
