#include "backup/cluster_lock.h"

#include <algorithm>
#include <cmath>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "runtime/clock.h"

namespace aurum::backup {

namespace asio = boost::asio;
using model::Compare;
using runtime::use_task;

namespace {

constexpr Duration kCall = seconds(3);
/// Every change of a key wakes every agent.
constexpr Duration kPublishEvery = seconds(10);

const std::string kLock(kLockKey);
const std::string kState(kStateKey);

}  // namespace

Task<Result<ClusterLock>> ClusterLock::take(dcs::Store& store, LockHolder holder,
                                            ClusterBackups seen, Duration ttl) {
  const Instant sent = runtime::now();
  const auto lease = co_await store.grant(ttl, kCall);
  if (!lease) co_return fail(lease.error());
  ClusterLock lock(store, std::move(holder), std::move(seen), ttl);
  lock.lease_ = lease->id;
  lock.kept_from(sent);
  auto& state = lock.state_;
  if (state.running) {
    Run lost = *state.running;
    lost.ended = lock.holder_.started;
    lost.error = "its agent or node was lost, or cut off from etcd";
    lost.interrupted = true;
    state.add(std::move(lost));
  }
  state.running =
      Run{.kind = lock.holder_.kind, .node = lock.holder_.node, .started = lock.holder_.started};
  model::Txn txn;
  txn.when.push_back({.key = kLock, .what = Compare::What::absent});
  txn.when.push_back(
      {.key = kState,
       .what = state.revision == 0 ? Compare::What::absent : Compare::What::mod_revision,
       .number = state.revision});
  txn.then.push_back({.key = kLock, .value = encode(lock.holder_), .lease = lock.lease_});
  txn.then.push_back({.key = kState, .value = encode(state)});
  auto done = co_await store.txn(std::move(txn), kCall);
  if (done && done->succeeded) co_return std::move(lock);
  // With an unknown outcome the lock may be ours: without its lease it is nobody's.
  const auto revoked = co_await store.revoke(lock.lease_, kCall);
  (void)revoked;  // else it ends by itself
  if (!done) co_return fail(done.error());
  co_return fail(Code::exists, "another member was first");
}

Task<Error> ClusterLock::keep(std::function<void(Instant)> moved, std::function<double()> percent) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  Instant published = runtime::now();
  double last_percent = -1;
  for (;;) {
    timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(ttl_ / 5));
    auto [ec] = co_await timer.async_wait(use_task);
    (void)ec;
    const Instant sent = runtime::now();
    const auto kept = co_await store_->keep_alive(lease_, std::min<Duration>(ttl_ / 4, kCall));
    if (kept) {
      kept_from(sent);
      moved(deadline_);
    } else if (kept.error().code == Code::rejected) {
      co_return kept.error().within("the backup lock is lost");
    }
    const Instant now = runtime::now();
    if (now >= deadline_)
      co_return Error{Code::unavailable, "the backup lock could not be kept: etcd does not answer",
                      ""};
    const double value = std::floor(percent());
    if (!kept || value == last_percent || now - published < kPublishEvery) continue;
    published = now;
    holder_.percent = last_percent = value;
    model::Txn txn;
    txn.when.push_back({.key = kLock, .what = Compare::What::lease, .number = lease_});
    txn.then.push_back({.key = kLock, .value = encode(holder_), .lease = lease_});
    const auto told = co_await store_->txn(std::move(txn), std::min<Duration>(ttl_ / 4, kCall));
    (void)told;  // it is for people only
  }
}

Task<Status> ClusterLock::finish(std::optional<Run> run) {
  state_.running.reset();
  if (run) state_.add(std::move(*run));
  model::Txn txn;
  txn.when.push_back({.key = kLock, .what = Compare::What::lease, .number = lease_});
  txn.then.push_back({.key = kState, .value = encode(state_)});
  txn.then.push_back({.what = model::Write::What::erase, .key = kLock});
  const auto done = co_await store_->txn(std::move(txn), kCall);
  const auto revoked = co_await store_->revoke(lease_, kCall);
  (void)revoked;  // else it ends by itself
  if (!done) co_return fail(done.error());
  if (!done->succeeded) co_return fail(Code::rejected, "the backup lock was lost");
  co_return Status{};
}

}  // namespace aurum::backup
