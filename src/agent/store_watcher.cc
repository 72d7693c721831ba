#include "agent/store_watcher.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "model/unreadable.h"
#include "runtime/clock.h"

namespace aurum::agent {

using runtime::use_task;

StoreWatcher::StoreWatcher(dcs::Store& store, boost::asio::any_io_executor executor, Post post,
                           runtime::Logger& log)
    : store_(store), post_(std::move(post)), log_(log), timer_(executor) {}

void StoreWatcher::stop() {
  stopped_ = true;
  timer_.cancel();
}

Task<void> StoreWatcher::run(Duration silence) {
  Duration pause = milliseconds(100);
  while (!stopped_) {
    const Instant sent = runtime::now();
    auto read = co_await store_.read(seconds(5));
    if (stopped_) co_return;
    if (read) {
      pause = milliseconds(100);
      accept(*read, sent);
      auto on_batch = [this](const dcs::WatchBatch& batch) { apply(batch); };
      const Error end = co_await store_.watch(revision_ + 1, silence, on_batch);
      if (stopped_) co_return;
      log_.debug("dcs.watch", "watch ended: " + end.text());
      continue;  // read at once: what happened meanwhile must not wait
    }
    post_(core::DcsFailed{read.error()});
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(pause));
    auto [ec] = co_await timer_.async_wait(use_task);
    (void)ec;
    pause = std::min<Duration>(pause * 2, seconds(2));
  }
}

Task<void> StoreWatcher::refresh(Duration timeout) {
  const Instant sent = runtime::now();
  auto read = co_await store_.read(timeout);
  if (stopped_) co_return;
  if (read)
    accept(*read, sent);
  else
    post_(core::DcsFailed{read.error()});
}

std::vector<model::KeyValue> StoreWatcher::keys_below(std::string_view prefix) const {
  std::vector<model::KeyValue> out;
  for (auto it = keys_.lower_bound(std::string(prefix));
       it != keys_.end() && it->first.starts_with(prefix); ++it)
    out.push_back(it->second);
  return out;
}

void StoreWatcher::accept(const dcs::Keys& keys, Instant sent_at) {
  if (keys.revision < revision_) return;  // a slower read than the watch beside it
  revision_ = keys.revision;
  keys_.clear();
  for (const auto& kv : keys.keys) keys_[kv.key] = kv;
  post(sent_at);
}

void StoreWatcher::apply(const dcs::WatchBatch& batch) {
  for (const auto& change : batch.changes) {
    const auto known = keys_.find(change.kv.key);
    if (known != keys_.end() && known->second.mod_revision >= change.kv.mod_revision) continue;
    // A key read anew by refresh() may be gone already: its deletion is not newer than what we hold
    // as a whole.
    if (change.kv.mod_revision <= revision_ && known == keys_.end()) continue;
    if (change.deleted)
      keys_.erase(change.kv.key);
    else
      keys_[change.kv.key] = change.kv;
  }
  revision_ = std::max(revision_, batch.revision);
  post(runtime::now());
}

void StoreWatcher::tell_unreadable() {
  std::erase_if(judged_, [this](const auto& one) { return !keys_.contains(one.first); });
  for (const auto& [key, kv] : keys_) {
    if (std::exchange(judged_[key], kv.mod_revision) == kv.mod_revision) continue;
    if (const auto why = model::why_unreadable(kv))
      log_.warn("dcs.unreadable", fmt::format("in the store (DCS), {}; it counts as absent", *why));
  }
}

void StoreWatcher::post(Instant seen_at) {
  tell_unreadable();
  std::vector<model::KeyValue> all;
  all.reserve(keys_.size());
  for (const auto& [key, kv] : keys_) all.push_back(kv);
  auto view = std::make_shared<const model::ClusterView>(model::decode_cluster(revision_, all));
  post_(core::DcsSnapshot{std::move(view), seen_at});
}

}  // namespace aurum::agent
