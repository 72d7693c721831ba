#pragma once

#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "stack/cluster.h"

/// Whether a row was acknowledged past the deadline in its primary's lease page
/// (docs/ARCHITECTURE.md). All clocks here are this machine's CLOCK_BOOTTIME, the page's too, so
/// that they compare.
namespace aurum::stack {

/// What a page allowed at each look of some in a row.
struct PageSpan {
  Instant from;  ///< behind the first look
  Instant to;    ///< ahead of the last one
  Instant
      until;  ///< acknowledging was allowed until then; Instant{0} not at all, kNever in a pause
};

/// A look at the page, which was taken between two moments, joins the last span or begins one: with
/// another deadline, or when the looks were so far apart that the page may have said something else
/// in between.
void add_look(std::vector<PageSpan>& spans, Instant before, Instant after, Instant until);

enum class Past {
  no,     ///< it was allowed when the client had the answer
  maybe,  ///< the client had the answer behind the deadline; it may have left the server before
  yes     ///< nothing allowed it between the client's question and its answer
};

/// A client knows when it asked and when it read the answer, not when the answer left. So only a
/// row that was *sent* past the deadline proves something; and only where looks were frequent.
Past judge_past(const std::vector<PageSpan>& spans, Instant sent, Instant acked);

/// Looks at the pages of all nodes, every other millisecond, until it goes.
class PageWatch {
 public:
  explicit PageWatch(const Cluster& cluster);
  ~PageWatch();
  PageWatch(const PageWatch&) = delete;
  PageWatch& operator=(const PageWatch&) = delete;

  /// Until the page of every node has been looked at. A node without one could not be accused of
  /// anything.
  Status wait_for_all(Duration timeout) const;
  std::vector<PageSpan> seen(std::size_t node) const;

 private:
  struct Page;
  void watch(const std::stop_token& stop);

  mutable std::mutex mutex_;
  std::vector<std::vector<PageSpan>> spans_;  ///< of each node
  std::vector<Page> pages_;
  std::jthread thread_;
};

}  // namespace aurum::stack
