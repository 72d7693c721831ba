#include "model/restore.h"

#include <gtest/gtest.h>

#include "model/cluster.h"

namespace aurum::model {
namespace {

Restore example() {
  Restore restore{
      .id = "20261123T041000", .step = RestoreStep::rebuild, .node = "b", .keeper = "a"};
  restore.kept = "/data/a.before-restore-20261123T041000";
  restore.discard = restore.ended = true;
  restore.backup = "20261123-015337F";
  restore.size = 23213824;
  restore.target = {RecoveryTarget::Kind::name, "before \"drop\""};
  restore.timeline = 3;
  restore.opened = 7;
  restore.new_backup = "20261123-015337F_20261123-015348I";
  restore.error = "no room";
  restore.marks = {{RestoreStep::check, "operator", "2026-11-23T04:10:00"},
                   {RestoreStep::rebuild, "b", "2026-11-23T04:11:00"}};
  return restore;
}

TEST(Restore, comes_back_from_the_store_as_it_was_written) {
  EXPECT_EQ(decode_restore(encode_restore(example())), example());
  const auto view = decode_cluster(
      9, {{.key = "aurum_restore", .value = encode_restore(example()), .mod_revision = 8}});
  EXPECT_EQ(view.restore, example());
  EXPECT_EQ(view.restore_revision, 8);
}

TEST(Restore, every_step_and_kind_has_a_name_of_its_own) {
  for (int i = 0; i <= static_cast<int>(RestoreStep::undo); ++i) {
    Restore restore = example();
    restore.step = static_cast<RestoreStep>(i);
    EXPECT_EQ(decode_restore(encode_restore(restore)), restore) << to_string(restore.step);
  }
  for (int i = 0; i <= static_cast<int>(RecoveryTarget::Kind::name); ++i) {
    Restore restore = example();
    restore.target.kind = static_cast<RecoveryTarget::Kind>(i);
    EXPECT_EQ(decode_restore(encode_restore(restore)), restore);
    EXPECT_FALSE(describe(restore.target).empty());
  }
}

TEST(Restore, what_can_not_be_understood_is_no_restore) {
  for (std::string_view bad :
       {"", "[]", "{", R"({"id":"1"})",
        R"({"id":"1","step":"stop","node":"a","keeper":"a","backup":"F"})",
        R"({"id":"1","step":"dance","node":"a","keeper":"a","backup":"F","target":"latest"})",
        R"({"id":"1","step":"stop","node":"","keeper":"a","backup":"F","target":"latest"})"})
    EXPECT_FALSE(decode_restore(bad)) << bad;
  EXPECT_TRUE(decode_restore(
      R"({"id":"1","step":"stop","node":"a","keeper":"a","backup":"F","target":"latest",)"
      R"("size":-5,"timeline":99999999999,"marks":[7,{"step":"?"}]})"));
}

}  // namespace
}  // namespace aurum::model
