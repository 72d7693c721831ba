// The volumes of a data directory, and the files that hold room on them.

#include "pg/volumes.h"

#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace aurum::pg {
namespace {

namespace fs = std::filesystem;

class Volumes : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(dir() / "base");
    fs::create_directories(dir() / "pg_wal");
  }
  fs::path dir() const { return temp_.path(); }
  fs::path ballast() const { return dir() / "base" / kBallastFile; }

 private:
  testing::TempDir temp_;
};

TEST_F(Volumes, are_seen_with_their_room) {
  const auto facts = look_at_volumes(dir());
  ASSERT_TRUE(facts) << facts.error().text();
  EXPECT_GT(facts->data.capacity, 0U);
  EXPECT_LE(facts->data.available, facts->data.capacity);
  EXPECT_EQ(facts->data.ballast, 0U);
  EXPECT_FALSE(facts->wal) << "on the same volume";
  EXPECT_FALSE(look_at_volumes(dir() / "missing"));
}

TEST_F(Volumes, a_wal_directory_elsewhere_is_a_volume_of_its_own) {
  if (!fs::exists("/dev/shm")) GTEST_SKIP() << "there is no other volume";
  const fs::path shm = fs::path("/dev/shm") / dir().filename();
  fs::create_directories(shm);
  fs::remove(dir() / "pg_wal");
  fs::create_directory_symlink(shm, dir() / "pg_wal");
  EXPECT_TRUE(hold_ballast(dir(), 0, 8192));
  const auto facts = look_at_volumes(dir());
  EXPECT_TRUE(facts && facts->wal && facts->wal->ballast == 8192);
  fs::remove_all(shm);
}

TEST_F(Volumes, the_ballast_takes_its_room_once_and_gives_it_back) {
  ASSERT_TRUE(hold_ballast(dir(), 1 << 20, 0));
  struct stat file{};
  ASSERT_EQ(::stat(ballast().c_str(), &file), 0);
  EXPECT_EQ(file.st_size, 1 << 20);
  EXPECT_GE(file.st_blocks * 512, 1 << 20) << "not a hole";
  EXPECT_EQ(file.st_mode & 0777, 0600U);
  // Another size changes nothing: it is the same room.
  ASSERT_TRUE(hold_ballast(dir(), 2 << 20, 0));
  EXPECT_EQ(look_at_volumes(dir())->data.ballast, std::uint64_t{1} << 20);
  ASSERT_TRUE(hold_ballast(dir(), 0, 0));
  EXPECT_FALSE(fs::exists(ballast()));
  EXPECT_TRUE(hold_ballast(dir(), 0, 0)) << "a second time";
}

// By a limit of the process: no disk is filled for a test.
TEST_F(Volumes, what_cannot_be_held_whole_leaves_nothing_behind) {
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small{.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
  auto* const former = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status held = hold_ballast(dir(), 2 << 20, 0);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, former);
  ASSERT_FALSE(held);
  EXPECT_NE(held.error().message.find(kBallastFile), std::string::npos);
  EXPECT_FALSE(fs::exists(ballast()));
}

}  // namespace
}  // namespace aurum::pg
