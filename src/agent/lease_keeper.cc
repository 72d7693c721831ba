#include "agent/lease_keeper.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "core/renewal.h"
#include "runtime/clock.h"

namespace aurum::agent {

namespace asio = boost::asio;
using runtime::use_task;

namespace {

constexpr Duration kWatchAhead = milliseconds(100);

Duration call_timeout(Duration ttl) {
  return std::clamp<Duration>(ttl / 4, milliseconds(300), seconds(3));
}

}  // namespace

LeaseKeeper::LeaseKeeper(std::string member, fence::LeasePageMap& page, MakeStore make_store,
                         Post post, runtime::Logger& log)
    : member_(std::move(member)), page_(page), post_(std::move(post)), log_(log) {
  store_ = make_store(io_.get_executor());
  thread_ = std::thread([this] {
    asio::co_spawn(io_, run(), asio::detached);
    asio::co_spawn(io_, beat(), asio::detached);
    io_.run();
  });
}

LeaseKeeper::~LeaseKeeper() {
  stop();
  asio::post(io_, [this] {
    store_->close();
    io_.stop();
  });
  thread_.join();
}

void LeaseKeeper::wake() {
  asio::post(io_, [this] {
    timer_.cancel();
    beat_timer_.cancel();
  });
}

void LeaseKeeper::hold(Duration ttl) {
  {
    const std::lock_guard lock(mutex_);
    ttl_ = ttl;
  }
  wake();
}

void LeaseKeeper::start(const core::StartRenewing& what) {
  {
    const std::lock_guard lock(mutex_);
    if (what.at_most && page_->deadline_ns.load(std::memory_order_relaxed) > what.at_most->ns)
      page_->deadline_ns.store(what.at_most->ns, std::memory_order_release);
    renewing_ = {what.epoch,    what.lease,         what.valid_for,
                 what.interval, what.proof_max_age, what.beat};
  }
  wake();
}

void LeaseKeeper::stop() {
  const std::lock_guard lock(mutex_);
  renewing_ = {};
}

void LeaseKeeper::set_page(const core::SetLeasePage& page) {
  const std::lock_guard lock(mutex_);
  // Readers see the words one by one. `leased` must never stand beside a deadline that is not meant
  // for it: so the state comes last when it becomes leased, and first when it ceases to be.
  const auto state = static_cast<std::uint32_t>(page.state);
  if (page.state != core::PageState::leased) page_->state.store(state, std::memory_order_release);
  page_->deadline_ns.store(page.deadline.ns, std::memory_order_release);
  page_->epoch.store(page.epoch, std::memory_order_release);
  page_->state.store(state, std::memory_order_release);
  if (page.deadline == Instant{}) renewing_ = {};
}

void LeaseKeeper::extend_page(std::uint64_t epoch, Instant deadline) {
  const std::lock_guard lock(mutex_);
  const bool ours = page_->epoch.load(std::memory_order_relaxed) == epoch &&
                    page_->state.load(std::memory_order_relaxed) ==
                        static_cast<std::uint32_t>(core::PageState::leased);
  if (ours && page_->deadline_ns.load(std::memory_order_relaxed) < deadline.ns)
    page_->deadline_ns.store(deadline.ns, std::memory_order_release);
}

void LeaseKeeper::shorten_page(Instant deadline) {
  const std::lock_guard lock(mutex_);
  if (page_->deadline_ns.load(std::memory_order_relaxed) > deadline.ns)
    page_->deadline_ns.store(deadline.ns, std::memory_order_release);
}

LeaseKeeper::Renewing LeaseKeeper::renewing() const {
  const std::lock_guard lock(mutex_);
  return renewing_;
}

bool LeaseKeeper::proven(const Renewing& what, Instant now) {
  const Instant proof{proof_at_ns_.load(std::memory_order_relaxed)};
  const bool good = what.proof_max_age == Duration{0} || now - proof <= what.proof_max_age;
  if (!good && !std::exchange(unproven_noted_, true))
    log_.warn("lease.unproven",
              "not renewing leadership: PostgreSQL has not proved in time that it can write");
  unproven_noted_ = !good;
  return good;
}

/// Said once until a renewal goes well: in failsafe mode the leader stays, and nothing else would
/// tell why. One answer that is late says nothing.
void LeaseKeeper::note_refusal(const Error& error) {
  const bool late = error.code == Code::timeout || error.code == Code::unknown_outcome;
  if (late || std::exchange(refusal_noted_, true)) return;
  log_.warn("lease.refused", "could not renew leadership: " + error.text());
}

Task<void> LeaseKeeper::run() {
  for (;;) {
    Duration ttl;
    {
      const std::lock_guard lock(mutex_);
      ttl = ttl_;
    }
    Duration pause = seconds(3600);
    if (ttl > Duration{0}) {
      const Renewing what = renewing();
      const Duration beat = what.epoch != 0
                                ? what.interval
                                : std::clamp<Duration>(ttl / 4, milliseconds(300), seconds(10));
      bool good = true;
      if (what.epoch != 0) good = co_await renew(ttl, what);  // before all that could take its time
      const bool had_lease = co_await ensure_lease(ttl);
      good = good && had_lease;
      if (lease_ != 0 && (what.epoch == 0 || what.lease != lease_)) {
        const bool kept = co_await keep_member_lease(ttl);
        good = good && kept;
      }
      pause = good ? beat : std::min<Duration>(beat, milliseconds(200));
    }
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(pause));
    auto [ec] = co_await timer_.async_wait(use_task);
    (void)ec;  // woken early or not: look again
  }
}

