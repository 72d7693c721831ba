// A cluster that follows another one: founded from it, led without a writer, promoted, demoted.

#include <algorithm>

#include "sim/profile.h"
#include "sim/testing/scenario.h"

namespace aurum::sim {
namespace {

model::Value following() { return where_the_remote_is(); }

class StandbyCluster : public Scenario {
 protected:
  /// A cluster that follows a remote from its first moment.
  void begin_following(std::uint64_t seed = 1, int nodes = 3) {
    own_ = std::make_unique<World>(
        WorldOptions{.nodes = nodes, .seed = seed, .dcs = dcs({{"standby_cluster", following()}})});
    own_->add_remote();
    for (Node* n : own_->nodes()) own_->start_agent(*n);
    ASSERT_TRUE(settles()) << own_->describe();
  }
  /// An ordinary one, of which the remote is a copy that was promoted.
  void begin_leading(std::uint64_t seed = 1, model::Value config = dcs({})) {
    own_ =
        std::make_unique<World>(WorldOptions{.nodes = 3, .seed = seed, .dcs = std::move(config)});
    for (Node* n : own_->nodes()) own_->start_agent(*n);
    ASSERT_TRUE(own_->run_until_healthy()) << own_->describe();
    own_->run_for(seconds(3));
    Postgres& pg = own_->add_remote().pg;
    pg.system_identifier = own_->writer()->pg.system_identifier;
    pg.wal = own_->writer()->pg.wal;
    pg.flush();
    own_->fail_over_remote(0x200);
  }
  void TearDown() override {
    if (own_ && !own_->violations.empty())
      ADD_FAILURE() << own_->violations.front() << "\n" << own_->describe();
  }
  World& w() { return *own_; }
  Node& remote() { return w().node(""); }
  Node& leading() { return w().node(w().leader()); }
  Node& other(int which = 0) {
    for (Node* n : w().nodes()) {
      if (n->name != w().leader() && which-- == 0) return *n;
    }
    return leading();
  }
  /// The leader streams from the remote, everybody else from the leader, and nobody writes.
  bool whole() {
    const std::string name = w().leader();
    if (name.empty() || w().writer() != nullptr) return false;
    for (Node* n : w().nodes()) {
      if (!n->up || !n->core) continue;
      const char* const from = n->name == name ? "remote" : name.c_str();
      if (!n->pg.streaming || n->pg.streams_from != from) return false;
      const auto role = n->name == name ? model::Role::standby_leader : model::Role::replica;
      if (n->core->state().role != role) return false;
    }
    return true;
  }
  bool settles(Duration limit = seconds(60)) {
    return w().run_until([&] { return whole(); }, limit);
  }
  Duration seconds_until(const std::function<bool()>& holds) {
    const Instant begin = w().now();
    EXPECT_TRUE(w().run_until(holds, seconds(60))) << w().describe();
    return w().now() - begin;
  }
  bool follows_remote_timeline() {
    return std::ranges::all_of(w().nodes(), [&](const Node* n) {
      return n->pg.wal.timeline() == remote().pg.wal.timeline();
    });
  }

 private:
  std::unique_ptr<World> own_;
};

TEST_F(StandbyCluster, is_founded_from_the_remote_without_initdb_and_without_a_writer) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin_following(seed);
    EXPECT_EQ(w().initdbs, 0);
    EXPECT_EQ(w().store.view().initialize, remote().pg.system_identifier);
    EXPECT_TRUE(follows_remote_timeline());
    EXPECT_EQ(leading().page.state, PageState::idle);
    w().run_for(seconds(5));
    EXPECT_TRUE(w().store.view().history.empty());
    EXPECT_GT(w().store.view().status.optime->value, 0u);
    EXPECT_EQ(w().store.view().member(w().leader())->role, model::Role::standby_leader);
    EXPECT_TRUE(w().violations.empty()) << w().violations.front() << w().describe();
  }
}

TEST_F(StandbyCluster, a_remote_that_is_away_delays_the_founding_only) {
  begin_following();
  // Again, from the very beginning, with a remote that does not answer at first.
  World late({.nodes = 2, .seed = 3, .dcs = dcs({{"standby_cluster", following()}})});
  late.add_remote().up = false;
  for (Node* n : late.nodes()) late.start_agent(*n);
  late.run_for(seconds(20));
  EXPECT_EQ(late.leader(), "");
  late.node("").up = true;
  EXPECT_TRUE(late.run_until([&] { return late.replicas().size() == 2; }, seconds(90)))
      << late.describe();
  EXPECT_EQ(late.initdbs, 0);
  EXPECT_TRUE(late.violations.empty());
}

