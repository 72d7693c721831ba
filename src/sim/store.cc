#include "sim/store.h"

#include <algorithm>

namespace aurum::sim {

using model::Compare;
using model::Write;

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
  if (w.what == Write::What::erase) {
    keys_.erase(w.key);
  } else if (w.what == Write::What::erase_prefix) {
    std::erase_if(keys_, [&](const auto& kv) { return kv.first.starts_with(w.key); });
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
  leases_[++next_lease_] = {ttl, now + ttl};
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
    std::erase_if(keys_, bound);
  }
}

void Store::expire(Instant now) {
  std::vector<model::LeaseId> ended;
  for (const auto& [id, lease] : leases_) {
    if (now >= lease.ends) ended.push_back(id);
  }
  for (const model::LeaseId id : ended) revoke(id);
}

const model::ClusterView& Store::view() const {
  if (view_.revision == revision_) return view_;
  std::vector<model::KeyValue> all;
  for (const auto& [key, kv] : keys_) all.push_back(kv);
  return view_ = model::decode_cluster(revision_, all);
}

void Store::put(const std::string& key, const std::string& value) {
  txn({.when = {}, .then = {{.key = key, .value = value}}});
}

}  // namespace aurum::sim
