#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include "dcs/store.h"
#include "dcs/testing/run.h"
#include "runtime/clock.h"

/// What every Store must do (dcs/store.h), as a suite over any of them:
/// INSTANTIATE_TEST_SUITE_P(Name, StoreContract, …) with a factory in the one .cc file that
/// includes this.
namespace aurum::dcs {

/// A freshly made, empty store service that tests can steer.
class StoreService {
 public:
  virtual ~StoreService() = default;
  virtual std::unique_ptr<Store> open(boost::asio::io_context& io, std::string base_path) = 0;
  /// Forgets the history before `revision`.
  virtual void compact(model::Revision revision) = 0;
};

struct StoreFactory {
  std::string name;
  std::function<std::unique_ptr<StoreService>()> make;
};

class StoreContract : public ::testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override {
    service_ = GetParam().make();
    store_ = service_->open(io_, "/service/demo/");
  }
  void TearDown() override {
    store_.reset();
    io_.restart();
    io_.poll();
    service_.reset();
  }

  static constexpr Duration kTimeout = seconds(5);

  template <class T>
  T run(runtime::Task<T> task) {
    return testing::run(io_, std::move(task));
  }
  Keys read() {
    auto keys = run(store_->read(kTimeout));
    EXPECT_TRUE(keys) << (keys ? "" : keys.error().text());
    return keys.value_or(Keys{});
  }
  model::TxnDone txn(model::Txn txn) {
    auto done = run(store_->txn(std::move(txn), kTimeout));
    EXPECT_TRUE(done) << (done ? "" : done.error().text());
    return done.value_or(model::TxnDone{});
  }
  model::TxnDone put(const std::string& key, const std::string& value, model::LeaseId lease = 0) {
    return txn({.when = {}, .then = {{model::Write::What::put, key, value, lease}}});
  }
  const model::KeyValue* find(const Keys& keys, const std::string& key) {
    const auto found = std::ranges::find(keys.keys, key, &model::KeyValue::key);
    return found == keys.keys.end() ? nullptr : &*found;
  }
  LeaseInfo grant(Duration ttl) {
    auto lease = run(store_->grant(ttl, kTimeout));
    EXPECT_TRUE(lease) << (lease ? "" : lease.error().text());
    return lease.value_or(LeaseInfo{});
  }

  /// A watch under way, with all it brought.
  struct Watch {
    std::vector<WatchBatch> batches;
    std::optional<Error> end;
    std::size_t changes() const {
      std::size_t count = 0;
      for (const auto& batch : batches) count += batch.changes.size();
      return count;
    }
  };
  std::shared_ptr<Watch> watch(model::Revision from, Duration silence = seconds(2)) {
    auto watch = std::make_shared<Watch>();
    boost::asio::co_spawn(
        io_,
        store_->watch(from, silence,
                      [watch](const WatchBatch& batch) { watch->batches.push_back(batch); }),
        [watch](const std::exception_ptr& error, Error end) {
          EXPECT_FALSE(error);
          watch->end = std::move(end);
        });
    return watch;
  }
  template <class Done>
  bool run_until(Done done, Duration limit = kTimeout) {
    return testing::run_until(io_, std::move(done), limit);
  }

  boost::asio::io_context io_{1};
  std::unique_ptr<StoreService> service_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, reads_what_was_put_with_relative_keys) {
  const auto done = put("members/a", "one");
  EXPECT_TRUE(done.succeeded);
  const Keys keys = read();
  ASSERT_EQ(keys.keys.size(), 1u);
  EXPECT_EQ(keys.keys[0].key, "members/a");
  EXPECT_EQ(keys.keys[0].value, "one");
  EXPECT_EQ(keys.keys[0].mod_revision, done.revision);
  EXPECT_EQ(keys.keys[0].create_revision, done.revision);
  EXPECT_GE(keys.revision, done.revision);
}

TEST_P(StoreContract, sees_nothing_outside_its_base_path) {
  auto neighbour = service_->open(io_, "/service/demo2/");
  auto done =
      run(neighbour->txn({.when = {}, .then = {{.key = "leader", .value = "x"}}}, kTimeout));
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_TRUE(read().keys.empty());
}

TEST_P(StoreContract, values_are_bytes) {
  const std::string value("\0\xff\n\"", 4);
  put("binary", value);
  EXPECT_EQ(read().keys.at(0).value, value);
}

