#include "backup/lease_lock.h"

#include <algorithm>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "runtime/clock.h"

namespace aurum::backup {

namespace asio = boost::asio;
using model::Compare;
using runtime::use_task;

namespace {

constexpr Duration kCall = seconds(3);
/// Every change of a key wakes every agent.
constexpr Duration kPublishEvery = seconds(10);

}  // namespace

Task<Result<LeaseLock>> LeaseLock::take(dcs::Store& store, Wanted wanted) {
  const Instant sent = runtime::now();
  const auto lease = co_await store.grant(wanted.ttl, kCall);
  if (!lease) co_return fail(lease.error());
  LeaseLock lock(store, std::move(wanted));
  lock.lease_ = lease->id;
  lock.kept_from(sent);
  model::Txn txn = std::move(lock.wanted_.with);
  txn.when.push_back({.key = lock.wanted_.key, .what = Compare::What::absent});
  txn.then.push_back({.key = lock.wanted_.key, .value = lock.wanted_.value, .lease = lock.lease_});
  auto done = co_await store.txn(std::move(txn), kCall);
  if (done && done->succeeded) co_return std::move(lock);
  // With an unknown outcome the lock may be ours: without its lease it is nobody's.
  const auto revoked = co_await store.revoke(lock.lease_, kCall);
  (void)revoked;  // else it ends by itself
  if (!done) co_return fail(done.error());
  co_return fail(Code::exists, "another member was first");
}

Task<Error> LeaseLock::keep(std::function<void(Instant)> moved,
                            std::function<std::string()> value) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const Duration pause = wanted_.ttl / 5, call = std::min<Duration>(wanted_.ttl / 4, kCall);
  Instant published = runtime::now();
  for (;;) {
    timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(pause));
    auto [ec] = co_await timer.async_wait(use_task);
    (void)ec;
    const Instant sent = runtime::now();
    const auto kept = co_await store_->keep_alive(lease_, call);
    if (kept) {
      kept_from(sent);
      moved(deadline_);
    } else if (kept.error().code == Code::rejected) {
      co_return kept.error().within(wanted_.what + " is lost");
    }
    const Instant now = runtime::now();
    if (now >= deadline_)
      co_return Error{Code::unavailable, wanted_.what + " could not be kept: etcd does not answer",
                      ""};
    auto news = value();
    if (!kept || news == wanted_.value || now - published < kPublishEvery) continue;
    published = now;
    co_await publish(std::move(news));
  }
}

/// It is for people only: a failure is of no account.
Task<void> LeaseLock::publish(std::string value) {
  wanted_.value = std::move(value);
  model::Txn txn;
  txn.when.push_back({.key = wanted_.key, .what = Compare::What::lease, .number = lease_});
  txn.then.push_back({.key = wanted_.key, .value = wanted_.value, .lease = lease_});
  const auto told =
      co_await store_->txn(std::move(txn), std::min<Duration>(wanted_.ttl / 4, kCall));
  (void)told;
}

Task<Status> LeaseLock::finish(std::vector<model::Write> writes) {
  model::Txn txn{.then = std::move(writes)};
  txn.when.push_back({.key = wanted_.key, .what = Compare::What::lease, .number = lease_});
  txn.then.push_back({.what = model::Write::What::erase, .key = wanted_.key});
  const auto done = co_await store_->txn(std::move(txn), kCall);
  const auto revoked = co_await store_->revoke(lease_, kCall);
  (void)revoked;  // else it ends by itself
  if (!done) co_return fail(done.error());
  if (!done->succeeded) co_return fail(Code::rejected, wanted_.what + " was lost");
  co_return Status{};
}

}  // namespace aurum::backup
