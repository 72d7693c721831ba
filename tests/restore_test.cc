// A whole cluster is taken back to a moment in its past, over several timelines, and forward again;
// and whatever is killed on the way, it ends in one state or the other.
#include "model/restore.h"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "model/cluster.h"
#include "runtime/clock.h"
#include "runtime/process.h"
#include "support/backups.h"
#include "support/scripts.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;

/// pgBackRest tells the end of a backup in whole seconds: only then is a moment surely behind it.
constexpr Duration kBackupIsOver = seconds(2);

/// The same moment by the clock that answers are measured with, and by the one PostgreSQL stamps
/// commits with.
struct Moment {
  Instant at;
  std::string text;
};

class Restoring : public BackupTest {
 protected:
  static Moment now() {
    const Instant at = runtime::now();
    return {at, model::iso8601(runtime::wall_now())};
  }
  void hand_over() {
    const std::size_t old = leader();
    // A backup ends its WAL file early: the standbys take a moment to receive the rest of it, and a
    // leader hands over to none that is farther behind than maximum_lag_on_failover.
    const std::uint64_t end = cluster().observe().nodes[old].lsn;
    wait_for("a standby at the leader's position", [&] {
      const auto view = cluster().observe();
      return std::ranges::any_of(
          view.nodes, [&](const auto& n) { return n.name != name(old) && n.lsn >= end; });
    });
    need(cluster().switchover());
    other_leader(old);
    wait_for_writes();
  }
  /// Exactly the rows of before: all that was acknowledged by then, and nothing sent later.
  void expect_rows_of(const Moment& moment, Instant asked) {
    const auto rows = need(stack::read_rows(cluster()));
    std::size_t before = 0, after = 0;
    for (const auto& ack : writers().history().acknowledged()) {
      if (ack.acked <= moment.at) {
        ++before;
        EXPECT_TRUE(rows.contains(ack.id)) << "row " << ack.id << " of before is missing";
      } else if (ack.sent > moment.at && ack.acked < asked) {
        ++after;
        EXPECT_FALSE(rows.contains(ack.id)) << "row " << ack.id << " is of later";
      }
    }
    EXPECT_GT(before, 0U);
    EXPECT_GT(after, 0U);
  }
  void expect_all_rows_before(Instant asked) {
    const auto rows = need(stack::read_rows(cluster()));
    for (const auto& ack : writers().history().acknowledged()) {
      if (ack.acked < asked) {
        EXPECT_TRUE(rows.contains(ack.id)) << "row " << ack.id << " is missing";
      }
    }
  }
  fs::path kept_data() {
    const auto restore = model::decode_restore(restore_key());
    return restore ? restore->kept : "";
  }
  /// Also one that was over before anybody looked.
  bool has_reached(std::string_view step) {
    const auto restore = model::decode_restore(restore_key());
    return restore && (model::to_string(restore->step) == step ||
                       std::ranges::any_of(restore->marks, [&](const auto& mark) {
                         return model::to_string(mark.step) == step;
                       }));
  }
  void wait_for_step(std::string_view step, Duration timeout = seconds(120)) {
    wait_for(fmt::format("the step {}", step), [&] { return has_reached(step); }, timeout);
  }
  std::size_t index_of(const std::string& member) {
    for (std::size_t i = 0; i < cluster().plan().nodes.size(); ++i)
      if (name(i) == member) return i;
    throw std::runtime_error("no node " + member);
  }
};

