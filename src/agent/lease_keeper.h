#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/time.h"
#include "core/effect.h"
#include "core/event.h"
#include "dcs/store.h"
#include "fence/lease_page.h"
#include "runtime/async.h"
#include "runtime/log.h"

namespace aurum::agent {

using runtime::Task;

/// The lease thread (DESIGN §1): keeps the member's lease alive and, while this node leads, renews
/// leadership and moves the deadline of the lease page. It does nothing else, so no work of the
/// agent can starve it.
///
/// What must stay true:
///  - the page's deadline only ever becomes `sent_at + valid_for` of a keepalive that was answered
///    before a check was sent that found `leader` (name and lease) still ours, for the epoch that
///    is being renewed, or what the core says by set_page() and extend_page();
///  - with heartbeats the check writes one and compares the epoch too, and the deadline is no later
///    than `fence` after that was sent. They go out on time, whatever the former ones are waiting
///    for;
///  - once stop() or set_page() returned, no renewal begun before moves the deadline any more.
/// Both hold because every write to the page is made under `mutex_` and only for `renewing_.epoch`.
/// lease_keeper_test.cc drives it with a store whose answers come late.
class LeaseKeeper {
 public:
  using Post =
      std::function<void(core::Event)>;  ///< called in the lease thread; must hand over to the loop
  using MakeStore = std::function<std::unique_ptr<dcs::Store>(boost::asio::any_io_executor)>;

  LeaseKeeper(std::string member, fence::LeasePageMap& page, MakeStore make_store, Post post,
              runtime::Logger& log);
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  /// Begins (or changes the length of) the member's lease.
  void hold(Duration ttl);
  void start(const core::StartRenewing& what);
  void stop();
  void set_page(const core::SetLeasePage& page);
  /// While the page is of this epoch its deadline becomes no earlier than this: all who might take
  /// the lock have promised to wait.
  void extend_page(std::uint64_t epoch, Instant deadline);
  /// The deadline becomes no later than this.
  void shorten_page(Instant deadline);
  /// PostgreSQL proved at `at` that it is alive and can write.
  void proof(Instant at) { proof_at_ns_.store(at.ns, std::memory_order_relaxed); }

 private:
  struct Renewing {
    std::uint64_t epoch = 0;   ///< 0: not renewing
    model::LeaseId lease = 0;  ///< that `leader` is bound to; may be older than the member's own
    Duration valid_for{};
    Duration interval{};
    Duration proof_max_age{};
    std::optional<core::BeatRate> beat;
    bool is_same(const Renewing& other) const {
      return epoch == other.epoch && lease == other.lease && beat == other.beat;
    }
  };

  Task<void> run();
  Task<bool> ensure_lease(Duration ttl);  ///< false: no lease, try again soon
  Task<bool> keep_member_lease(Duration ttl);
  Task<bool> renew(Duration ttl, Renewing what);
  Task<bool> keep_lock_lease(Duration ttl, Renewing what);
  Task<bool> confirm(Renewing what, Duration timeout);
  Task<void> beat();
  bool take_confirmed(const Renewing& what, Instant until);
  Renewing renewing() const;
  bool proven(const Renewing& what, Instant now);
  void note_refusal(const Error& error);
  void wake();

  const std::string member_;
  fence::LeasePageMap& page_;
  Post post_;
  runtime::Logger& log_;

  mutable std::mutex mutex_;  ///< guards renewing_, ttl_ and every write to the page
  Renewing renewing_;
  Duration ttl_{};
  std::atomic<std::int64_t> proof_at_ns_{0};

  // Of the lease thread only.
  boost::asio::io_context io_{1};
  boost::asio::steady_timer timer_{io_}, beat_timer_{io_};
  std::unique_ptr<dcs::Store> store_;
  model::LeaseId lease_ = 0;
  Duration lease_ttl_{};
  std::map<model::LeaseId, Instant> kept_;  ///< when the last answered keepalive was sent
  int beats_under_way_ = 0;
  bool unproven_noted_ = false;
  bool refusal_noted_ = false;

  std::thread thread_;
};

}  // namespace aurum::agent
