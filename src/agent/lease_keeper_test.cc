// The lease thread: what moves the deadline of the lease page, and what must not.

#include "agent/lease_keeper.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include "runtime/clock.h"

namespace aurum::agent {
namespace {

using core::LeaderLost;
using core::LeaderRenewed;
using core::LeaseGone;
using core::LeaseGranted;
using core::PageState;

/// What the store shall answer; shared between the test and the lease thread.
struct Script {
  std::mutex mutex;
  Result<Duration> keep_alive = seconds(5);
  Result<model::TxnDone> check = model::TxnDone{true, 1};
  std::function<void()> before_check_answer;  ///< runs while a check's answer is on its way
  Duration check_takes{};
  model::Txn last;
  int checks = 0, keepalives = 0, grants = 0;
};

class FakeStore : public dcs::Store {
 public:
  explicit FakeStore(Script& script) : script_(script) {}
  Task<Result<dcs::Keys>> read(Duration) override { co_return dcs::Keys{}; }
  Task<Result<model::TxnDone>> txn(model::Txn txn, Duration) override {
    std::function<void()> hook;
    Result<model::TxnDone> answer = model::TxnDone{};
    Duration takes{};
    {
      const std::lock_guard lock(script_.mutex);
      ++script_.checks;
      script_.last = std::move(txn);
      takes = script_.check_takes;
      hook = std::exchange(script_.before_check_answer, {});
      answer = script_.check;
    }
    if (hook) hook();
    if (takes > Duration{0}) {
      boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                      std::chrono::nanoseconds(takes));
      auto [ec] = co_await timer.async_wait(runtime::use_task);
      (void)ec;
    }
    co_return answer;
  }
  Task<Result<dcs::LeaseInfo>> grant(Duration ttl, Duration) override {
    const std::lock_guard lock(script_.mutex);
    co_return dcs::LeaseInfo{++script_.grants, ttl};
  }
  Task<Result<Duration>> keep_alive(model::LeaseId, Duration) override {
    const std::lock_guard lock(script_.mutex);
    ++script_.keepalives;
    co_return script_.keep_alive;
  }
  Task<Status> revoke(model::LeaseId, Duration) override { co_return Status{}; }
  Task<Error> watch(model::Revision, Duration,
                    std::function<void(const dcs::WatchBatch&)>) override {
    co_return Error{};
  }
  Task<Result<std::string>> server_version(Duration) override { co_return "3.5.30"; }
  void close() override {}

 private:
  Script& script_;
};

class LeaseKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() / ("lease-test-" + std::to_string(::getpid()));
    std::filesystem::remove(path_);
    auto page = fence::LeasePageMap::open(path_, true);
    ASSERT_TRUE(page) << page.error().text();
    page_.emplace(std::move(*page));
    keeper_ = std::make_unique<LeaseKeeper>(
        "node-1", *page_, [this](auto) { return std::make_unique<FakeStore>(script_); },
        [this](core::Event e) {
          const std::lock_guard lock(events_mutex_);
          events_.push_back(std::move(e));
          events_changed_.notify_all();
        },
        runtime::null_logger());
  }
  void TearDown() override {
    keeper_.reset();
    std::filesystem::remove(path_);
  }

  /// The next event of this kind; fails the test when none comes.
  template <class E>
  std::optional<E> wait_for() {
    std::unique_lock lock(events_mutex_);
    std::optional<E> found;
    const bool came = events_changed_.wait_for(lock, std::chrono::seconds(10), [&] {
      while (!events_.empty()) {
        const core::Event event = std::move(events_.front());
        events_.pop_front();
        if (const auto* e = std::get_if<E>(&event)) {
          found = *e;
          return true;
        }
      }
      return false;
    });
    EXPECT_TRUE(came) << "the event did not come";
    return found;
  }

  void lead(std::uint64_t epoch, Duration proof_max_age = Duration{0},
            std::optional<core::BeatRate> beat = {}) {
    keeper_->set_page({PageState::leased, epoch, runtime::now() + milliseconds(10)});
    keeper_->start({epoch, 1, milliseconds(4000), milliseconds(250), proof_max_age, beat});
  }
  static constexpr core::BeatRate kBeat{milliseconds(50), milliseconds(400), milliseconds(600)};
  Instant deadline() const { return Instant{(*page_)->deadline_ns.load()}; }

  Script script_;
  std::filesystem::path path_;
  std::optional<fence::LeasePageMap> page_;
  std::unique_ptr<LeaseKeeper> keeper_;
  std::mutex events_mutex_;
  std::condition_variable events_changed_;
  std::deque<core::Event> events_;
};

