// What is told of a change of leader: who followed whom, why, and how long each part took.

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

/// The first race since somebody else led.
void Core::begin_succession() {
  if (s_.succession && !s_.succession->acquired) return;
  SuccessionSeen seen{.raced = now_};
  const model::Heartbeat* last = heartbeat_of_leader();
  seen.told.from = last != nullptr ? last->leader : s_.leader_before;
  const auto& request = s_.view->failover;
  if (last != nullptr) {
    seen.sign = s_.heard.at;
    seen.told.why =
        fmt::format("no heartbeat of {} for {} ms", last->leader, to_ms(last->takeover));
  } else {
    seen.sign = s_.leaderless_since.value_or(now_);
    seen.told.why = request && !request->is_empty()
                        ? request->leader.empty() ? "failover by hand" : "switchover"
                    : seen.told.from.empty() ? "nobody led"
                                             : seen.told.from + " let go of its lock, or it ended";
  }
  s_.succession = std::move(seen);
}

void Core::note_positions(const Poll& poll) {
  if (!s_.succession) return;
  model::Succession& told = s_.succession->told;
  told.lsn = s_.facts->position();
  for (const auto& [name, answered] : poll.asked) told.others[name].reset();
  for (const auto& [name, status] : poll.answers)
    if (status) told.others[name] = status->position;
}

/// Once writes are taken. It may be in the store already, if the answer got lost.
void Core::tell_succession() {
  if (!s_.succession || !s_.succession->acquired || !may_write("succession")) return;
  SuccessionSeen& seen = *s_.succession;
  model::Succession& told = seen.told;
  if (told.at.empty()) {
    const Instant promoted = seen.promoted.value_or(*seen.acquired);
    told.at = model::iso8601(wall_);
    told.to = s_.name();
    told.timeline = s_.facts->timeline;
    told.detect = seen.raced - seen.sign;
    told.acquire = *seen.acquired - seen.raced;
    told.promote = promoted - *seen.acquired;
    told.open = now_ - promoted;
    s_.phases.add(told);
    info("succession", fmt::format("took writes {} ms after the last sign of the former leader: "
                                   "detected in {}, locked in {}, promoted in {}, open in {}",
                                   to_ms(told.total()), to_ms(told.detect), to_ms(told.acquire),
                                   to_ms(told.promote), to_ms(told.open)));
  }
  std::vector<model::Succession> list = model::decode_successions(s_.view->successions);
  if (!list.empty() && list.back().at == told.at && list.back().to == told.to)
    return s_.succession.reset();
  list.push_back(told);
  model::Txn txn = as_leader(
      {{.key = std::string(model::kSuccessionsKey), .value = model::encode_successions(list)}});
  txn.when.push_back(
      model::unchanged(std::string(model::kSuccessionsKey), s_.view->successions_revision));
  write("succession", std::move(txn));
}

void PhaseTimes::add(const model::Succession& told) {
  const std::array<Duration, kPhases> spans = {told.detect, told.acquire, told.promote, told.open,
                                               told.total()};
  for (std::size_t i = 0; i < kPhases; ++i) {
    ++phases[i].count;
    phases[i].sum += spans[i];
    for (std::size_t b = 0; b < kBounds.size(); ++b)
      if (spans[i] <= kBounds[b]) ++phases[i].within[b];
  }
}

}  // namespace aurum::core
