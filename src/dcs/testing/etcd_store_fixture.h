#pragma once

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "dcs/etcd_store.h"
#include "dcs/testing/etcd_servers.h"
#include "dcs/testing/run.h"
#include "runtime/clock.h"
#include "runtime/log.h"

namespace aurum::dcs::testing {

/// Keeps what was logged, for assertions.
class MemoryLog final : public runtime::Logger {
 public:
  void log(runtime::Level, std::string_view event, std::string_view text, const Fields&) override {
    lines.push_back(std::string(event) + " | " + std::string(text));
  }
  int count(std::string_view event) const {
    const std::string begin = std::string(event) + " |";
    return static_cast<int>(
        std::ranges::count_if(lines, [&](const auto& line) { return line.starts_with(begin); }));
  }
  std::string text() const {
    std::string all;
    for (const auto& line : lines) all += line + "\n";
    return all;
  }
  std::vector<std::string> lines;
};

/// A store over real etcd members, connected to the first one after start(). Whatever a test does,
/// its etcds end and its files go with it.
class EtcdStoreFixture : public ::testing::Test {
 protected:
  static constexpr Duration kTimeout = seconds(5);
  static constexpr const char* kBase = "/service/demo/";

  void TearDown() override {
    store_.reset();
    io_.restart();
    io_.poll();
    if (HasFailure()) std::printf("log of the store:\n%s", log_.text().c_str());
    cluster_.reset();
  }

  void make_cluster(ClusterOptions options) {
    cluster_ = std::make_unique<EtcdCluster>(std::move(options));
  }
  void open(model::EtcdConfig config) {
    store_ = make_etcd_store(io_.get_executor(), std::move(config), kBase, log_);
  }
  void open() { open(cluster_->config()); }
  void start(ClusterOptions options) {
    make_cluster(std::move(options));
    cluster_->start_all();
    for (const std::string& host : cluster_->config().hosts) {
      auto config = cluster_->config();
      config.hosts = {host};
      config.use_proxies = true;
      open(std::move(config));
      wait_until_ready();
    }
    log_.lines.clear();
    open();
    wait_until_ready();
  }
  void wait_until_ready() {
    const auto keys = run(store_->read(seconds(20)));
    ASSERT_TRUE(keys) << keys.error().text();
  }

  template <class T>
  T run(runtime::Task<T> task) {
    return testing::run(io_, std::move(task), seconds(60));
  }
  void pass(Duration time) {
    testing::run_until(io_, [] { return false; }, time);
  }
  /// How many handlers the loop ran within `time`.
  int steps_within(Duration time) {
    io_.restart();
    const auto end = std::chrono::steady_clock::now() + time;
    int steps = 0;
    while (std::chrono::steady_clock::now() < end && !io_.stopped())
      steps += static_cast<int>(io_.run_one_until(end));
    return steps;
  }
  Result<model::TxnDone> put(const std::string& key, const std::string& value,
                             Duration timeout = kTimeout) {
    return run(store_->txn({.when = {}, .then = {{.key = key, .value = value}}}, timeout));
  }
  /// Writes until it is certain that it was written.
  bool run_until_written(const std::string& key, const std::string& value) {
    for (int i = 0; i < 20; ++i) {
      const auto done = put(key, value, seconds(1));
      if (done) return true;
    }
    return false;
  }
  /// A watch under way: the changes it brought, and how it ended.
  struct Watch {
    std::vector<Change> changes;
    std::optional<Error> end;
  };
  std::shared_ptr<Watch> watch(model::Revision from, Duration silence = seconds(2)) {
    auto watch = std::make_shared<Watch>();
    asio::co_spawn(io_,
                   store_->watch(from, silence,
                                 [watch](const WatchBatch& batch) {
                                   watch->changes.insert(watch->changes.end(),
                                                         batch.changes.begin(),
                                                         batch.changes.end());
                                 }),
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
  template <class F>
  static Duration took(F action) {
    const Instant begin = runtime::now();
    action();
    return runtime::now() - begin;
  }

  asio::io_context io_{1};
  MemoryLog log_;
  std::unique_ptr<EtcdCluster> cluster_;
  std::unique_ptr<Store> store_;
};

}  // namespace aurum::dcs::testing
