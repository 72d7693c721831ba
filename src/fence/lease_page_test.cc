#include "fence/lease_page.h"

#include <cstdlib>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "fence/protocol.h"
#include "fence/run_dir.h"

namespace aurum::fence {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class InTempDir : public ::testing::Test {
 protected:
  aurum::testing::TempDir dir_{"/dev/shm"};
};
class LeasePageFile : public InTempDir {
 protected:
  fs::path path() const { return dir_ / "lease"; }
};
class ChooseRunDir : public InTempDir {};

TEST_F(LeasePageFile, is_private_and_shared_between_its_mappings) {
  auto owner = LeasePageMap::open(path(), true);
  ASSERT_TRUE(owner) << owner.error().text();
  struct stat facts{};
  ASSERT_EQ(::stat(path().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600);
  EXPECT_EQ((*owner)->state.load(), 0);
  auto writer = LeasePageMap::open(path(), false);
  ASSERT_TRUE(writer);
  (*writer)->deadline_ns = 42;
  EXPECT_EQ((*owner)->deadline_ns.load(), 42);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_.path()), {}),
            1);  // nothing left of its making
}

TEST_F(LeasePageFile, an_existing_page_keeps_what_it_says) {
  {
    auto first = LeasePageMap::open(path(), true);
    ASSERT_TRUE(first);
    (*first)->kills = 3;
  }
  auto second = LeasePageMap::open(path(), true);
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)->kills.load(), 3);
}

TEST_F(LeasePageFile, a_missing_one_is_not_found) {
  EXPECT_EQ(LeasePageMap::open(path(), false).error().code, Code::not_found);
  EXPECT_EQ(LeasePageMap::open(dir_ / "no" / "dir", true).error().code, Code::io);
}

TEST_F(LeasePageFile, what_is_no_page_of_ours_is_refused) {
  auto refusal = [&] {
    auto page = LeasePageMap::open(path(), true);
    auto text = page ? std::string("accepted") : page.error().message;
    fs::remove_all(path());
    return text;
  };
  fs::create_symlink(dir_ / "elsewhere", path());
  EXPECT_THAT(refusal(), HasSubstr("symbolic link"));
  fs::create_directory(path());
  EXPECT_THAT(refusal(), HasSubstr("lease"));
  ::mkfifo(path().c_str(), 0600);
  EXPECT_THAT(refusal(), HasSubstr("not a file"));
  std::ofstream(path()) << "short";
  ::chmod(path().c_str(), 0600);
  EXPECT_THAT(refusal(), HasSubstr("too short"));
  std::ofstream(path()) << std::string(4096, 'x');
  ::chmod(path().c_str(), 0600);
  EXPECT_THAT(refusal(), HasSubstr("is not a lease page"));
  ASSERT_TRUE(LeasePageMap::open(path(), true));
  ::chmod(path().c_str(), 0644);
  EXPECT_THAT(refusal(), HasSubstr("open to other users"));
  (*LeasePageMap::open(path(), true))->version = 9;
  EXPECT_THAT(refusal(), HasSubstr("has version 9, not 1"));
  if (::geteuid() == 0) {
    ASSERT_TRUE(LeasePageMap::open(path(), true));
    ASSERT_EQ(::chown(path().c_str(), 65534, 65534), 0);
    EXPECT_THAT(refusal(), HasSubstr("belongs to user 65534"));
  }
}

TEST_F(ChooseRunDir, is_private_and_stable) {
  auto first = choose_run_dir("demo", "node1", {dir_ / "aurum"});
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_EQ(first->path, dir_ / "aurum" / "demo-node1");
  EXPECT_EQ(first->warning, "");
  struct stat facts{};
  ASSERT_EQ(::stat(first->path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700);
  EXPECT_EQ(choose_run_dir("demo", "node1", {dir_ / "aurum"})->path, first->path);
}

TEST_F(ChooseRunDir, odd_names_stay_apart_and_short) {
  auto name = [&](std::string scope) {
    return choose_run_dir(scope, "n", {dir_ / "b"})->path.filename().string();
  };
  EXPECT_NE(name("a/b"), name("a_b"));
  EXPECT_THAT(name("../../etc"), ::testing::Not(HasSubstr("/")));
  EXPECT_EQ(fs::path(name("../..")).parent_path(), "");
  EXPECT_EQ(name(std::string(200, 'x')).size(), 60);
  EXPECT_NE(name(std::string(200, 'x')), name(std::string(201, 'x')));
}

TEST_F(ChooseRunDir, one_with_a_guard_comes_first) {
  auto later = choose_run_dir("s", "n", {dir_ / "later"});
  ASSERT_TRUE(later);
  std::ofstream(later->path / kSocketName) << "";
  EXPECT_EQ(choose_run_dir("s", "n", {dir_ / "first", dir_ / "later"})->path, later->path);
}

TEST_F(ChooseRunDir, what_cannot_be_used_is_passed_over_or_named) {
  std::ofstream(dir_ / "file") << "";
  EXPECT_EQ(choose_run_dir("s", "n", {dir_ / "file", dir_ / "good"})->path, dir_ / "good" / "s-n");
  auto none = choose_run_dir("s", "n", {dir_ / "file"});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr((dir_ / "file").string()));
  fs::create_directory(dir_ / "real");
  fs::create_symlink(dir_ / "real", dir_ / "link");
  EXPECT_FALSE(choose_run_dir("s", "n", {dir_ / "link"}));
  if (::geteuid() == 0) {
    fs::create_directory(dir_ / "foreign");
    ASSERT_EQ(::chown((dir_ / "foreign").c_str(), 65534, 65534), 0);
    EXPECT_THAT(choose_run_dir("s", "n", {dir_ / "foreign"}).error().message,
                HasSubstr("belongs to user 65534"));
  }
}

TEST_F(ChooseRunDir, a_disk_is_warned_of) {
  std::string name = "/var/tmp/aurum-run-dir-XXXXXX";
  fs::path disk = ::mkdtemp(name.data());
  auto chosen = choose_run_dir("s", "n", {disk});
  auto preferred = choose_run_dir("s", "n", {disk, dir_ / "shm"});
  fs::remove_all(disk);
  ASSERT_TRUE(chosen);
  ASSERT_TRUE(preferred);
  if (chosen->warning.empty()) GTEST_SKIP() << "/var/tmp is a tmpfs here";
  EXPECT_THAT(chosen->warning, HasSubstr("not on a tmpfs"));
  EXPECT_EQ(preferred->path, dir_ / "shm" / "s-n");
}

}  // namespace
}  // namespace aurum::fence