// Seed 598 of the profile: its claim was kept alive, and nobody founded the cluster ever.
TEST_F(StandbyCluster, a_claim_that_was_given_up_without_an_answer_is_taken_up_again) {
  World late({.nodes = 2, .seed = 3, .dcs = dcs({{"standby_cluster", following()}})});
  late.add_remote().up = false;
  for (Node* n : late.nodes()) late.start_agent(*n);
  const auto claims = [](const Node* n) { return n->said("bootstrap"); };
  ASSERT_TRUE(
      late.run_until([&] { return std::ranges::any_of(late.nodes(), claims); }, seconds(9)));
  const auto founder = std::ranges::find_if(late.nodes(), claims);
  (*founder)->mute_to_store = true;  // its copy breaks off, and so does what it writes then
  ASSERT_TRUE(late.run_until([&] { return (*founder)->said("clone.failed"); }, seconds(9)));
  late.run_for(seconds(2));
  (*founder)->mute_to_store = false;
  late.node("").up = true;
  EXPECT_TRUE(late.run_until_healthy(seconds(90))) << late.describe();
  EXPECT_TRUE(late.violations.empty());
}

// Seed 3471 of the profile (storm): the founder gave the lock away and took it again every 3 ms.
TEST_F(StandbyCluster, a_founder_whose_server_does_not_start_leaves_the_founding_to_others) {
  World late({.nodes = 2, .seed = 3, .dcs = dcs({{"standby_cluster", following()}})});
  late.add_remote();
  for (Node* n : late.nodes()) late.start_agent(*n);
  ASSERT_TRUE(late.run_until([&] { return !late.leader().empty(); }, seconds(9)));
  Node& first = late.node(late.leader());
  Node& second = *(late.nodes()[0] == &first ? late.nodes()[1] : late.nodes()[0]);
  first.mute_to_store = true;  // before it has registered its cluster
  ASSERT_TRUE(late.run_until([&] { return second.said("clone.done"); }, seconds(30)))
      << late.describe();
  second.pg.failing_starts = 1000;
  first.mute_to_store = false;
  EXPECT_TRUE(
      late.run_until([&] { return late.led() && late.leader() == first.name; }, seconds(60)))
      << late.describe();
  const auto gave_up = [](const Note& note) { return note.event == "release"; };
  EXPECT_LE(std::ranges::count_if(second.notes, gave_up), 2);
  second.pg.failing_starts = 0;
  EXPECT_TRUE(late.run_until_healthy()) << late.describe();
  EXPECT_TRUE(late.violations.empty());
}

TEST_F(StandbyCluster,
       another_member_leads_when_the_standby_leader_is_lost_and_nobody_is_promoted) {
  begin_following();
  Node& lost = leading();
  w().power_off(lost);
  EXPECT_TRUE(
      w().run_until([&] { return w().leader() != "" && w().leader() != lost.name; }, seconds(15)));
  EXPECT_TRUE(settles()) << w().describe();
  EXPECT_TRUE(follows_remote_timeline());
  w().power_on(lost);
  EXPECT_TRUE(settles()) << w().describe();
  EXPECT_EQ(w().failovers, 0);
  EXPECT_EQ(w().store.view().timeline_given, 0u) << "no promotion was asked for";
}

TEST_F(StandbyCluster, the_guard_has_nothing_to_kill_when_its_agent_is_gone) {
  begin_following();
  Node& former = leading();
  const int pid = former.pg.pid;
  w().kill_agent(former);
  EXPECT_TRUE(w().run_until([&] { return w().leader() != former.name && w().leader() != ""; },
                            seconds(15)));
  EXPECT_EQ(former.guard_kills, 0);
  EXPECT_EQ(former.pg.pid, pid);
  EXPECT_TRUE(former.pg.alive);
  w().start_agent(former);
  EXPECT_TRUE(settles()) << w().describe();
  EXPECT_EQ(former.pg.pid, pid);
}

TEST_F(StandbyCluster, an_agent_that_is_back_in_time_goes_on_leading) {
  begin_following();
  Node& former = leading();
  const int pid = former.pg.pid;
  w().kill_agent(former);
  w().run_for(seconds(3));
  w().start_agent(former);
  w().run_for(seconds(5));
  EXPECT_TRUE(settles());
  EXPECT_EQ(w().leader(), former.name);
  EXPECT_EQ(former.pg.pid, pid);
}