TEST_F(Restoring, a_cluster_is_taken_back_over_timelines_row_by_row_and_forward_again) {
  back_up("full");
  hand_over();
  back_up("incr");
  wait_for_writes();
  hand_over();
  wait_for_writes();
  const Moment moment = now();
  nap(seconds(2));
  wait_for_writes();
  hand_over();
  back_up("incr");
  wait_for_writes();
  const int timeline = cluster().observe().nodes[leader()].timeline;

  // What can not be reached changes nothing.
  const auto refused = restore("--time 2020-01-01T00:00:00+00 --yes");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.text.find("reachable is "), std::string::npos) << refused.text;
  EXPECT_EQ(restore_step(), "");
  const auto planned = restore("--time " + moment.text + " --plan");
  EXPECT_EQ(planned.code, 0);
  EXPECT_NE(planned.text.find("lost       what was committed in the last"), std::string::npos)
      << planned.text;
  const auto unasked = restore("--time " + moment.text);
  EXPECT_EQ(unasked.code, 1) << "nobody is there to agree";
  EXPECT_EQ(restore_step(), "");

  const std::size_t keeper = leader();
  const Instant asked = runtime::now();
  const auto said = restore("--time " + moment.text + " --yes");
  ASSERT_EQ(said.code, 0) << said.text;
  EXPECT_EQ(restore_step(), "done");
  wait_healthy();
  expect_rows_of(moment, asked);
  EXPECT_GT(cluster().observe().nodes[leader()].timeline, timeline);
  EXPECT_NE(leader(), keeper) << "a replica was restored";
  EXPECT_TRUE(fs::exists(kept_data())) << kept_data();
  wait_for_writes();

  const auto undone = restore("--undo --yes");
  ASSERT_EQ(undone.code, 0) << undone.text;
  wait_healthy();
  EXPECT_EQ(leader(), keeper);
  expect_all_rows_before(asked);
  wait_for_writes();
}

TEST_F(Restoring, what_is_killed_on_the_way_goes_on_and_the_old_data_goes_when_confirmed) {
  back_up("full");
  wait_for_writes();
  need(sql(cluster(), leader(), "SELECT pg_create_restore_point('here')"));
  const Moment moment = now();
  wait_for_writes();
  hand_over();
  wait_for_writes();

  const Instant asked = runtime::now();
  std::jthread command([&] { restore("--name here --yes"); });
  wait_for_step("fetch");
  const auto first = model::decode_restore(restore_key());
  ASSERT_TRUE(first);
  const std::size_t node = index_of(first->node);
  cluster().kill(node, Part::agent);
  need(cluster().start_node(node));
  wait_for_step("open");
  cluster().kill(node, Part::node);
  need(cluster().start_node(node));
  wait_for_step("rebuild");
  cluster().kill(index_of(first->keeper), Part::node);
  need(cluster().start_node(index_of(first->keeper)));
  wait_for_step("done");
  command.join();
  wait_healthy();
  expect_rows_of(moment, asked);
  const fs::path kept = kept_data();
  EXPECT_TRUE(fs::exists(kept)) << kept;
  const auto confirmed = restore("--confirm --yes");
  EXPECT_EQ(confirmed.code, 0) << confirmed.text;
  EXPECT_FALSE(fs::exists(kept));
  EXPECT_EQ(restore_step(), "");
  wait_healthy();
  wait_for_writes();
}

TEST_F(Restoring, a_replica_is_made_from_the_repository_and_without_one_by_a_base_backup) {
  const std::size_t node = replica();
  const auto remade = [&] {
    need(cluster().stop_node(node));
    need(cluster().wipe_node(node));
    const std::size_t begin = log_end(node);
    need(cluster().start_node(node));
    wait_healthy();
    return log_since(node, begin);
  };
  back_up("full");
  EXPECT_NE(remade().find("by pgbackrest"), std::string::npos);
  fs::rename(repository_of(cluster().plan()), repository_of(cluster().plan()) + ".away");
  EXPECT_NE(remade().find("by basebackup"), std::string::npos);
  fs::rename(repository_of(cluster().plan()) + ".away", repository_of(cluster().plan()));
  settle_and_judge();
}

using ReplicaSourceFull = Restoring;