TEST_F(LeaseKeeperTest, a_renewal_moves_the_deadline_to_its_sending_plus_the_span) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  lead(7);
  const auto renewed = wait_for<LeaderRenewed>();
  ASSERT_TRUE(renewed);
  EXPECT_EQ(renewed->epoch, 7u);
  EXPECT_EQ(deadline(), renewed->until);
  EXPECT_LE(renewed->until, renewed->sent_at + milliseconds(4000));
  EXPECT_GT(renewed->until, renewed->sent_at + milliseconds(3000));
  EXPECT_FALSE(renewed->beat);
}

TEST_F(LeaseKeeperTest, a_heartbeat_is_written_by_its_epoch_and_warrants_its_fence) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  lead(7, Duration{0}, kBeat);
  const auto renewed = wait_for<LeaderRenewed>();
  ASSERT_TRUE(renewed);
  EXPECT_TRUE(renewed->beat);
  EXPECT_EQ(renewed->until, renewed->sent_at + kBeat.fence);
  EXPECT_GE(deadline(), renewed->until);
  const std::lock_guard lock(script_.mutex);
  const auto compares = [&](const model::Compare& c) {
    return std::ranges::find(script_.last.when, c) != script_.last.when.end();
  };
  EXPECT_TRUE(compares(model::unchanged("leader", 7)));
  EXPECT_TRUE(compares({.key = "leader", .what = model::Compare::What::lease, .number = 1}));
  ASSERT_EQ(script_.last.then.size(), 1U);
  const auto beat = model::decode_heartbeat(script_.last.then[0].value);
  ASSERT_TRUE(beat);
  EXPECT_EQ(beat->leader, "node-1");
  EXPECT_EQ(beat->fence, kBeat.fence);
  EXPECT_EQ(beat->takeover, kBeat.takeover);
}

TEST_F(LeaseKeeperTest, heartbeats_warrant_no_more_than_the_lease) {
  {
    const std::lock_guard lock(script_.mutex);
    script_.keep_alive = fail(Code::unavailable, "no answer");
  }
  keeper_->hold(seconds(5));
  const auto granted = wait_for<LeaseGranted>();
  ASSERT_TRUE(granted);
  lead(7, Duration{0}, core::BeatRate{milliseconds(50), seconds(60), seconds(90)});
  ASSERT_TRUE(wait_for<LeaderRenewed>());
  ASSERT_TRUE(wait_for<LeaderRenewed>());
  EXPECT_EQ(deadline(), granted->sent_at + milliseconds(4000));
}

TEST_F(LeaseKeeperTest, an_answer_from_before_the_first_heartbeat_moves_nothing) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  {
    const std::lock_guard lock(script_.mutex);
    script_.before_check_answer = [this] {
      keeper_->start({7, 1, milliseconds(4000), milliseconds(250), Duration{0}, kBeat,
                      runtime::now() + milliseconds(10)});
    };
  }
  lead(7);
  const auto renewed = wait_for<LeaderRenewed>();
  ASSERT_TRUE(renewed);
  EXPECT_TRUE(renewed->beat) << "the first that is told";
  EXPECT_LT(deadline(), runtime::now() + kBeat.fence + milliseconds(1));
}

