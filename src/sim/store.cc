#include "sim/store.h"

#include <algorithm>

#include "base/ensure.h"

namespace aurum::sim {

using model::Compare;
using model::Write;

namespace {

/// etcd's, with its default election timeout.
constexpr Duration kLeastLease = seconds(2);

}  // namespace

const model::KeyValue* Store::find(const std::string& key) const {
  const auto it = keys_.find(key);
  return it == keys_.end() ? nullptr : &it->second;
}

bool Store::holds(const Compare& c) const {
  const model::KeyValue* kv = find(c.key);
  switch (c.what) {
    case Compare::What::absent:
      return kv == nullptr;
    case Compare::What::mod_revision:
      return (kv ? kv->mod_revision : 0) == c.number;
    case Compare::What::create_revision:
      return (kv ? kv->create_revision : 0) == c.number;
    case Compare::What::value:
      return kv != nullptr && kv->value == c.text;
    case Compare::What::lease:
      return kv != nullptr && kv->lease == c.number;
  }
  return false;
}

void Store::apply(const Write& w) {
  if (w.what != Write::What::erase_prefix) changed_.insert(w.key);
  if (w.what == Write::What::erase) {
    keys_.erase(w.key);
  } else if (w.what == Write::What::erase_prefix) {
    std::erase_if(keys_, [&](const auto& kv) {
      const bool gone = kv.first.starts_with(w.key);
      if (gone) changed_.insert(kv.first);
      return gone;
    });
  } else {
    model::KeyValue& kv = keys_[w.key];
    if (kv.create_revision == 0) kv.create_revision = revision_;
    kv.key = w.key;
    kv.value = w.value;
    kv.lease = w.lease;
    kv.mod_revision = revision_;
  }
}

model::TxnDone Store::txn(const model::Txn& txn) {
  for (const Compare& c : txn.when) {
    if (!holds(c)) return {false, revision_};
  }
  for (const Write& w : txn.then) {
    if (w.lease != 0 && !leases_.contains(w.lease)) return {false, 0};  // 0: lease not found
  }
  if (!txn.then.empty()) ++revision_;
  for (const Write& w : txn.then) apply(w);
  return {true, revision_};
}

model::LeaseId Store::grant(Duration ttl, Instant now) {
  ttl = std::max<Duration>(ttl, kLeastLease);
  leases_[++next_lease_] = {ttl, now + ttl};
  next_end_ = std::min(next_end_, now + ttl);
  return next_lease_;
}

bool Store::keep_alive(model::LeaseId lease, Instant now) {
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return false;
  it->second.ends = now + it->second.ttl;
  return true;
}

void Store::revoke(model::LeaseId lease) {
  if (leases_.erase(lease) == 0) return;
  const auto bound = [&](const auto& kv) { return kv.second.lease == lease; };
  if (std::any_of(keys_.begin(), keys_.end(), bound)) {
    ++revision_;
    std::erase_if(keys_, [&](const auto& kv) {
      if (bound(kv)) changed_.insert(kv.first);
      return bound(kv);
    });
  }
}

void Store::expire(Instant now) {
  if (now < next_end_ || leaderless_) return;
  std::vector<model::LeaseId> ended;
  for (const auto& [id, lease] : leases_) {
    if (now >= lease.ends) ended.push_back(id);
  }
  for (const model::LeaseId id : ended) revoke(id);
  next_end_ = kNever;
  for (const auto& [id, lease] : leases_) next_end_ = std::min(next_end_, lease.ends);
}

namespace {

/// What one key says, taken over into a view of all of them. Absent: as a view without it has it.
void take_over(model::ClusterView& view, const std::string& key, const model::KeyValue* kv) {
  model::ClusterView alone = kv != nullptr ? model::decode_cluster(0, {*kv}) : model::ClusterView{};
  if (key.starts_with("members/")) {
    if (kv == nullptr) {
      view.members.erase(key.substr(8));
    } else {
      for (auto& [name, member] : alone.members) view.members[name] = std::move(member);
    }
  } else if (key == "initialize") {
    view.initialize = alone.initialize;
  } else if (key == "leader") {
    view.leader = alone.leader;
  } else if (key == "config") {
    view.config = std::move(alone.config);
    view.config_revision = alone.config_revision;
  } else if (key == "status") {
    view.status = std::move(alone.status);
  } else if (key == "history") {
    view.history = std::move(alone.history);
    view.history_revision = alone.history_revision;
  } else if (key == "failover") {
    view.failover = std::move(alone.failover);
  } else if (key == "sync") {
    view.sync = std::move(alone.sync);
  } else if (key == "aurum_timeline") {
    view.timeline_given = alone.timeline_given;
    view.timeline_given_revision = alone.timeline_given_revision;
  } else if (key == "aurum_restore") {
    view.restore = std::move(alone.restore);
    view.restore_revision = alone.restore_revision;
  } else if (key == model::kReleasedKey) {
    view.released = alone.released;
    view.released_revision = alone.released_revision;
  } else if (key == model::kUnpromisedKey) {
    view.unpromised = alone.unpromised;
  } else if (key == model::kSuccessionsKey) {
    view.successions = std::move(alone.successions);
    view.successions_revision = alone.successions_revision;
  } else if (key == model::kHeartbeatKey) {
    view.heartbeat = std::move(alone.heartbeat);
  } else if (key == "failsafe") {
    view.failsafe = std::move(alone.failsafe);
  } else if (key == model::kMaintenanceKey) {
    view.maintenance = std::move(alone.maintenance);
  } else {
    ensure(false, "the simulated store knows every key that the core writes");
  }
}

}  // namespace

void Store::elect_leader(Instant now) {
  leaderless_ = false;
  next_end_ = kNever;
  for (auto& [id, lease] : leases_) {
    lease.ends = std::max(lease.ends, now + lease.ttl);
    next_end_ = std::min(next_end_, lease.ends);
  }
}

const model::ClusterView& Store::view() const {
  for (const std::string& key : changed_) take_over(view_, key, find(key));
  changed_.clear();
  view_.revision = revision_;
  return view_;
}

void Store::put(const std::string& key, const std::string& value) {
  txn({.when = {}, .then = {{.key = key, .value = value}}});
}

void Store::put_off(const std::string& key) {
  txn({.when = {}, .then = {{.what = Write::What::erase, .key = key}}});
}

}  // namespace aurum::sim