TEST_F(ReplicaSourceFull, is_a_base_backup_when_that_is_faster) {
  back_up("full");
  // A gigabyte of positions, of which little was written.
  for (int i = 0; i < 70; ++i)
    need(sql(cluster(), leader(), "SELECT pg_create_restore_point('x'), pg_switch_wal()"));
  const std::size_t node = replica();
  need(cluster().stop_node(node));
  need(cluster().wipe_node(node));
  const std::size_t begin = log_end(node);
  need(cluster().start_node(node));
  wait_healthy();
  const auto log = log_since(node, begin);
  EXPECT_THAT(log, ::testing::ContainsRegex("a base backup is faster: 1\\.[12] GB of WAL"));
  EXPECT_NE(log.find("by basebackup"), std::string::npos) << log;
  settle_and_judge();
}

/// The lines of docs/RESTORE.md, with this cluster's names.
class RestoreDocumentFull : public Restoring {
 protected:
  std::vector<std::string> lines(const Moment& moment) {
    std::vector<std::string> found;
    std::istringstream text(file_text(fs::path(AURUM_SOURCE_DIR) / "docs" / "RESTORE.md"));
    for (std::string line; std::getline(text, line);)
      if (line.starts_with("    aurum ")) found.push_back(ours(line.substr(10), moment));
    return found;
  }
  std::string ours(std::string line, const Moment& moment) {
    const std::pair<std::string, std::string> names[] = {
        {"-c /etc/aurum/node.yml ", ""},
        {"2026-11-23 04:00:00+00", moment.text},
        {"/data/rescue", (cluster().plan().dir / "data" / "rescue").string()},
        {"orders", "aurum_history"}};
    for (const auto& [theirs, our] : names)
      if (const auto at = line.find(theirs); at != std::string::npos)
        line.replace(at, theirs.size(), our);
    return line;
  }
};

TEST_F(RestoreDocumentFull, does_what_it_says_line_by_line) {
  back_up("full");
  nap(kBackupIsOver);
  need(sql(cluster(), leader(), "SELECT pg_create_restore_point('before_release')"));
  wait_for_writes();
  const Moment moment = now();
  wait_for_writes();
  const std::string identity =
      need(sql(cluster(), leader(), "SELECT system_identifier FROM pg_control_system()"));
  const auto commands = lines(moment);
  EXPECT_GE(commands.size(), 8U);
  for (const auto& line : commands) {
    SCOPED_TRACE(line);
    const auto blank = line.find(' ');
    const bool asks = line.find("--plan") == line.npos && line.starts_with("restore");
    const auto said =
        aurum(cluster(), 0, line.substr(0, blank), line.substr(blank + 1) + (asks ? " --yes" : ""));
    if (line.find("--continue") != line.npos) {
      EXPECT_NE(said.text.find("no restore is on"), std::string::npos) << said.text;
      continue;
    }
    ASSERT_EQ(said.code, 0) << said.text;
    if (line.find("--plan") == line.npos && line.starts_with("restore")) wait_healthy();
  }
  // The new cluster is another one, and complete.
  const auto rescue = cluster().plan().dir / "data" / "rescue";
  const auto control = need(runtime::find_program(
      "pg_controldata", need(stack::find_postgres_bin_dir(cluster().plan()))));
  run_as_account(cluster(),
                 fmt::format("{} {} > {{dir}}/rescue.control", control, rescue.string()));
  const auto text = script_output(cluster(), "rescue.control");
  EXPECT_NE(text.find("shut down"), std::string::npos) << text;
  EXPECT_EQ(text.find(identity), std::string::npos) << text;
  // The result of the restore test is in the store.
  const auto trial = get_key(cluster(), "aurum_restore_test").value_or("");
  EXPECT_NE(trial.find(R"("ok":true)"), std::string::npos) << trial;
  EXPECT_NE(trial.find(R"("checksums":"ok")"), std::string::npos) << trial;
}

