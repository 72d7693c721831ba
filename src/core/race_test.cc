// PATRONI_COMPAT §8.1, one row a rule.

#include "core/race.h"

#include <functional>

#include <gtest/gtest.h>

namespace aurum::core {
namespace {

using model::Lsn;
using model::SyncMode;

/// A healthy replica of a leaderless cluster, and two peers as good as it.
struct World {
  model::ClusterView cluster;
  model::DynamicConfig config;
  RaceView view;
  PeerAnswers answers;

  World() {
    view.cluster = &cluster;
    view.config = &config;
    view.self = "a";
    view.accepting = view.in_recovery = true;
    view.position = Lsn{1000};
    view.timeline = 2;
    cluster.status.optime = Lsn{1000};
    cluster.history = {{1, Lsn{500}, "", "", ""}};
    for (const char* name : {"b", "c"}) {
      model::PeerStatus peer;
      peer.running = true;
      peer.timeline = 2;
      peer.position = Lsn{1000};
      answers[name] = peer;
    }
  }
  model::PeerStatus& peer(const std::string& name) { return *answers[name]; }
  void sync(const char* leader, std::vector<std::string> members) {
    config.synchronous_mode = SyncMode::on;
    cluster.sync.leader = leader;
    cluster.sync.members = std::move(members);
    cluster.sync.mod_revision = 1;
  }
  void failsafe(const std::vector<std::string>& names) {
    cluster.failsafe = model::FailsafeMap{.mod_revision = 5};
    for (const auto& name : names) cluster.failsafe->members[name] = "http://" + name;
  }
  /// This node; and how it stands with the others.
  void short_of_room(model::DiskLevel others) {
    view.disk = model::DiskLevel::critical;
    for (const char* name : {"b", "c"}) {
      model::Member& member = cluster.members[name];
      member.aurum_version = "1";
      member.disk = others;
    }
  }
  void request(const char* candidate) {
    cluster.failover = model::FailoverRequest{"x", candidate, "", 1};
  }
};

model::Value tag(const char* name, model::Value value) {
  model::Value tags = model::Value::object();
  tags.set(name, std::move(value));
  return tags;
}

struct Case {
  const char* says;
  std::function<void(World&)> change;
  bool stands;
};

TEST(MayStand, table) {
  const Case cases[] = {
      {"a healthy replica stands", [](World&) {}, true},
      {"a server that does not answer never does", [](World& w) { w.view.accepting = false; },
       false},
      {"nofailover", [](World& w) { w.view.tags = tag("nofailover", true); }, false},
      {"failover_priority 0 is nofailover",
       [](World& w) { w.view.tags = tag("failover_priority", 0); }, false},
      {"sync mode: not listed", [](World& w) { w.sync("b", {"c"}); }, false},
      {"sync mode: listed as a standby, in any case", [](World& w) { w.sync("b", {"A"}); }, true},
      {"sync mode: recorded leader", [](World& w) { w.sync("a", {}); }, true},
      {"sync mode that nobody recorded yet asks nothing", [](World& w) { w.sync("", {}); }, true},
      {"in the failsafe map", [](World& w) { w.failsafe({"a", "b"}); }, true},
      {"outside the failsafe map: not asked by its leader",
       [](World& w) { w.failsafe({"b", "c"}); }, false},
      {"a map that can not be read names nobody", [](World& w) { w.failsafe({}); }, true},
      {"outside the map, and an operator says that the leader is off",
       [](World& w) {
         w.failsafe({"b", "c"});
         w.cluster.failover = model::FailoverRequest{"", "a", "", 9};
       },
       true},
      {"outside the map, and the operator spoke before it was written",
       [](World& w) {
         w.failsafe({"b", "c"});
         w.cluster.failover = model::FailoverRequest{"", "a", "", 3};
       },
       false},
      {"outside the map, and the leader is asked to give way",
       [](World& w) {
         w.failsafe({"b", "c"});
         w.cluster.failover = model::FailoverRequest{"x", "a", "", 9};
       },
       false},
      {"with a quorum the votes tell",
       [](World& w) {
         w.sync("b", {"c"});
         w.config.synchronous_mode = SyncMode::quorum;
       },
       true},
      {"a stale sync key of a mode that is off asks nothing",
       [](World& w) {
         w.sync("b", {"c"});
         w.config.synchronous_mode = SyncMode::off;
       },
       true},
      {"lag at the limit", [](World& w) { w.cluster.status.optime = Lsn{1000 + 1048576}; }, true},
      {"lag past the limit", [](World& w) { w.cluster.status.optime = Lsn{1001 + 1048576}; },
       false},
      {"a replica on an old timeline, check_timeline off", [](World& w) { w.view.timeline = 1; },
       true},
      {"a replica on an old timeline, check_timeline on",
       [](World& w) {
         w.view.timeline = 1;
         w.config.check_timeline = true;
       },
       false},
      {"a running primary on an old timeline never does (F1)",
       [](World& w) {
         w.view.timeline = 1;
         w.view.in_recovery = false;
       },
       false},
      {"a running primary on the newest timeline", [](World& w) { w.view.in_recovery = false; },
       true},
      {"paused", [](World& w) { w.view.paused = true; }, false},
      {"paused, and asked for by name",
       [](World& w) {
         w.view.paused = true;
         w.request("a");
       },
       true},
      {"paused, and a running primary",
       [](World& w) {
         w.view.paused = true;
         w.view.in_recovery = false;
       },
       true},
  };
  for (const auto& c : cases) {
    World w;
    c.change(w);
    const RaceVerdict verdict = may_stand(w.view);
    EXPECT_EQ(verdict.stand, c.stands) << c.says;
    if (!verdict.stand) {
      EXPECT_FALSE(verdict.text.empty()) << c.says;
    }
  }
}

TEST(JudgeRace, table) {
  const Case cases[] = {
      {"among equals", [](World&) {}, true},
      {"with nobody there", [](World& w) { w.answers.clear(); }, true},
      {"silent peers are no obstacle", [](World& w) { w.answers["b"].reset(); }, true},
      {"a running primary is", [](World& w) { w.peer("b").in_recovery = false; }, false},
      {"a primary that is down is not",
       [](World& w) {
         w.peer("b").in_recovery = false;
         w.peer("b").running = false;
       },
       true},
      {"somebody ahead", [](World& w) { w.peer("c").position = Lsn{1001}; }, false},
      {"somebody ahead who is outside the failsafe map",
       [](World& w) {
         w.peer("c").position = Lsn{1001};
         w.failsafe({"a", "b"});
       },
       true},
      {"a running primary, and a standby of it that was asked a moment later",
       [](World& w) {
         w.view.in_recovery = false;
         w.peer("c").position = Lsn{1001};
       },
       true},
      {"somebody ahead who may never lead",
       [](World& w) {
         w.peer("c").position = Lsn{1001};
         w.peer("c").tags = tag("nofailover", true);
       },
       true},
      {"somebody ahead on a branch that was left behind (F23)",
       [](World& w) {
         w.peer("c").position = Lsn{5000};
         w.peer("c").timeline = 1;
       },
       true},
      {"somebody on a newer timeline, with less WAL (F23)",
       [](World& w) {
         w.peer("c").position = Lsn{900};
         w.peer("c").timeline = 3;
       },
       false},
      {"an unknown timeline does not count",
       [](World& w) {
         w.peer("c").timeline = 0;
         w.peer("c").position = Lsn{900};
       },
       true},
      {"equal, with a higher priority (F29)",
       [](World& w) { w.peer("c").tags = tag("failover_priority", 2); }, false},
      {"short of room, and an equal one has some",
       [](World& w) { w.short_of_room(model::DiskLevel::ok); }, false},
      {"short of room, and so are the others",
       [](World& w) { w.short_of_room(model::DiskLevel::critical); }, true},
      {"short of room, and the others are Patronis, which tell nothing",
       [](World& w) {
         w.short_of_room(model::DiskLevel::ok);
         w.cluster.members["b"].aurum_version.clear();
         w.cluster.members["c"].aurum_version.clear();
       },
       true},
      {"short of room, and with more than the others have",
       [](World& w) {
         w.short_of_room(model::DiskLevel::ok);
         w.view.position = Lsn{1001};
       },
       true},
      {"short of room, and nobody who has some took the lock for long",
       [](World& w) {
         w.short_of_room(model::DiskLevel::ok);
         w.view.leaderless = kRoomPatience + milliseconds(1);
       },
       true},
      {"short of room, and asked for by an operator",
       [](World& w) {
         w.short_of_room(model::DiskLevel::ok);
         w.request("a");
       },
       true},
      {"with room, and the others are short of it",
       [](World& w) {
         w.short_of_room(model::DiskLevel::critical);
         w.view.disk = model::DiskLevel::low;
       },
       true},
      {"behind, with a higher priority",
       [](World& w) {
         w.peer("c").tags = tag("failover_priority", 2);
         w.peer("c").position = Lsn{999};
       },
       true},
      {"sync mode: somebody ahead who is not listed",
       [](World& w) {
         w.sync("x", {"a"});
         w.peer("c").position = Lsn{2000};
       },
       true},
      {"sync mode: somebody ahead who is listed",
       [](World& w) {
         w.sync("x", {"a", "c"});
         w.peer("c").position = Lsn{2000};
       },
       false},
      {"sync mode: the recorded leader has every acknowledged row",
       [](World& w) {
         w.sync("a", {"c"});
         w.peer("c").position = Lsn{2000};
         w.peer("c").tags = tag("failover_priority", 2);
       },
       true},
      {"quorum: a voter with enough others that have no more",
       [](World& w) {
         w.sync("x", {"a", "b", "c"});
         w.cluster.sync.quorum = 2;
       },
       true},
      {"quorum: one of them does not answer",
       [](World& w) {
         w.sync("x", {"a", "b", "c"});
         w.cluster.sync.quorum = 2;
         w.answers["c"].reset();
       },
       false},
      {"quorum: one of them is down",
       [](World& w) {
         w.sync("x", {"a", "b", "c"});
         w.cluster.sync.quorum = 2;
         w.peer("c").running = false;
       },
       false},
      {"quorum: whatever the mode says now",
       [](World& w) {
         w.sync("x", {"a", "b", "c"});
         w.cluster.sync.quorum = 1;
         w.config.synchronous_mode = SyncMode::quorum;
         w.answers.clear();
       },
       false},
      {"quorum: one who may not lead and is ahead gives no vote",
       [](World& w) {
         w.sync("x", {"a", "c"});
         w.cluster.sync.quorum = 1;
         w.peer("c").position = Lsn{1001};
         w.peer("c").tags = tag("nofailover", true);
       },
       false},
      {"quorum: who has no vote needs one more",
       [](World& w) {
         w.sync("x", {"b", "c"});
         w.cluster.sync.quorum = 1;
       },
       true},
      {"quorum: who has no vote, and one answers",
       [](World& w) {
         w.sync("x", {"b", "c", "d"});
         w.cluster.sync.quorum = 2;
       },
       false},
      {"quorum: the former leader has every row, and is not ahead",
       [](World& w) {
         w.sync("b", {"c", "d", "e"});
         w.cluster.sync.quorum = 2;
       },
       true},
      {"quorum: the recorded leader asks nobody",
       [](World& w) {
         w.sync("a", {"b", "c"});
         w.cluster.sync.quorum = 1;
         w.answers.clear();
       },
       true},
      {"the candidate of a request is let pass", [](World& w) { w.request("b"); }, false},
      {"… but waited for only so long",
       [](World& w) {
         w.request("b");
         w.view.leaderless = seconds(6);
       },
       true},
      {"… and not if silent",
       [](World& w) {
         w.request("b");
         w.answers["b"].reset();
       },
       true},
      {"… nor before its time",
       [](World& w) {
         w.request("b");
         w.cluster.failover->scheduled_at = "2030-01-01T00:00:00+00:00";
       },
       true},
      {"the candidate itself, against a priority",
       [](World& w) {
         w.request("a");
         w.peer("c").tags = tag("failover_priority", 2);
       },
       true},
  };
  for (const auto& c : cases) {
    World w;
    c.change(w);
    EXPECT_EQ(judge_race(w.view, w.answers).stand, c.stands) << c.says;
  }
}

TEST(JudgeRace, somebody_always_stands_whatever_positions_timelines_and_priorities_are) {  // F29
  for (int code = 0; code < 4096; ++code) {
    const auto pick = [&](int node, int bit) { return (code >> (node * 4 + bit * 2)) & 3; };
    int standing = 0;
    for (int self = 0; self < 3; ++self) {
      World w;
      w.answers.clear();
      for (int node = 0; node < 3; ++node) {
        model::PeerStatus peer;
        peer.running = true;
        peer.timeline = static_cast<model::Timeline>(1 + (pick(node, 0) & 1));
        peer.position = Lsn{static_cast<std::uint64_t>(1000 + pick(node, 1))};
        peer.tags = tag("failover_priority", 1 + (pick(node, 0) >> 1));
        const std::string name(1, static_cast<char>('a' + node));
        if (node == self) {
          w.view.self = name;
          w.view.timeline = peer.timeline;
          w.view.position = peer.position;
          w.view.tags = peer.tags;
        } else {
          w.answers[name] = peer;
        }
      }
      if (judge_race(w.view, w.answers).stand) ++standing;
    }
    EXPECT_GE(standing, 1) << code;
  }
}

}  // namespace
}  // namespace aurum::core
