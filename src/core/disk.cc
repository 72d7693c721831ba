// Room on the disk: what the others are told of it, the ballast that is given up when it is needed,
// and a leader that hands over to a node with room before its server stops.

#include "core/disk.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "core/core.h"
#include "core/race.h"

namespace aurum::core {

using model::DiskLevel;

namespace {
/// One that was asked for may still be under way, or may have failed.
constexpr Duration kBallastAgain = seconds(10);
/// A hand-over that came to nothing is logged, and tried again.
constexpr Duration kHandOverAgain = seconds(60);

std::uint64_t ballast_of(const model::DiskFacts& disk) {
  return disk.data.ballast + (disk.wal ? disk.wal->ballast : 0);
}
}  // namespace

void Core::on(const DiskSeen& e) {
  s_.disk = e.facts;
  const DiskLevel before = s_.disk_level;
  s_.disk_level = model::disk_level(s_.disk, s_.config.aurum.disk, before);
  if (s_.disk_level > before) s_.ballast_at = now_;  // whatever was tried a moment ago
  const std::string room = model::room_text(s_.disk);
  if (s_.disk_level > before && s_.disk_level == DiskLevel::critical)
    warn("disk.critical", room + ": PostgreSQL will stop when it is full");
  else if (s_.disk_level > before)
    warn("disk.low", room);
  else if (s_.disk_level < before)
    info("disk.room", room);
}

/// Given up at once, whatever else goes on: a full volume stops PostgreSQL. Made only in peace.
void Core::decide_ballast() {
  if (s_.facts->data_dir != model::DataDir::ready || s_.bootstrapping || s_.facts->founding) return;
  if (s_.disk.data.capacity == 0 || now_ < s_.ballast_at) return;
  const model::DiskConfig& config = s_.config.aurum.disk;
  const std::uint64_t data = model::ballast_wanted(s_.disk.data, config, s_.disk_level);
  const std::uint64_t wal =
      s_.disk.wal ? model::ballast_wanted(*s_.disk.wal, config, s_.disk_level) : 0;
  const std::uint64_t held = ballast_of(s_.disk);
  if (data + wal == held) return;
  const bool gives_up = data + wal < held;
  if (!gives_up && s_.job) return;
  s_.ballast_at = now_ + kBallastAgain;
  if (gives_up) {
    warn("disk.ballast",
         fmt::format("{} that were held back on the disk are given up", model::size_text(held)));
  }
  emit(HoldBallast{data, wal});
}

bool another_has_room(const model::ClusterView& view, const std::string& self) {
  return std::ranges::any_of(view.members, [&](const auto& entry) {
    const auto& [name, member] = entry;
    return name != self && member.state == model::PgState::running &&
           !model::tag_nofailover(member) && has_room(member);
  });
}

/// Who could lead next and has room: not just more of it, since the disks of members fill alike. By
/// priority, then by WAL. In synchronous mode one of those that have every commit.
const model::Member* Core::member_with_room() const {
  const bool sync_mode = s_.dynamic.synchronous_mode != model::SyncMode::off;
  const auto rank = [](const model::Member& m, const model::WalSender& s) {
    return std::tuple(model::tag_failover_priority(m), s.flush_lsn);
  };
  const model::Member* best = nullptr;
  const model::WalSender* best_sender = nullptr;
  for (const model::WalSender& sender : s_.facts->senders) {
    const model::Member* member = s_.view->member(sender.application_name);
    if (member == nullptr || member->name == s_.name() || sender.state != "streaming") continue;
    if (member->state != model::PgState::running || member->disk != DiskLevel::ok) continue;
    if (member->aurum_version.empty()) continue;  // a Patroni tells nothing
    if (model::tag_nofailover(*member) || (sync_mode && !s_.view->sync.has(member->name))) continue;
    if (best != nullptr && rank(*member, sender) <= rank(*best, *best_sender)) continue;
    best = member;
    best_sender = &sender;
  }
  return best;
}

/// By the same request as an operator's, with the same checks; never to a node that has no room
/// either, so it ends (disk_scenario_test: where_nobody_has_room_…).
void Core::hand_over_to_room() {
  const bool wanted = s_.disk_level == DiskLevel::critical && s_.config.aurum.disk.hand_over;
  if (!wanted || s_.dynamic.pause || now_ < s_.hand_over_at) return;
  if (ballast_of(s_.disk) != 0 && now_ < s_.ballast_at) return;  // it may be room enough
  if (s_.view->failover && !s_.view->failover->is_empty()) return;
  if (!may_write("failover request")) return;
  const model::Member* next = member_with_room();
  if (next == nullptr) return;
  s_.hand_over_at = now_ + kHandOverAgain;
  warn("disk.hand_over",
       fmt::format("handing over to {}: {}", next->name, model::room_text(s_.disk)));
  write_failover_key({.leader = s_.name(), .candidate = next->name});
}

}  // namespace aurum::core