TEST_F(StandbyCluster, without_the_store_it_goes_on_streaming) {
  begin_following();
  w().cut_store(true);
  w().run_for(seconds(40));
  EXPECT_EQ(w().writer(), nullptr);
  EXPECT_EQ(w().replicas().size(), 3u) << w().describe();
  w().cut_store(false);
  EXPECT_TRUE(settles()) << w().describe();
}

TEST_F(StandbyCluster, a_switchover_gives_the_lock_to_the_candidate) {
  begin_following();
  const std::string from = w().leader();
  Node& to = other();
  w().request_failover({.leader = from, .candidate = to.name});
  EXPECT_TRUE(w().run_until([&] { return w().leader() == to.name; }, seconds(15)))
      << w().describe();
  EXPECT_TRUE(settles()) << w().describe();
  EXPECT_EQ(w().leader(), to.name);
  EXPECT_TRUE(follows_remote_timeline());
}

TEST_F(StandbyCluster, a_crashed_server_is_started_as_what_it_was) {
  begin_following();
  const std::string before = w().leader();
  w().kill_server(leading());
  w().run_for(milliseconds(100));
  EXPECT_TRUE(settles()) << w().describe();
  EXPECT_EQ(w().leader(), before);
}

TEST_F(StandbyCluster, one_that_does_not_start_leaves_the_lock_to_others) {
  begin_following();
  Node& broken = leading();
  broken.pg.failing_starts = 100;
  w().kill_server(broken);
  EXPECT_TRUE(
      w().run_until([&] { return w().leader() != broken.name && w().leader() != ""; }, seconds(30)))
      << w().describe();
  broken.pg.failing_starts = 0;
  EXPECT_TRUE(settles(seconds(90))) << w().describe();
}

TEST_F(StandbyCluster, follows_a_remote_that_failed_over) {
  begin_following();
  w().fail_over_remote(0);
  EXPECT_TRUE(w().run_until([&] { return whole() && follows_remote_timeline(); }, seconds(60)))
      << w().describe();
}

