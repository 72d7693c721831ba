#include "dcs/etcd/resolver.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "dcs/testing/run.h"

namespace aurum::dcs::etcd {
namespace {

using Addresses = Resolver::Addresses;

/// A name service that answers, fails or hangs as told.
struct Names {
  std::mutex mutex;
  std::condition_variable changed;
  bool hangs = false;
  Result<Addresses> answer = Addresses{asio::ip::make_address("10.0.0.1")};
  int asked = 0;

  Resolver::Lookup lookup() {
    return [this](const std::string&) {
      std::unique_lock lock(mutex);
      ++asked;
      changed.wait(lock, [this] { return !hangs; });
      return answer;
    };
  }
  void set(bool hang, Result<Addresses> next) {
    const std::lock_guard lock(mutex);
    hangs = hang;
    answer = std::move(next);
    changed.notify_all();
  }
};

// FAILURES F45.
// static.
TEST(Resolver, keeps_the_last_good_addresses_when_the_name_service_fails_or_hangs) {
  static Names& names = *new Names;  // threads that ask may run until the process ends
  asio::io_context io;
  Resolver resolver(io.get_executor(), names.lookup());
  const auto ask = [&](Duration patience) {
    return testing::run(io, resolver.resolve("etcd-1", patience));
  };

  const auto first = ask(seconds(5));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at(0).to_string(), "10.0.0.1");

  names.set(false, fail(Code::unavailable, "server failure"));
  const auto second = ask(seconds(5));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->at(0).to_string(), "10.0.0.1");

  names.set(true, Addresses{asio::ip::make_address("10.0.0.2")});
  const auto third = ask(milliseconds(20));
  ASSERT_TRUE(third);
  EXPECT_EQ(third->at(0).to_string(), "10.0.0.1");

  names.set(false, Addresses{asio::ip::make_address("10.0.0.2")});
  const auto fourth = ask(seconds(5));
  ASSERT_TRUE(fourth);
  EXPECT_EQ(fourth->at(0).to_string(), "10.0.0.2");
  EXPECT_LE(names.asked, 4) << "a lookup under way is not doubled";
}

TEST(Resolver, says_which_name_it_can_not_resolve) {
  static Names& names = *new Names;  // threads that ask may run until the process ends
  names.set(false, fail(Code::unavailable, "no such name"));
  asio::io_context io;
  Resolver resolver(io.get_executor(), names.lookup());
  const auto got = testing::run(io, resolver.resolve("etcd-9", seconds(5)));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message, "cannot resolve 'etcd-9': no such name");
}

TEST(Resolver, may_be_destroyed_while_a_lookup_hangs) {
  static Names& names = *new Names;  // threads that ask may run until the process ends
  names.set(true, Addresses{});
  {
    asio::io_context io;
    Resolver resolver(io.get_executor(), names.lookup());
    const auto got = testing::run(io, resolver.resolve("etcd-1", milliseconds(20)));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, Code::unavailable);
  }
  names.set(false, Addresses{});
}

TEST(Resolver, numeric_addresses_ask_nobody) {
  asio::io_context io;
  Resolver resolver(io.get_executor(), [](const std::string&) -> Result<Addresses> {
    ADD_FAILURE() << "asked";
    return Addresses{};
  });
  const auto got = testing::run(io, resolver.resolve("::1", Duration(0)));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->at(0).is_loopback());
}

}  // namespace
}  // namespace aurum::dcs::etcd
