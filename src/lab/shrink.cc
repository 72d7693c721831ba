#include "lab/shrink.h"

#include <algorithm>

namespace aurum::lab {

namespace {

sim::RunOptions keeping(const sim::RunOptions& options, const std::vector<int>& kept,
                        std::size_t planned) {
  sim::RunOptions smaller = options;
  smaller.without.clear();
  for (int i = 0; i < static_cast<int>(planned); ++i) {
    if (std::find(kept.begin(), kept.end(), i) == kept.end()) smaller.without.push_back(i);
  }
  return smaller;
}

}  // namespace

sim::RunOptions shrink(const sim::RunOptions& options, const sim::RunResult& result, int runs_most,
                       const Runner& run) {
  if (result.violations.empty()) return options;
  const sim::Rule rule = result.violations.front().rule;
  const auto fails = [&](const std::vector<int>& kept) {
    const sim::RunResult again = run(keeping(options, kept, result.plan.size()));
    return !again.violations.empty() && again.violations.front().rule == rule;
  };
  std::vector<int> kept;
  for (int i = 0; i < static_cast<int>(result.plan.size()); ++i) {
    const auto& out = options.without;
    if (std::find(out.begin(), out.end(), i) == out.end()) kept.push_back(i);
  }
  // Large pieces first, from the end: what begins after the rule was broken goes at once.
  for (std::size_t piece = std::max<std::size_t>(kept.size() / 2, 1); runs_most > 0;) {
    bool less = false;
    for (std::size_t end = kept.size(); end > 0 && runs_most > 0;) {
      const std::size_t begin = end > piece ? end - piece : 0;
      std::vector<int> fewer = kept;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(begin),
                  fewer.begin() + static_cast<std::ptrdiff_t>(end));
      --runs_most;
      if (fails(fewer)) {
        kept = std::move(fewer);
        less = true;
      }
      end = begin;
    }
    if (piece == 1 && !less) break;
    piece = std::max<std::size_t>(std::min(piece, kept.size()) / 2, 1);
  }
  return keeping(options, kept, result.plan.size());
}

}  // namespace aurum::lab