TEST_F(StandbyCluster, is_rewound_when_it_has_more_than_the_remote_that_took_over) {
  begin_following();
  w().fail_over_remote(0x4000);
  EXPECT_TRUE(w().run_until([&] { return whole() && follows_remote_timeline(); }, seconds(120)))
      << w().describe();
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(StandbyCluster, a_remote_of_another_cluster_is_never_copied_over_what_is_here) {
  begin_leading();
  remote().pg.system_identifier = "1";
  w().set_config("standby_cluster", following());
  w().run_for(seconds(30));
  EXPECT_EQ(w().writer(), nullptr);
  EXPECT_TRUE(leading().pg.alive) << w().describe();
  EXPECT_TRUE(leading().said("standby.remote"));
  for (Node* n : w().nodes()) EXPECT_FALSE(n->said("rejoin.rewind") || n->said("rejoin.clone"));
  w().set_config("standby_cluster", {});
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// ------------------------------------------------------------------------------ promote, demote

TEST_F(StandbyCluster, is_promoted_by_its_leader_when_the_key_is_removed) {
  begin_following();
  const std::string leader = w().leader();
  const auto remote_timeline = remote().pg.wal.timeline();
  w().set_config("standby_cluster", {});
  const Duration took = seconds_until([&] { return w().writer() != nullptr; });
  EXPECT_LT(took, seconds(2));
  EXPECT_EQ(w().writer()->name, leader);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  EXPECT_EQ(w().writer()->pg.wal.timeline(), remote_timeline + 1);
  EXPECT_EQ(leading().page.state, PageState::leased);
  w().run_for(seconds(20));
  EXPECT_EQ(w().store.view().history.size(), 1u);
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(StandbyCluster, nobody_is_promoted_while_the_lock_is_not_renewed) {
  begin_following();
  Node& leader = leading();
  leader.reaches_store = false;
  w().run_for(milliseconds(100));
  w().set_config("standby_cluster", {});
  EXPECT_TRUE(w().run_until([&] { return w().writer() != nullptr; }, seconds(20)));
  EXPECT_NE(w().writer(), &leader) << "it was told by nobody";
  leader.reaches_store = true;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

TEST_F(StandbyCluster, a_primary_whose_cluster_is_demoted_keeps_the_lock_and_follows) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin_leading(seed);
    const std::string leader = w().leader();
    w().set_config("standby_cluster", following());
    EXPECT_TRUE(settles(seconds(90))) << w().describe();
    EXPECT_EQ(w().leader(), leader);
    EXPECT_TRUE(follows_remote_timeline());
    EXPECT_TRUE(leading().said("rejoin.rewind")) << "it had what the remote missed";
    EXPECT_TRUE(w().violations.empty()) << w().violations.front() << w().describe();
  }
}

// Seed 2366 of the profile (operators): all were behind what had been written before, for ever.
TEST_F(StandbyCluster, what_was_thrown_away_for_the_remote_bars_nobody_from_leading) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    begin_leading(seed, dcs({{"maximum_lag_on_failover", 10'000},
                             {"ttl", 30},
                             {"loop_wait", 10},
                             {"retry_timeout", 10}}));
    remote().up = false;
    w().run_for(seconds(20));
    remote().up = true;  // and it has written less than this cluster
    w().set_config("standby_cluster", following());
    ASSERT_TRUE(settles(seconds(90))) << w().describe();
    w().request_failover({.leader = w().leader()});  // before it has told how far it is now
    w().run_for(seconds(1));
    ASSERT_TRUE(settles()) << w().describe();
  }
}

TEST_F(StandbyCluster, there_and_back_again) {
  begin_leading();
  for (int i = 0; i < 3; ++i) {
    w().set_config("standby_cluster", following());
    EXPECT_TRUE(settles(seconds(90))) << w().describe();
    w().run_for(seconds(2));
    w().set_config("standby_cluster", {});
    EXPECT_TRUE(w().run_until_healthy()) << w().describe();
    w().run_for(seconds(2));
    Postgres& pg = remote().pg;  // which follows in its turn, and is promoted again
    pg.wal = w().writer()->pg.wal;
    pg.flush();
    w().fail_over_remote(0);
  }
}

TEST_F(StandbyCluster, a_demoted_cluster_waits_for_a_remote_that_is_not_promoted_yet) {
  begin_leading();
  // The other site is still a standby of this one, and has not got everything.
  Postgres& pg = remote().pg;
  pg.wal = w().writer()->pg.wal;
  pg.wal.end.value -= 0x300;
  pg.flush();
  pg.in_recovery = true;
  w().set_config("standby_cluster", following());
  EXPECT_TRUE(w().run_until(
      [&] {
        return w().writer() == nullptr && leading().pg.alive &&
               leading().core->state().role == model::Role::standby_leader;
      },
      seconds(30)))
      << w().describe();
  w().run_for(seconds(20));
  EXPECT_FALSE(leading().said("rejoin.rewind")) << w().describe();
  pg.promote(1000, pg.wal.timeline() + 1);
  EXPECT_TRUE(w().run_until([&] { return whole() && follows_remote_timeline(); }, seconds(120)))
      << w().describe();
}

TEST_F(StandbyCluster, the_sync_key_of_before_binds_nobody) {
  begin_leading(1, dcs({{"synchronous_mode", true}}));
  w().run_for(seconds(5));
  ASSERT_FALSE(w().store.view().sync.leader.empty());
  w().set_config("standby_cluster", following());
  EXPECT_TRUE(settles(seconds(90))) << w().describe();
  w().run_for(seconds(3));
  EXPECT_EQ(w().store.find("sync"), nullptr);
  w().set_config("standby_cluster", {});
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
  w().run_for(seconds(5));
  EXPECT_FALSE(w().store.view().sync.members.empty());
}

// Seed 29 of the profile (operators): the others waited for it before their pg_rewind, for ever.
TEST_F(StandbyCluster, a_checkpoint_that_a_former_primary_owed_is_not_waited_for) {
  begin_leading();
  Node& former = other();
  former.pg.slow_calls = seconds(60);  // it is a standby again before its checkpoint has ended
  w().request_failover({.leader = w().leader(), .candidate = former.name});
  ASSERT_TRUE(w().run_until([&] { return w().writer() == &former && w().healthy(); }, seconds(20)));
  w().request_failover({.leader = former.name});
  ASSERT_TRUE(w().run_until([&] { return w().writer() != &former && w().healthy(); }, seconds(30)))
      << w().describe();
  w().set_config("standby_cluster", following());
  ASSERT_TRUE(settles(seconds(90))) << w().describe();
  w().request_failover({.leader = w().leader(), .candidate = former.name});
  ASSERT_TRUE(w().run_until([&] { return w().leader() == former.name; }, seconds(15)));
  w().fail_over_remote(0x4000);
  EXPECT_TRUE(settles(seconds(90))) << w().describe();
}

// Seed 5649 of the profile (network): its page became idle, and its server wrote on.
TEST_F(StandbyCluster, a_founder_whose_cluster_is_demoted_stops_before_its_page_is_idle) {
  World own({.nodes = 1, .dcs = dcs({{"ttl", 30}, {"loop_wait", 10}, {"retry_timeout", 10}})});
  own.add_remote();
  Node& founder = *own.nodes()[0];
  own.start_agent(founder);
  ASSERT_TRUE(own.run_until([&] { return own.leader() == founder.name; }, seconds(9)));
  own.run_for(milliseconds(20));
  founder.deaf_to_store = true;  // so it does not hear that its cluster is registered
  ASSERT_TRUE(own.run_until([&] { return !own.store.view().config.is_null(); }, seconds(9)));
  own.run_for(seconds(3));
  Postgres& pg = own.node("").pg;
  pg.system_identifier = founder.pg.system_identifier;
  pg.wal = founder.pg.wal;
  pg.flush();
  own.fail_over_remote(0);
  own.set_config("standby_cluster", following());
  founder.deaf_to_store = false;
  EXPECT_TRUE(own.run_until_healthy(seconds(90))) << own.describe();
  EXPECT_TRUE(own.violations.empty()) << own.violations.front();
}

TEST_F(StandbyCluster, a_member_that_was_away_during_the_demotion_writes_nothing_when_it_is_back) {
  begin_leading();
  Node& away = leading();
  w().power_off(away);
  w().set_config("standby_cluster", following());
  w().run_for(seconds(30));
  EXPECT_EQ(w().writer(), nullptr);
  w().power_on(away);
  EXPECT_TRUE(settles(seconds(90))) << w().describe();
  EXPECT_EQ(w().failovers, 0);
}

// Seed 5831 of the profile (network): its lease kept the lock, and nobody led ever.
TEST_F(StandbyCluster, a_leader_without_data_gives_the_lock_away_until_it_is_heard) {
  begin_following(1, 2);
  Node& leader = leading();
  Node& next = other();
  leader.pg.rewindable = false;
  leader.pg.failing_clones = 1000;
  w().fail_over_remote(0x4000);
  ASSERT_TRUE(w().run_until([&] { return leader.said("clone.failed"); }, seconds(60)))
      << w().describe();
  leader.mute_to_store = true;
  w().set_config("standby_cluster", {});
  ASSERT_TRUE(w().run_until([&] { return leader.said("release"); }, seconds(5))) << w().describe();
  w().run_for(seconds(2));
  leader.mute_to_store = false;
  EXPECT_TRUE(w().run_until([&] { return w().writer() == &next; }, seconds(30))) << w().describe();
  leader.pg.failing_clones = 0;
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

// ------------------------------------------------------------------------------------- old views

TEST_F(StandbyCluster, an_old_view_of_the_configuration_promotes_nobody) {
  begin_leading();
  Node& a = other(0);
  Node& b = other(1);
  w().power_off(leading());
  w().run_for(seconds(6));
  w().power_off(b);
  ASSERT_TRUE(w().run_until([&] { return a.core->state().poll.has_value(); }, seconds(15)));
  // It stands, and waits for the others' answers: meanwhile the cluster is demoted.
  a.watch_stalled = true;
  w().set_config("standby_cluster", following());
  EXPECT_TRUE(w().run_until([&] { return a.said("race.lost"); }, seconds(5))) << w().describe();
  w().run_for(seconds(1));
  EXPECT_EQ(w().writer(), nullptr) << w().describe();
  a.watch_stalled = false;
  w().run_for(seconds(30));
  EXPECT_EQ(w().writer(), nullptr) << w().describe();
}

// Seed 2527 of the profile (storm): acknowledged writes were lost.
TEST_F(StandbyCluster, an_old_view_of_the_configuration_removes_no_data) {
  World sync(
      {.nodes = 2, .dcs = dcs({{"standby_cluster", following()}, {"synchronous_mode", true}})});
  sync.add_remote();
  for (Node* n : sync.nodes()) sync.start_agent(*n);
  ASSERT_TRUE(sync.run_until_healthy()) << sync.describe();
  Node& former = sync.node(sync.leader());
  Node& primary = *(sync.nodes()[0] == &former ? sync.nodes()[1] : sync.nodes()[0]);
  former.reaches_store = false;
  const auto followed = sync.store.revision();
  sync.set_config("standby_cluster", {});
  ASSERT_TRUE(sync.run_until([&] { return sync.writer() == &primary; }, seconds(30)));
  sync.run_for(seconds(1));
  sync.stop_agent(primary);
  ASSERT_TRUE(sync.run_until([&] { return !primary.core; }, seconds(10)));
  former.reaches_store = true;
  sync.run_for(seconds(2));
  // Started anew it reads what was before: that its cluster is a standby, and who led it then.
  primary.stale = static_cast<std::size_t>(sync.store.revision() - followed);
  sync.start_agent(primary);
  ASSERT_TRUE(sync.run_until([&] { return primary.core->state().view != nullptr; }, seconds(2)));
  ASSERT_EQ(primary.core->state().view->leader_name(), former.name) << sync.describe();
  sync.run_for(seconds(1));
  primary.stale = 0;
  EXPECT_TRUE(sync.run_until_healthy()) << sync.describe();
  EXPECT_TRUE(sync.violations.empty()) << sync.violations.front() << sync.describe();
}

TEST_F(StandbyCluster, a_promotion_that_is_taken_back_in_time_does_not_happen) {
  begin_following();
  Node& leader = leading();
  w().set_config("standby_cluster", {});
  ASSERT_TRUE(w().run_until([&] { return leader.said("promote.cluster"); }, seconds(5)));
  leader.watch_stalled = true;
  w().set_config("standby_cluster", following());  // before that write arrives
  w().run_for(milliseconds(500));
  EXPECT_EQ(w().writer(), nullptr) << w().describe();
  leader.watch_stalled = false;
  EXPECT_TRUE(settles()) << w().describe();
  w().run_for(seconds(30));
  EXPECT_EQ(w().leader(), leader.name) << "the lock is renewed after a refused write too";
  EXPECT_EQ(w().failovers, 0);
}

TEST_F(StandbyCluster, a_late_promotion_of_before_does_not_come_true_under_an_idle_page) {
  begin_leading();
  Node& lost = leading();
  for (Node* n : w().nodes()) n->pg.late_promotions = 1;
  w().power_off(lost);
  ASSERT_TRUE(
      w().run_until([&] { return w().leader() != "" && w().leader() != lost.name; }, seconds(20)));
  w().set_config("standby_cluster", following());
  w().power_on(lost);
  EXPECT_TRUE(settles(seconds(120))) << w().describe();
}

// Seed 2976 of the random test: its agent died, and the server was promoted seconds later.
TEST_F(StandbyCluster, a_promotion_asked_for_before_comes_true_under_its_page_or_never) {
  begin_leading();
  Node& next = other();
  w().request_failover({.leader = w().leader(), .candidate = next.name});
  next.pg.slow_promotion = seconds(7);
  ASSERT_TRUE(w().run_until([&] { return next.said("promote"); }, seconds(20))) << w().describe();
  w().kill_agent(next);
  remote().pg.wal = next.pg.wal;
  remote().pg.flush();
  w().fail_over_remote(0);
  w().set_config("standby_cluster", following());
  w().run_for(milliseconds(200));
  w().start_agent(next);
  EXPECT_TRUE(w().run_until([&] { return next.leads(); }, seconds(5))) << w().describe();
  w().run_for(seconds(10));
  next.pg.slow_promotion = {};
  EXPECT_TRUE(settles(seconds(90))) << w().describe();
}

// ---------------------------------------------------------------------------------- maintenance

TEST_F(StandbyCluster, a_pause_leaves_it_as_it_is) {
  begin_following();
  w().set_config("pause", true);
  w().run_for(seconds(5));
  Node& leader = leading();
  EXPECT_TRUE(whole());
  EXPECT_TRUE(w().store.view().member(leader.name)->pause);
  w().kill_agent(leader);
  w().run_for(seconds(2));
  w().start_agent(leader);
  w().run_for(seconds(20));
  EXPECT_EQ(w().leader(), leader.name) << w().describe();
  w().set_config("standby_cluster", {});
  w().run_for(seconds(10));
  EXPECT_EQ(w().writer(), nullptr) << "nobody is promoted in a pause";
  w().set_config("pause", false);
  EXPECT_TRUE(w().run_until_healthy()) << w().describe();
}

}  // namespace
}  // namespace aurum::sim
