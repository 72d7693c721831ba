// The data directory as files: atomic writes, what stands there, removal, staging.
#include "pg/files.h"

#include <fstream>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "pg/timelines.h"

namespace aurum::pg {
namespace {

using model::DataDir;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/aurum-pg-files-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    dir_ = root_ / "data";
  }
  void TearDown() override { fs::remove_all(root_); }

  static void put(const fs::path& path, const std::string& text = "x") {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void make_database(const fs::path& dir) {
    put(dir / "PG_VERSION", "15\n");
    put(dir / "global/pg_control");
    put(dir / "base/1/1");
    fs::create_directories(dir / "pg_tblspc");
  }

  fs::path root_, dir_;
};

TEST_F(Files, a_write_replaces_as_one_and_tells_whether_it_changed) {
  put(root_ / "f", "old");
  auto first = write_file(root_ / "f", "new", 0640);
  ASSERT_TRUE(first);
  EXPECT_TRUE(*first);
  EXPECT_EQ(*read_file(root_ / "f"), "new");
  struct stat info{};
  ::stat((root_ / "f").c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
  EXPECT_FALSE(*write_file(root_ / "f", "new", 0640));
  EXPECT_TRUE(*write_file(root_ / "f", "new", 0600));  // the mode alone is a change too
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 1);
}

TEST_F(Files, a_write_into_nowhere_names_the_file) {
  auto failed = write_file(root_ / "no/f", "x", 0600);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::not_found);
  EXPECT_NE(failed.error().message.find("no/f"), std::string::npos);
}

TEST_F(Files, what_stands_in_the_data_directory) {
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::empty);
  fs::create_directory(dir_);
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::empty);
  put(dir_ / "holiday.jpg");
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::foreign);
  put(dir_ / "PG_VERSION", "15\n");
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::foreign);
  put(dir_ / "global/pg_control");
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::ready);
  ASSERT_TRUE(mark_incomplete(dir_, "clone"));
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::incomplete);
  ASSERT_TRUE(mark_complete(dir_));
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::ready);
  put(outer_marker(dir_));
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::incomplete);
}

// Seen as foreign, an agent ended itself while it began its own clone.
TEST_F(Files, a_directory_whose_marker_is_being_written_is_ours) {
  const auto temporary = dir_ / (std::string(kMarker) + ".aurum-tmp");
  put(temporary);
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::incomplete);
  put(dir_ / "somebody's");
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::foreign);
  fs::remove(dir_ / "somebody's");
  make_database(dir_);
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::ready);
}

TEST_F(Files, clearing_refuses_what_is_not_ours) {
  put(dir_ / "holiday.jpg");
  auto refused = clear_directory(dir_, "test");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_TRUE(fs::exists(dir_ / "holiday.jpg"));
}

TEST_F(Files, clearing_follows_wal_and_tablespace_links_and_no_further) {
  make_database(dir_);
  put(root_ / "wal/000000010000000000000001");
  put(root_ / "space/PG_15_202209061/5/6");
  put(root_ / "space/notes.txt");
  fs::create_directory_symlink(root_ / "wal", dir_ / "pg_wal");
  fs::create_directory_symlink(root_ / "space", dir_ / "pg_tblspc/16384");
  ASSERT_TRUE(clear_directory(dir_, "test"));
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::empty);
  EXPECT_TRUE(fs::exists(dir_));
  EXPECT_TRUE(fs::is_empty(root_ / "wal"));
  EXPECT_FALSE(fs::exists(root_ / "space/PG_15_202209061"));
  EXPECT_TRUE(fs::exists(root_ / "space/notes.txt"));
}

TEST_F(Files, staging_moves_everything_and_back) {
  make_database(dir_);
  ASSERT_TRUE(mark_incomplete(dir_, "rewind"));
  ASSERT_TRUE(move_into_staging(dir_));
  EXPECT_TRUE(fs::exists(dir_ / kStaging / "global/pg_control"));
  EXPECT_FALSE(fs::exists(dir_ / "global"));
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::incomplete);
  ASSERT_TRUE(move_out_of_staging(dir_));
  ASSERT_TRUE(mark_complete(dir_));
  EXPECT_EQ(inspect_data_dir(dir_), DataDir::ready);
  EXPECT_FALSE(fs::exists(dir_ / kStaging));
}

TEST_F(Files, staging_refuses_a_relative_link_and_moves_nothing) {
  make_database(dir_);
  fs::create_directory_symlink("../wal", dir_ / "pg_wal");
  EXPECT_FALSE(move_into_staging(dir_));
  EXPECT_TRUE(fs::exists(dir_ / "global/pg_control"));
}

TEST_F(Files, modes_follow_the_data_directory) {
  fs::create_directory(dir_);
  ::chmod(dir_.c_str(), 0700);
  EXPECT_EQ(file_mode(dir_), 0600U);
  ::chmod(dir_.c_str(), 0750);
  EXPECT_EQ(file_mode(dir_), 0640U);
}

TEST_F(Files, reserved_timelines_are_an_unbroken_row_and_go_again_when_unused) {
  fs::create_directories(dir_ / "pg_wal");
  const auto there = [&](model::Timeline t) { return fs::exists(history_file(dir_, t)); };
  ASSERT_TRUE(reserve_timelines(dir_, 3, 3));
  EXPECT_FALSE(has_reserved_timelines(dir_));
  EXPECT_EQ(reserve_timelines(dir_, 3, 4'000'000'000).error().code, Code::invalid);
  EXPECT_FALSE(has_reserved_timelines(dir_));

  put(history_file(dir_, 5), "3\t0/5000000\tno recovery target specified\n");
  ASSERT_TRUE(reserve_timelines(dir_, 3, 7));
  for (model::Timeline t = 4; t <= 7; ++t) EXPECT_TRUE(there(t)) << t;
  EXPECT_EQ(*read_file(history_file(dir_, 5)), "3\t0/5000000\tno recovery target specified\n");

  // 4 is below a timeline that this directory knows of; 6 and 7 are nobody's.
  ASSERT_TRUE(release_timelines(dir_, 3));
  EXPECT_TRUE(there(4));
  EXPECT_TRUE(there(5));
  EXPECT_FALSE(there(6));
  EXPECT_FALSE(there(7));

  // The control file counts as well: the server has been on 9, with 8 as a number in between.
  ASSERT_TRUE(reserve_timelines(dir_, 5, 10));
  ASSERT_TRUE(release_timelines(dir_, 9));
  EXPECT_TRUE(there(9));
  EXPECT_FALSE(there(10));
}

}  // namespace
}  // namespace aurum::pg