TEST_P(StoreContract, every_kind_of_compare_holds_and_fails) {
  using What = model::Compare::What;
  const LeaseInfo lease = grant(seconds(60));
  const auto made = put("k", "v", lease.id);
  const auto changed = put("k", "w", lease.id);
  const auto holds = [&](model::Compare compare) {
    return txn({.when = {std::move(compare)}, .then = {{.key = "other", .value = "x"}}}).succeeded;
  };
  EXPECT_TRUE(holds({"missing", What::absent}));
  EXPECT_FALSE(holds({"k", What::absent}));
  EXPECT_TRUE(holds({"k", What::mod_revision, changed.revision}));
  EXPECT_FALSE(holds({"k", What::mod_revision, made.revision}));
  EXPECT_TRUE(holds({"missing", What::mod_revision, 0}));
  EXPECT_TRUE(holds({"k", What::create_revision, made.revision}));
  EXPECT_FALSE(holds({"k", What::create_revision, changed.revision}));
  EXPECT_TRUE(holds({"k", What::value, 0, "w"}));
  EXPECT_FALSE(holds({"k", What::value, 0, "v"}));
  EXPECT_FALSE(holds({"missing", What::value, 0, "v"}));
  EXPECT_TRUE(holds({"k", What::lease, lease.id}));
  EXPECT_FALSE(holds({"k", What::lease, lease.id + 1}));
}

TEST_P(StoreContract, a_failed_compare_writes_nothing_and_is_no_error) {
  const auto done = txn({.when = {{"missing", model::Compare::What::value, 0, "x"}},
                         .then = {{.key = "a", .value = "1"}, {.key = "b", .value = "2"}}});
  EXPECT_FALSE(done.succeeded);
  EXPECT_TRUE(read().keys.empty());
}

TEST_P(StoreContract, a_transaction_writes_all_at_one_revision) {
  const auto done =
      txn({.when = {}, .then = {{.key = "a", .value = "1"}, {.key = "b", .value = "2"}}});
  const Keys keys = read();
  ASSERT_EQ(keys.keys.size(), 2u);
  for (const auto& key : keys.keys) EXPECT_EQ(key.mod_revision, done.revision);
}

TEST_P(StoreContract, erase_takes_one_key_and_erase_prefix_all_below) {
  put("members/a", "1");
  put("members/b", "2");
  put("membership", "3");
  put("leader", "a");
  txn({.when = {}, .then = {{model::Write::What::erase, "leader"}}});
  EXPECT_EQ(find(read(), "leader"), nullptr);
  txn({.when = {}, .then = {{model::Write::What::erase_prefix, "members/"}}});
  const Keys keys = read();
  ASSERT_EQ(keys.keys.size(), 1u);
  EXPECT_EQ(keys.keys[0].key, "membership");
  txn({.when = {}, .then = {{model::Write::What::erase_prefix, ""}}});
  EXPECT_TRUE(read().keys.empty());
}

TEST_P(StoreContract, a_key_goes_with_its_lease) {
  const LeaseInfo lease = grant(seconds(60));
  put("leader", "a", lease.id);
  EXPECT_EQ(read().keys.at(0).lease, lease.id);
  const auto revoked = run(store_->revoke(lease.id, kTimeout));
  EXPECT_TRUE(revoked) << (revoked ? "" : revoked.error().text());
  EXPECT_TRUE(read().keys.empty());
}

TEST_P(StoreContract, a_lease_that_nobody_renews_runs_out) {
  const LeaseInfo lease = grant(seconds(2));
  EXPECT_GE(lease.ttl, seconds(2));
  const auto made = put("leader", "a", lease.id);
  const auto seen = watch(made.revision + 1);
  ASSERT_TRUE(run_until([&] { return seen->changes() == 1; }, lease.ttl + seconds(6)));
  EXPECT_TRUE(seen->batches.back().changes.at(0).deleted);
  const auto renewed = run(store_->keep_alive(lease.id, kTimeout));
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().code, Code::rejected) << renewed.error().text();
}

TEST_P(StoreContract, keep_alive_tells_the_time_left) {
  const LeaseInfo lease = grant(seconds(30));
  const auto left = run(store_->keep_alive(lease.id, kTimeout));
  ASSERT_TRUE(left) << left.error().text();
  EXPECT_EQ(*left, lease.ttl);
}

