#include "backup/kept_data.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "model/restore.h"
#include "pg/files.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;

class KeptData : public ::testing::Test {
 protected:
  void make(const std::string& text) {
    fs::create_directories(data() / "global");
    std::ofstream(data() / "PG_VERSION") << "15\n";
    std::ofstream(data() / "global" / "pg_control") << text;
  }
  std::string content() { return pg::read_file(data() / "global" / "pg_control").value_or("none"); }
  fs::path data() const { return fs::path(dir_.path()) / "data"; }

  testing::TempDir dir_;
};

TEST_F(KeptData, is_moved_aside_and_back_also_when_begun_anew) {
  make("old");
  for (int again = 0; again < 2; ++again) {
    const auto kept = keep_data(data(), "7", 10);
    ASSERT_TRUE(kept) << kept.error().text();
    EXPECT_EQ(*kept, kept_path(data(), "7").string());
    EXPECT_EQ(pg::inspect_data_dir(data()), model::DataDir::empty);
  }
  make("new");
  for (int again = 0; again < 2; ++again) {
    const auto back = take_back_data(data(), "7");
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(content(), "old");
  }
  EXPECT_FALSE(fs::exists(kept_path(data(), "7")));
}

TEST_F(KeptData, is_removed_when_nobody_wants_it) {
  make("old");
  ASSERT_TRUE(keep_data(data(), "7", 10));
  make("new");
  for (int again = 0; again < 2; ++again) ASSERT_TRUE(forget_data(data(), "7"));
  EXPECT_EQ(content(), "new");
  EXPECT_FALSE(fs::exists(kept_path(data(), "7")));
}

TEST_F(KeptData, stays_in_place_where_there_is_no_room_or_part_of_it_is_elsewhere) {
  make("old");
  constexpr std::int64_t kTooMuch = std::int64_t{1} << 60;
  EXPECT_EQ(keep_data(data(), "7", kTooMuch).value_or("error"), model::kInPlace);
  EXPECT_FALSE(can_keep_data(data(), kTooMuch));
  EXPECT_FALSE(has_room_in_place(data(), kTooMuch));
  EXPECT_TRUE(has_room_in_place(data(), 10));
  fs::create_directory(data() / "pg_tblspc");
  fs::create_symlink("/elsewhere", data() / "pg_tblspc" / "16384");
  EXPECT_EQ(keep_data(data(), "7", 10).value_or("error"), model::kInPlace);
  EXPECT_EQ(content(), "old");
}

TEST_F(KeptData, is_nothing_where_there_was_none) {
  EXPECT_EQ(keep_data(data(), "7", 10).value_or("error"), kNothingKept);
  EXPECT_TRUE(take_back_data(data(), "7"));
}

}  // namespace
}  // namespace aurum::backup
