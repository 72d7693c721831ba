#include "stack/history.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

namespace aurum::stack {

void History::acknowledge(Acknowledged ack) {
  const std::lock_guard lock(mutex_);
  last_ = last_ ? std::max(*last_, ack.acked) : ack.acked;
  acked_.push_back(std::move(ack));
}

void History::unknown(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  unknown_.insert(id);
}

void History::refused(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  refused_.insert(id);
}

std::vector<Acknowledged> History::acknowledged() const {
  std::vector<Acknowledged> sorted;
  {
    const std::lock_guard lock(mutex_);
    sorted = acked_;
  }
  std::sort(sorted.begin(), sorted.end(), [](const Acknowledged& a, const Acknowledged& b) {
    return std::tie(a.acked, a.id) < std::tie(b.acked, b.id);
  });
  return sorted;
}

std::set<std::int64_t> History::unknown_ids() const {
  const std::lock_guard lock(mutex_);
  return unknown_;
}

std::set<std::int64_t> History::refused_ids() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

std::size_t History::count() const {
  const std::lock_guard lock(mutex_);
  return acked_.size();
}

std::optional<Instant> History::last_acked() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

std::vector<Reign> reigns_of(const std::vector<Acknowledged>& acked) {
  std::map<std::pair<std::string, std::uint32_t>, Reign> found;
  for (const auto& ack : acked) {
    auto [it, fresh] = found.try_emplace({ack.node, ack.timeline},
                                         Reign{ack.node, ack.timeline, ack.acked, ack.acked, 0});
    it->second.first = std::min(it->second.first, ack.acked);
    it->second.last = std::max(it->second.last, ack.acked);
    ++it->second.rows;
  }
  std::vector<Reign> reigns;
  for (auto& [key, reign] : found) reigns.push_back(reign);
  std::sort(reigns.begin(), reigns.end(), [](const Reign& a, const Reign& b) {
    return std::tie(a.first, a.timeline, a.node) < std::tie(b.first, b.timeline, b.node);
  });
  return reigns;
}

Verdict judge(const History& history, const std::set<std::int64_t>& table) {
  Verdict verdict;
  const auto acked = history.acknowledged();
  const auto unknown = history.unknown_ids();
  const auto refused = history.refused_ids();
  verdict.acknowledged = acked.size();
  verdict.reigns = reigns_of(acked);

  std::set<std::int64_t> known = unknown;
  for (const auto& ack : acked) {
    known.insert(ack.id);
    if (!table.contains(ack.id)) verdict.lost.push_back(ack);
    // An answer may lie in a socket while the next reign begins, so the time of sending decides: a
    // row sent after a later reign's first acknowledgement was certainly accepted by a second
    // writer.
    const auto mine = std::find_if(
        verdict.reigns.begin(), verdict.reigns.end(),
        [&](const Reign& r) { return r.node == ack.node && r.timeline == ack.timeline; });
    const bool superseded = std::any_of(std::next(mine), verdict.reigns.end(),
                                        [&](const Reign& later) { return ack.sent > later.first; });
    if (superseded) verdict.second_writer.push_back(ack);
  }
  for (const auto id : table) {
    if (refused.contains(id)) {
      verdict.resurrected.push_back(id);
    } else if (!known.contains(id)) {
      verdict.unknown_origin.push_back(id);
    }
  }
  return verdict;
}

std::string Verdict::text() const {
  std::string text = fmt::format("{} rows acknowledged, {} lost, {} by a second primary",
                                 acknowledged, lost.size(), second_writer.size());
  if (!resurrected.empty()) text += fmt::format(", {} refused yet there", resurrected.size());
  if (!unknown_origin.empty()) text += fmt::format(", {} of unknown origin", unknown_origin.size());
  return text;
}

namespace {

struct Gap {
  Duration length = Duration::zero();
  std::optional<Instant> end;
};

Gap find_gap(const std::vector<Acknowledged>& acked, Instant from, Instant until) {
  auto next = std::upper_bound(acked.begin(), acked.end(), from,
                               [](Instant at, const Acknowledged& ack) { return at < ack.acked; });
  Instant last = next == acked.begin() ? from : std::prev(next)->acked;
  Gap longest;
  for (; next != acked.end() && last < until; ++next) {
    const Duration gap = next->acked - last;
    if (gap > longest.length) longest = {gap, next->acked};
    last = next->acked;
  }
  if (last < until && until - last > longest.length) longest = {until - last, std::nullopt};
  return longest;
}

}  // namespace

Duration longest_gap(const std::vector<Acknowledged>& acked, Instant from, Instant until) {
  return find_gap(acked, from, until).length;
}

std::optional<Instant> gap_end(const std::vector<Acknowledged>& acked, Instant from,
                               Instant until) {
  return find_gap(acked, from, until).end;
}

}  // namespace aurum::stack