TEST_P(StoreContract, a_revoked_lease_is_rejected_everywhere) {
  const LeaseInfo lease = grant(seconds(30));
  ASSERT_TRUE(run(store_->revoke(lease.id, kTimeout)));
  const auto renewed = run(store_->keep_alive(lease.id, kTimeout));
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().code, Code::rejected) << renewed.error().text();
  const auto written = run(store_->txn(
      {.when = {}, .then = {{model::Write::What::put, "leader", "a", lease.id}}}, kTimeout));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::rejected) << written.error().text();
  const auto again = run(store_->revoke(lease.id, kTimeout));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::rejected) << again.error().text();
}

TEST_P(StoreContract, a_request_the_store_can_not_take_is_invalid) {
  const auto twice = run(store_->txn(
      {.when = {}, .then = {{.key = "a", .value = "1"}, {.key = "a", .value = "2"}}}, kTimeout));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, Code::invalid) << twice.error().text();
}

TEST_P(StoreContract, a_watch_brings_changes_in_order) {
  const auto first = put("a", "1");
  const auto seen = watch(first.revision + 1);
  put("a", "2");
  const auto both =
      txn({.when = {}, .then = {{.key = "b", .value = "1"}, {.key = "c", .value = "1"}}});
  const auto erased = txn({.when = {}, .then = {{model::Write::What::erase, "a"}}});
  ASSERT_TRUE(run_until([&] { return seen->changes() == 4; }));
  model::Revision last = first.revision;
  for (const auto& batch : seen->batches) {
    EXPECT_GE(batch.revision, last);
    for (const auto& change : batch.changes) {
      EXPECT_GE(change.kv.mod_revision, last);
      last = change.kv.mod_revision;
    }
  }
  EXPECT_EQ(last, erased.revision);
  const auto& end = seen->batches.back().changes.back();
  EXPECT_TRUE(end.deleted);
  EXPECT_EQ(end.kv.key, "a");
  EXPECT_EQ(end.kv.mod_revision, erased.revision);
  EXPECT_LT(both.revision, erased.revision);
  EXPECT_FALSE(seen->end);
}

TEST_P(StoreContract, a_watch_resumes_where_another_ended) {
  const auto first = put("a", "1");
  put("a", "2");
  put("a", "3");
  const auto seen = watch(first.revision + 1);
  ASSERT_TRUE(run_until([&] { return seen->changes() == 2; }));
  EXPECT_EQ(seen->batches.at(0).changes.at(0).kv.value, "2");
}

TEST_P(StoreContract, a_silent_watch_reports_progress) {
  const auto made = put("a", "1");
  const auto seen = watch(made.revision + 1, milliseconds(200));
  ASSERT_TRUE(run_until([&] { return seen->batches.size() >= 2; }));
  EXPECT_EQ(seen->changes(), 0u);
  EXPECT_EQ(seen->batches.back().revision, made.revision);
  EXPECT_FALSE(seen->end);
}

TEST_P(StoreContract, a_watch_from_before_a_compaction_ends) {
  const auto first = put("a", "1");
  const auto last = put("a", "2");
  service_->compact(last.revision);
  const auto seen = watch(first.revision);
  ASSERT_TRUE(run_until([&] { return seen->end.has_value(); }));
  EXPECT_EQ(seen->end->code, Code::unavailable) << seen->end->text();
  EXPECT_NE(seen->end->message.find("compact"), std::string::npos) << seen->end->text();
  EXPECT_EQ(seen->changes(), 0u);
}

TEST_P(StoreContract, close_ends_calls_and_watches_with_cancelled) {
  const auto made = put("a", "1");
  const auto seen = watch(made.revision + 1);
  EXPECT_FALSE(run_until([&] { return seen->end.has_value(); }, milliseconds(100)));
  store_->close();
  ASSERT_TRUE(run_until([&] { return seen->end.has_value(); }));
  EXPECT_EQ(seen->end->code, Code::cancelled);
  const auto late = run(store_->read(kTimeout));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::cancelled);
}

TEST_P(StoreContract, a_store_may_be_destroyed_under_a_watch) {
  const auto made = put("a", "1");
  const auto seen = watch(made.revision + 1);
  EXPECT_FALSE(run_until([&] { return seen->end.has_value(); }, milliseconds(100)));
  store_.reset();
  ASSERT_TRUE(run_until([&] { return seen->end.has_value(); }));
  EXPECT_EQ(seen->end->code, Code::cancelled);
}

TEST_P(StoreContract, tells_its_version) {
  const auto version = run(store_->server_version(kTimeout));
  ASSERT_TRUE(version) << version.error().text();
  EXPECT_NE(version->find('.'), std::string::npos);
}

}  // namespace aurum::dcs