TEST_F(Restoring, a_target_that_the_wal_does_not_hold_is_told_and_undone) {
  back_up("full");
  const std::size_t old = leader();
  const auto failed = restore("--name nowhere --yes");
  EXPECT_EQ(failed.code, 1);
  EXPECT_NE(failed.text.find("before it reached restore point 'nowhere'"), std::string::npos)
      << failed.text;
  const auto told = restore("--status");
  EXPECT_NE(told.text.find("aurum restore --continue  (or --undo)"), std::string::npos)
      << told.text;
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FALSE(sql(cluster(), i, "SELECT 1")) << name(i);
  const auto undone = restore("--undo --yes");
  EXPECT_EQ(undone.code, 0) << undone.text;
  wait_healthy();
  EXPECT_EQ(leader(), old);
  settle_and_judge();
}

TEST_F(Restoring, a_member_that_can_not_do_it_is_told_before_anything_is_touched) {
  back_up("full");
  const std::size_t node = replica();
  // Another repository than the others have.
  const auto conf = cluster().data_of(node).string() + ".pgbackrest/pgbackrest.conf";
  run_as_account(cluster(), fmt::format("sed -i 's|^repo1-path=.*|repo1-path=/nowhere|' {}", conf));
  const auto refused =
      restore(fmt::format("--latest --yes --node {}", name(node)), third(node, leader()));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.text.find("Nothing was changed"), std::string::npos) << refused.text;
  EXPECT_EQ(restore_step(), "");
  need(cluster().stop_node(node));
  need(cluster().start_node(node));
  settle_and_judge();
}

/// Who is killed at which step, and what the operator does then.
struct Kill {
  const char* step;
  Part part;
  bool keeper;  ///< or the member that is restored
  bool undo;
  friend std::ostream& operator<<(std::ostream& out, const Kill& kill) {
    return out << fmt::format("{} of {} at {}, {}", kill.part == Part::agent ? "agent" : "node",
                              kill.keeper ? "keeper" : "restored", kill.step,
                              kill.undo ? "undone" : "continued");
  }
};

class RestoringFull : public Restoring, public ::testing::WithParamInterface<Kill> {};

TEST_P(RestoringFull, a_kill_is_gone_on_from_or_undone) {
  const Kill kill = GetParam();
  back_up("incr");
  nap(kBackupIsOver);
  wait_for_writes();
  const Moment moment = now();
  nap(seconds(1));
  wait_for_writes();
  const Instant asked = runtime::now();
  std::jthread command([&] { restore("--time " + moment.text + " --yes"); });
  wait_for_step(kill.step);
  const auto on = model::decode_restore(restore_key());
  ASSERT_TRUE(on);
  const std::size_t victim = index_of(kill.keeper ? on->keeper : on->node);
  cluster().kill(victim, kill.part);
  need(cluster().start_node(victim));
  if (kill.undo) {
    wait_for("the undoing", [&] { return restore("--undo --yes").code == 0; });
    command.join();
    wait_healthy();
    expect_all_rows_before(asked);
  } else {
    // A leader that is lost before anything began: refused, or led on.
    wait_for(
        "an end", [&] { return restore_step() == "done" || restore_step().empty(); }, seconds(180));
    command.join();
    if (restore_step().empty()) {
      EXPECT_STREQ(kill.step, "check");
      wait_healthy();
      return wait_for_writes();
    }
    wait_healthy();
    expect_rows_of(moment, asked);
    const auto confirmed = restore("--confirm --yes");
    EXPECT_EQ(confirmed.code, 0) << confirmed.text;
  }
  EXPECT_EQ(restore_step(), "");
  wait_for_writes();
}

std::vector<Kill> every_kill() {
  std::vector<Kill> kills;
  for (const char* step : {"check", "stop", "fetch", "open", "rebuild"}) {
    for (const Part part : {Part::agent, Part::node})
      for (const bool keeper : {false, true}) kills.push_back({step, part, keeper, false});
    kills.push_back({step, Part::node, false, true});
  }
  return kills;
}
INSTANTIATE_TEST_SUITE_P(EveryStep, RestoringFull, ::testing::ValuesIn(every_kill()));

}  // namespace
}  // namespace aurum::tests
