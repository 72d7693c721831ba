// Scenario: a server that was killed while a full segment went to the disk never told its archiver
// of it, and went on with the next ones.
#include "pg/wal_status.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace aurum::pg {
namespace {

namespace fs = std::filesystem;

class WalStatus : public ::testing::Test {
 protected:
  WalStatus() { fs::create_directories(status_); }
  static std::string segment(int number, int timeline = 1) {
    char name[25];
    std::snprintf(name, sizeof name, "%08X%016X", static_cast<unsigned>(timeline),
                  static_cast<unsigned>(number));
    return name;
  }
  void wal(const std::string& name, const std::string& status = {}) {
    std::ofstream(dir_ / "pg_wal" / name) << "x";
    if (!status.empty()) std::ofstream(status_ / (name + status)) << "";
  }
  bool is_ready(const std::string& name) const { return fs::exists(status_ / (name + ".ready")); }

  aurum::testing::TempDir root_;
  fs::path dir_ = root_ / "data", status_ = dir_ / "pg_wal" / "archive_status";
};

TEST_F(WalStatus, a_full_segment_that_the_archiver_never_heard_of_is_told_of) {
  wal(segment(6), ".done");
  wal(segment(7));
  wal(segment(8), ".done");
  wal(segment(9), ".ready");
  wal(segment(10));  // being written
  wal(segment(11));  // made ahead
  EXPECT_FALSE(is_archived_up_to(dir_, segment(9)));
  EXPECT_EQ(announce_wal(dir_), 1);
  EXPECT_TRUE(is_ready(segment(7)));
  EXPECT_FALSE(is_ready(segment(10)));
  EXPECT_EQ(announce_wal(dir_), 0);
  fs::rename(status_ / (segment(9) + ".ready"), status_ / (segment(9) + ".done"));
  EXPECT_FALSE(is_archived_up_to(dir_, segment(9))) << "7 still waits";
  fs::rename(status_ / (segment(7) + ".ready"), status_ / (segment(7) + ".done"));
  EXPECT_TRUE(is_archived_up_to(dir_, segment(9)));
}

TEST_F(WalStatus, what_is_not_known_to_be_full_is_left_alone) {
  EXPECT_EQ(announce_wal(dir_), 0);
  wal(segment(7), ".done");
  wal(segment(8));
  EXPECT_EQ(announce_wal(dir_), 0) << "the newest one may be half written";
  // Of a former timeline, which was left in the middle of it.
  wal(segment(9, 2), ".done");
  wal(segment(10, 2), ".ready");
  wal("00000002.history", ".done");
  wal(segment(7) + ".00000028.backup", ".done");
  EXPECT_EQ(announce_wal(dir_), 0);
  EXPECT_FALSE(is_archived_up_to(dir_, segment(10, 2)));
  EXPECT_TRUE(is_archived_up_to(dir_, segment(9, 2)));
  EXPECT_TRUE(is_archived_up_to(dir_, segment(5))) << "archived and recycled";
  EXPECT_FALSE(is_archived_up_to(dir_, segment(8)));
}

}  // namespace
}  // namespace aurum::pg
