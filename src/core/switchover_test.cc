// PATRONI_COMPAT §2.6.2, §8.6.

#include "core/switchover.h"

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

using model::Lsn;
using What = RequestVerdict::What;

const WallTime kNow{1'800'000'000'000'000};
std::string in_seconds(std::int64_t s) { return model::iso8601({kNow.us + s * 1'000'000}); }

TEST(CheckRequest, table) {
  struct Case {
    const char* says;
    model::FailoverRequest request;
    bool paused;
    What expected;
  };
  const Case cases[] = {
      {"from me to anybody", {"me", "", "", 1}, false, What::go},
      {"from me to b", {"me", "b", "", 1}, false, What::go},
      {"a failover to b, whoever leads", {"", "b", "", 1}, false, What::go},
      {"from somebody who does not lead any more", {"x", "b", "", 1}, false, What::drop},
      {"to who leads already", {"", "me", "", 1}, false, What::drop},
      {"later", {"me", "b", in_seconds(60), 1}, false, What::wait},
      {"now", {"me", "b", in_seconds(0), 1}, false, What::due},
      {"a minute late at most", {"me", "b", in_seconds(-60), 1}, false, What::due},
      {"missed", {"me", "b", in_seconds(-61), 1}, false, What::drop},
      {"a time that is none", {"me", "b", "tomorrow", 1}, false, What::drop},
      {"a time without offset", {"me", "b", "2027-01-15T08:00:00", 1}, false, What::drop},
      {"paused, named", {"me", "b", "", 1}, true, What::go},
      {"paused, unnamed", {"me", "", "", 1}, true, What::drop},
      {"paused, its time has come", {"me", "b", in_seconds(-1), 1}, true, What::drop},
      {"paused, later", {"me", "b", in_seconds(60), 1}, true, What::wait},
  };
  for (const auto& c : cases)
    EXPECT_EQ(check_request(c.request, "me", kNow, c.paused).what, c.expected) << c.says;
  EXPECT_EQ(check_request({"me", "b", in_seconds(60), 1}, "me", kNow, false).wait, seconds(60));
}

TEST(PossibleSuccessors, table) {
  model::ClusterView cluster;
  model::DynamicConfig config;
  RaceView view;
  view.cluster = &cluster;
  view.config = &config;
  view.self = "me";
  view.position = Lsn{10'000'000};
  model::PeerStatus good;
  good.running = true;
  good.position = Lsn{9'900'000};
  PeerAnswers answers{{"b", good}, {"c", good}};
  const auto names = [&](bool failover = false) {
    return possible_successors(view, answers, failover);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(), (Names{"b", "c"}));
  cluster.failover = model::FailoverRequest{"me", "c", "", 1};
  EXPECT_EQ(names(), (Names{"c"})) << "only the candidate";
  cluster.failover.reset();
  answers["b"].reset();
  EXPECT_EQ(names(), (Names{"c"})) << "a silent one is none";
  answers["b"] = good;
  answers["b"]->position = Lsn{1'000'000};
  EXPECT_EQ(names(), (Names{"c"})) << "nor one too far behind";
  answers["b"] = good;
  answers["b"]->running = false;
  EXPECT_EQ(names(), (Names{"c"})) << "nor one that is down";
  answers["b"] = good;
  answers["b"]->tags = model::Value::object();
  answers["b"]->tags.set("nofailover", true);
  EXPECT_EQ(names(), (Names{"c"})) << "nor one that may not";
  config.synchronous_mode = model::SyncMode::on;
  cluster.sync.leader = "me";
  cluster.sync.members = {"b"};
  EXPECT_EQ(names(), Names{}) << "in sync mode only who holds every row";
  EXPECT_EQ(names(true), (Names{"c"})) << "unless the operator says failover";
}

}  // namespace
}  // namespace aurum::core
