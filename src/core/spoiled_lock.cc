// Rubbish written over `leader` (damaged_store_scenario_test).
//
// Every member writes its lock with its own name and its own lease. So a value that names no member
// and hangs on no lease, or still on that of the holder, is nobody's lock.
//
// What must stay true:
//  - the holder writes it anew while its own time runs. Nobody was elected meanwhile: the key was
//    not created anew, and whoever takes over from a silent leader does so after that time. The
//    write compares the revision of the rubbish, and the page allows no more before the answer;
//  - others take the lock when the time of whoever held it has passed: after the longest ttl they
//    know of, and no sooner than no member says that it is a primary. They compare the revision.

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

namespace {

/// For people: as much of it as can be shown on one line.
std::string shown(std::string_view value) {
  constexpr std::size_t kShown = 32;
  std::string text(value.substr(0, kShown));
  for (char& c : text)
    if (c < ' ' || c > '~') c = '?';
  return fmt::format("'{}'{}", text, value.size() > kShown ? "..." : "");
}

}  // namespace

bool Core::lock_is_spoiled() const { return s_.spoiled.revision != 0; }

/// After each look at the store.
void Core::look_at_lock() {
  const auto& leader = s_.view->leader;
  const bool names_member =
      leader && (leader->name == s_.name() || s_.view->member(leader->name) != nullptr);
  const bool on_our_lease = leader && s_.lead.held && leader->lease == s_.lead.lease;
  if (!leader || names_member || (leader->lease != 0 && !on_our_lease)) {
    s_.spoiled = {};
    return;
  }
  if (s_.spoiled.revision == leader->mod_revision) return;
  s_.spoiled = {leader->mod_revision, now_};
  warn("leader.spoiled",
       fmt::format("in the store (DCS), leader names no member: {}", shown(leader->name)));
}

/// Not in a restore: that says itself who leads.
bool Core::may_mend_lock() const {
  return s_.lead.held && !s_.lead.keyless && lock_is_spoiled() && !s_.view->restore &&
         s_.view->leader->create_revision == s_.lead.created && now_ < s_.lead.renewed_until;
}

void Core::mend_lock() {
  if (s_.lease == 0 || !s_.dcs_error.empty() || !lease_is_fresh()) return;
  if (!may_write("reclaim leader") || writing("release leader")) return;
  info("leader.mend", "writing the leader lock anew: nobody else can have taken it");
  bind_leader_to_lease();
}

Instant Core::spoiled_lock_ends() const { return s_.spoiled.since + s_.longest_ttl; }

/// Whoever held it writes no more.
bool Core::lock_is_void() const {
  const bool primary_elsewhere = std::ranges::any_of(s_.view->members, [this](const auto& m) {
    return m.first != s_.name() && m.second.role == model::Role::primary;
  });
  return lock_is_spoiled() && !s_.lead.held && !primary_elsewhere && !s_.view->restore &&
         now_ >= spoiled_lock_ends();
}

}  // namespace aurum::core
