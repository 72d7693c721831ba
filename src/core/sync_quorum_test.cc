// Quorum commit. That no step, in any order of standbys coming and going, of changes of
// synchronous_node_count and of the mode, lets an election pass that misses an acknowledged commit
// is shown by playing all of them and holding every election that could be held.

#include "core/sync_quorum.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "core/sync_standbys.h"

namespace aurum::core {
namespace {

using model::contains_name;
using Names = std::vector<std::string>;

TEST(SyncSetting, is_read_from_every_form) {
  struct Case {
    const char* text;
    SyncSetting setting;
  };
  const Case cases[] = {
      {"", {}},
      {"*", {}},
      {"ANY 1 (*)", {}},
      {"a", {{"a"}, 1}},
      {"a, b", {{"a", "b"}, 1}},
      {"2 (a,b)", {{"a", "b"}, 2}},
      {"FIRST 2 (a, b, c)", {{"a", "b", "c"}, 2}},
      {"ANY 1 (a,\"n-2\")", {{"a", "n-2"}, 1}},
      {"any 9 (a)", {{"a"}, 1}},
      {"n2", {{"n2"}, 1}},
  };
  for (const auto& c : cases) EXPECT_EQ(parse_sync_setting(c.text), c.setting) << c.text;
}

TEST(SyncSetting, of_a_quorum_is_always_written_with_any) {
  EXPECT_EQ(render_quorum({}, false), "");
  EXPECT_EQ(render_quorum({}, true), "ANY 1 (*)");
  EXPECT_EQ(render_quorum({{"a"}, 1}, false), "ANY 1 (a)");
  EXPECT_EQ(render_quorum({{"a", "n-2", "N3"}, 2}, true), "ANY 2 (a,\"n-2\",\"N3\")");
}

/// A leader's key and setting, and which sets of standbys may hold a commit that it acknowledged.
class Play {
 public:
  bool step(const SyncSetting& wanted, bool listed) {
    const auto plan = plan_quorum(key_, in_force_, wanted, holders_, settled(wanted, listed));
    switch (plan.what) {
      case QuorumStep::What::none:
        return false;
      case QuorumStep::What::write_key:
        key_.members = plan.voters;
        key_.quorum = plan.quorum;
        break;
      case QuorumStep::What::change_setting:
        acknowledge();
        in_force_ = wanted;
        listed_ = listed;
        holders_.clear();
        break;
    }
    EXPECT_TRUE(keeps_promise(key_, in_force_)) << text();
    acknowledge();
    hold_elections();
    return true;
  }
  /// These have now all that was acknowledged before the setting in force, and say so.
  void catch_up(const Names& there) {
    holders_.clear();
    for (const auto& name : there)
      if (contains_name(in_force_.names, name)) holders_.push_back(name);
    std::set<std::set<std::string>> more;
    for (auto held : old_) {
      held.insert(there.begin(), there.end());
      more.insert(held);
    }
    old_ = more;
    hold_elections();
  }
  const model::SyncKey& key() const { return key_; }
  const SyncSetting& in_force() const { return in_force_; }
  std::string text() const {
    std::string out = "key:";
    for (const auto& name : key_.members) out += " " + name;
    out += " quorum " + std::to_string(key_.quorum) + ", setting " + render_quorum(in_force_, true);
    return out;
  }

 private:
  bool settled(const SyncSetting& wanted, bool listed) const {
    return in_force_ == wanted && listed == listed_;
  }
  /// Every least set that may hold a commit under this setting; nobody when nobody is waited for.
  std::set<std::set<std::string>> sets() const {
    std::set<std::set<std::string>> all;
    const auto n = in_force_.names.size();
    for (unsigned bits = 0; bits < 1U << n; ++bits) {
      std::set<std::string> some;
      for (unsigned i = 0; i < n; ++i)
        if (bits >> i & 1U) some.insert(in_force_.names[i]);
      if (static_cast<int>(some.size()) == in_force_.needed) all.insert(some);
    }
    return all;
  }
  void acknowledge() {
    for (const auto& some : sets()) old_.insert(some);
  }
  void hold_elections() const {
    const auto n = key_.members.size();
    for (unsigned bits = 0; bits < 1U << n; ++bits) {
      Names votes;
      for (unsigned i = 0; i < n; ++i)
        if (bits >> i & 1U) votes.push_back(key_.members[i]);
      if (static_cast<int>(votes.size()) <= key_.quorum) continue;
      for (const auto& held : old_) {
        EXPECT_TRUE(std::any_of(held.begin(), held.end(), [&](const auto& name) {
          return contains_name(votes, name);
        })) << text();
      }
    }
  }

  model::SyncKey key_{.leader = "me", .mod_revision = 1};
  SyncSetting in_force_;
  bool listed_ = false;
  Names holders_;
  std::set<std::set<std::string>> old_{{}};  ///< the first commits: the leader alone has them
};

TEST(QuorumPlan, every_play_keeps_every_acknowledged_commit_and_comes_to_rest) {  // F26
  const char* const names[] = {"b", "c", "d"};
  // Three stages: who streams (of three), how many are waited for, and quorum or all of them; with
  // and without a moment in which the new ones have caught up between two steps.
  for (unsigned play = 0; play < 512U * 27 * 8 * 2; ++play) {
    Play game;
    const unsigned counts = play / 512 % 27, modes = play / (512 * 27) % 8;
    const bool slow = play / (512 * 27 * 8) != 0;
    SyncSetting wanted;
    for (unsigned stage = 0; stage < 3; ++stage) {
      Names there;
      for (unsigned i = 0; i < 3; ++i)
        if (play % 512 >> (stage * 3 + i) & 1U) there.push_back(names[i]);
      const unsigned count = 1 + counts / (stage == 0 ? 1 : stage == 1 ? 3 : 9) % 3;
      const bool listed = (modes >> stage & 1U) != 0;
      wanted = {there, static_cast<int>(std::min<std::size_t>(count, there.size()))};
      if (listed) {
        wanted.names.resize(static_cast<std::size_t>(wanted.needed));
      }
      // Slow: the next stage comes when only two steps were made.
      int steps = 0;
      for (; steps < (slow && stage < 2 ? 2 : 12); ++steps) {
        const bool moved = game.step(wanted, listed);
        if (!moved && steps > 0) break;
        if (!slow || stage == 2 || steps % 2 == 0) game.catch_up(there);
      }
      EXPECT_LT(steps, 12) << game.text();
    }
    EXPECT_EQ(game.in_force(), wanted) << play << " " << game.text();
    EXPECT_EQ(game.key().members.size(), wanted.names.size()) << play << " " << game.text();
    EXPECT_EQ(game.key().quorum, static_cast<int>(wanted.names.size()) - wanted.needed)
        << play << " " << game.text();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace aurum::core