// From then on others count from the first heartbeat, whatever the lease allowed before.
TEST_F(LeaseKeeperTest, heartbeats_begin_with_what_they_warrant) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  lead(7);
  ASSERT_TRUE(wait_for<LeaderRenewed>());
  const Instant end = runtime::now() + milliseconds(10);
  EXPECT_GT(deadline(), end + seconds(2));
  {
    const std::lock_guard lock(script_.mutex);
    script_.check = fail(Code::unavailable, "no answer");
  }
  keeper_->start({7, 1, milliseconds(4000), milliseconds(250), Duration{0}, kBeat, end});
  EXPECT_EQ(deadline(), end);
}

TEST_F(LeaseKeeperTest, heartbeats_go_out_while_answers_are_waited_for) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  {
    const std::lock_guard lock(script_.mutex);
    script_.check_takes = seconds(1);
  }
  lead(7, Duration{0}, kBeat);
  const auto first = wait_for<LeaderRenewed>(), second = wait_for<LeaderRenewed>();
  ASSERT_TRUE(first && second);
  EXPECT_LT(second->sent_at - first->sent_at, seconds(1));
}

TEST_F(LeaseKeeperTest, an_answer_after_fencing_moves_nothing) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  {
    // The loop gives up leadership while the answer to a renewal is on its way.
    const std::lock_guard lock(script_.mutex);
    script_.before_check_answer = [this] { keeper_->set_page({PageState::leased, 7, Instant{}}); };
  }
  lead(7);
  // Another leadership later: its first renewal proves that the late answer has been dealt with.
  const auto settle = [this] {
    const std::lock_guard lock(script_.mutex);
    return script_.checks > 0 && !script_.before_check_answer;
  };
  for (int i = 0; i < 1000 && !settle(); ++i) ::usleep(10'000);
  keeper_->hold(seconds(6));  // a round of the thread behind the late answer
  ASSERT_TRUE(wait_for<LeaseGranted>());
  EXPECT_EQ(deadline(), Instant{});
}

TEST_F(LeaseKeeperTest, without_a_fresh_proof_nothing_is_renewed) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  const Instant before = runtime::now();
  lead(9, milliseconds(200));
  keeper_->hold(seconds(6));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  EXPECT_LT(deadline(), before + seconds(1)) << "no renewal without proof";
  keeper_->proof(runtime::now() + seconds(60));
  ASSERT_TRUE(wait_for<LeaderRenewed>());
  EXPECT_GT(deadline(), before + seconds(3));
}

TEST_F(LeaseKeeperTest, a_compare_that_fails_ends_leadership) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  {
    const std::lock_guard lock(script_.mutex);
    script_.check = model::TxnDone{false, 5};
  }
  lead(11);
  const auto lost = wait_for<LeaderLost>();
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->epoch, 11u);
}

TEST_F(LeaseKeeperTest, only_a_rejection_loses_the_lease_and_nothing_else) {
  keeper_->hold(seconds(5));
  ASSERT_TRUE(wait_for<LeaseGranted>());
  for (const Code code : {Code::unavailable, Code::timeout, Code::unknown_outcome, Code::protocol,
                          Code::internal, Code::permission}) {
    {
      const std::lock_guard lock(script_.mutex);
      script_.keep_alive = fail(code, "some trouble");
      script_.keepalives = 0;
    }
    keeper_->hold(seconds(5));  // wakes the thread
    for (int i = 0; i < 1000; ++i) {
      const std::lock_guard lock(script_.mutex);
      if (script_.keepalives > 1) break;
      ::usleep(1000);
    }
    const std::lock_guard lock(events_mutex_);
    for (const auto& event : events_) {
      EXPECT_FALSE(std::holds_alternative<LeaseGone>(event)) << to_string(code);
    }
  }
  {
    const std::lock_guard lock(script_.mutex);
    script_.keep_alive = fail(Code::rejected, "requested lease not found");
  }
  ASSERT_TRUE(wait_for<LeaseGone>());
  ASSERT_TRUE(wait_for<LeaseGranted>()) << "a new lease is taken at once";
}

}  // namespace
}  // namespace aurum::agent