Task<bool> LeaseKeeper::ensure_lease(Duration ttl) {
  if (lease_ != 0 && lease_ttl_ == ttl) co_return true;
  const model::LeaseId old = std::exchange(lease_, 0);
  const Instant sent = runtime::now();
  auto granted = co_await store_->grant(ttl, call_timeout(ttl));
  if (!granted) {
    log_.debug("lease.grant", "no lease yet: " + granted.error().text());
    lease_ = old;
    co_return old != 0;
  }
  lease_ = granted->id;
  lease_ttl_ = ttl;
  std::erase_if(kept_, [old](const auto& one) { return one.first != old; });
  kept_[lease_] = sent;
  post_(core::LeaseGranted{lease_, sent, ttl});
  // The old lease still holds the keys until the loop has written them anew; it runs out by itself.
  co_return true;
}

/// Without leadership, or beside it when `leader` hangs on an older lease.
Task<bool> LeaseKeeper::keep_member_lease(Duration ttl) {
  const model::LeaseId lease = lease_;
  const Instant sent = runtime::now();
  auto alive = co_await store_->keep_alive(lease, call_timeout(ttl));
  if (alive) {
    kept_[lease] = sent;
    post_(core::LeaseKept{lease, sent});
    co_return true;
  }
  if (alive.error().code == Code::rejected) {
    lease_ = 0;
    post_(core::LeaseGone{lease});
  }
  co_return false;
}

/// Heartbeats confirm what is kept here; without them one check follows each keepalive.
Task<bool> LeaseKeeper::renew(Duration ttl, Renewing what) {
  if (!proven(what, runtime::now())) co_return false;
  const bool kept = co_await keep_lock_lease(ttl, what);
  if (!kept || what.beat) co_return kept;
  const bool ours = co_await confirm(what, call_timeout(ttl));
  co_return ours;
}

Task<bool> LeaseKeeper::keep_lock_lease(Duration ttl, Renewing what) {
  const Instant sent = runtime::now();
  auto alive = co_await store_->keep_alive(what.lease, call_timeout(ttl));
  if (!alive) {
    if (alive.error().code != Code::rejected) {
      note_refusal(alive.error());
      co_return false;
    }
    if (what.lease == lease_) lease_ = 0;
    post_(core::LeaderLost{what.epoch, "the lease of the lock is gone"});
    post_(core::LeaseGone{what.lease});
    co_return false;
  }
  kept_[what.lease] = sent;
  if (what.lease == lease_) post_(core::LeaseKept{what.lease, sent});
  co_return true;
}

Task<bool> LeaseKeeper::confirm(Renewing what, Duration timeout) {
  const Instant sent = runtime::now();
  const auto kept = kept_.find(what.lease);
  auto [txn, until] =
      core::renewal_check({member_, what.epoch, what.lease, what.valid_for, what.beat},
                          kept == kept_.end() ? Instant{} : kept->second, sent);
  auto ours = co_await store_->txn(std::move(txn), timeout);
  if (!ours) {
    note_refusal(ours.error());
    co_return false;
  }
  refusal_noted_ = false;
  if (!ours->succeeded) {
    // What the key says now comes by the watch, and may be rubbish that can be mended.
    asio::steady_timer wait(io_, kWatchAhead);
    auto [ec] = co_await wait.async_wait(use_task);
    (void)ec;
    if (renewing().is_same(what))
      post_(core::LeaderLost{what.epoch, "the leader key is not ours any more"});
  } else if (take_confirmed(what, until)) {
    post_(core::LeaderRenewed{what.epoch, sent, until, what.beat.has_value()});
  }
  co_return ours->succeeded;
}

/// False: given up, bound to another lease, or with other heartbeats meanwhile. The answer is about
/// the past.
bool LeaseKeeper::take_confirmed(const Renewing& what, Instant until) {
  const std::lock_guard lock(mutex_);
  const bool same = renewing_.is_same(what);
  if (same && until.ns > page_->deadline_ns.load(std::memory_order_relaxed))
    page_->deadline_ns.store(until.ns, std::memory_order_release);
  return same;
}

/// One each interval, also while others wait for their answers: one that comes late still counts
/// from when it was sent.
Task<void> LeaseKeeper::beat() {
  for (;;) {
    const Renewing what = renewing();
    Duration pause = seconds(3600);
    if (what.beat) {
      pause = what.beat->interval;
      const Duration timeout = what.beat->fence * 3 / 4;
      const bool room = beats_under_way_ < timeout / what.beat->interval + 1;
      if (room && proven(what, runtime::now())) {
        ++beats_under_way_;
        asio::co_spawn(io_, confirm(what, timeout),
                       [this](const std::exception_ptr&, bool) { --beats_under_way_; });
      }
    }
    beat_timer_.expires_after(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(pause));
    auto [ec] = co_await beat_timer_.async_wait(use_task);
    (void)ec;
  }
}

}  // namespace aurum::agent
