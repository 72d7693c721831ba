// Disks that do not take writes, as file systems in a mount namespace of the test's own.
#include "pg/write_probe.h"

#include <fstream>
#include <functional>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "pg/files.h"

namespace aurum::pg {
namespace {

constexpr int kSkipped = 77;

class WriteProbe : public ::testing::Test {
 protected:
  WriteProbe() { fs::create_directories(dir_ / "pg_wal"); }

  /// Whether the work ends well, in a child that may mount whatever it likes.
  static void in_namespace(const std::function<bool()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      const bool may = ::unshare(CLONE_NEWNS) == 0 &&
                       ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
      ::_exit(!may ? kSkipped : work() ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << "needs the right to mount";
    EXPECT_EQ(status, 0);
  }
  static bool mount_tmpfs(const fs::path& at, unsigned long flags = 0) {
    return ::mount("tmpfs", at.c_str(), "tmpfs", flags, "size=256k,nr_inodes=16") == 0;
  }
  static bool remount_read_only(const fs::path& at) {
    return ::mount("", at.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  static void fill(const fs::path& dir) {
    std::ofstream file(dir / "fill", std::ios::binary);
    while (file << std::string(4096, 'x') << std::flush) {
    }
  }
  static std::size_t files_in(const fs::path& dir) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
  }
  static bool is(const Result<Room>& outcome, Room room) { return outcome && *outcome == room; }

  aurum::testing::TempDir files_;
  fs::path dir_ = files_ / "data";
};

TEST_F(WriteProbe, writes_the_same_file_each_time_and_leaves_no_other) {
  EXPECT_FALSE(probe_writes(files_ / "missing"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(is(probe_writes(dir_), Room::enough));
  EXPECT_EQ(fs::file_size(dir_ / kProbeFile), 32U);
  EXPECT_EQ(files_in(dir_), 2U) << "that file, and pg_wal";
  EXPECT_EQ(files_in(dir_ / "pg_wal"), 0U) << "it is on the same disk";
}

TEST_F(WriteProbe, a_rest_of_one_that_was_killed_does_not_stay) {
  std::ofstream(dir_ / kRoomFile) << "rest";
  EXPECT_TRUE(is(probe_writes(dir_), Room::enough));
  EXPECT_FALSE(fs::exists(dir_ / kRoomFile));
}

// What was allocated before takes writes for ever.
TEST_F(WriteProbe, sees_a_full_disk_and_its_new_room) {
  in_namespace([this] {
    if (!mount_tmpfs(dir_)) return false;
    bool good = is(probe_writes(dir_), Room::enough);
    fill(dir_);
    good = good && is(probe_writes(dir_), Room::none) && is(probe_writes(dir_), Room::none);
    fs::remove(dir_ / "fill");
    return good && is(probe_writes(dir_), Room::enough);
  });
}

TEST_F(WriteProbe, sees_a_disk_without_a_name_more) {
  in_namespace([this] {
    if (!mount_tmpfs(dir_)) return false;
    const bool good = is(probe_writes(dir_), Room::enough);
    for (int i = 0; std::ofstream(dir_ / std::to_string(i)); ++i) {
    }
    return good && is(probe_writes(dir_), Room::none);
  });
}

TEST_F(WriteProbe, sees_a_read_only_disk) {
  in_namespace([this] {
    if (!mount_tmpfs(dir_)) return false;
    const bool good = is(probe_writes(dir_), Room::enough);
    return good && remount_read_only(dir_) && !probe_writes(dir_);
  });
}

TEST_F(WriteProbe, looks_at_a_disk_of_the_wal_as_well) {
  in_namespace([this] {
    const fs::path wal = dir_ / "pg_wal";
    if (!mount_tmpfs(wal)) return false;
    bool good = is(probe_writes(dir_), Room::enough) && fs::exists(wal / kWalProbeFile) &&
                files_in(wal) == 1;
    fill(wal);
    good = good && is(probe_writes(dir_), Room::none);
    fs::remove(wal / "fill");
    good = good && is(probe_writes(dir_), Room::enough);
    return good && remount_read_only(wal) && !probe_writes(dir_);
  });
}

}  // namespace
}  // namespace aurum::pg
