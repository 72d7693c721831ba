// Scenario: what a former primary did not archive is kept in copies of its own, since PostgreSQL
// writes over its files, and marked as archived once it is.
#include "backup/left_wal.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

constexpr const char* kOne = "000000010000000000000001";
constexpr const char* kTwo = "000000010000000000000002";

class LeftWal : public ::testing::Test {
 protected:
  LeftWal() {
    fs::create_directories(status());
    fs::create_directory(work());
  }
  void wal(const std::string& name, const std::string& state) {
    std::ofstream(data() / "pg_wal" / name) << name;
    std::ofstream(status() / (name + state)) << "";
  }
  std::vector<std::string> kept() {
    std::vector<std::string> out;
    for (const auto& file : left_wal(work())) out.push_back(file.filename());
    return out;
  }
  fs::path data() { return dir_ / "data"; }
  fs::path status() { return data() / "pg_wal" / "archive_status"; }
  fs::path work() { return dir_ / "work"; }
  aurum::testing::TempDir dir_;
};

TEST_F(LeftWal, is_kept_until_it_is_archived) {
  wal(kTwo, ".ready");
  wal(kOne, ".ready");
  wal("00000002.history", ".ready");
  wal("000000010000000000000003", ".done");
  wal("nonsense", ".ready");
  EXPECT_EQ(keep_left_wal(data(), work(), 2).value(), 2U) << "the oldest first";
  EXPECT_THAT(kept(), ElementsAre(kOne, kTwo));
  EXPECT_EQ(keep_left_wal(data(), work(), 64).value(), 3U);
  // PostgreSQL writes over it: what is kept stays.
  std::ofstream(data() / "pg_wal" / kOne) << "another";
  std::string text;
  std::ifstream(work() / "left" / kOne) >> text;
  EXPECT_EQ(text, kOne);
  forget_left_wal(work() / "left" / kOne, data());
  EXPECT_THAT(kept(), ElementsAre(kTwo, "00000002.history"));
  EXPECT_TRUE(fs::exists(status() / (std::string(kOne) + ".done")));
  EXPECT_FALSE(fs::exists(status() / (std::string(kOne) + ".ready")));
  // Rewound meanwhile: nothing waits there any more.
  fs::remove(status() / (std::string(kTwo) + ".ready"));
  forget_left_wal(work() / "left" / kTwo, data());
  EXPECT_FALSE(fs::exists(status() / (std::string(kTwo) + ".done")));
}

TEST_F(LeftWal, names_what_is_nowhere_and_fails_where_nothing_can_be_kept) {
  wal(kOne, ".done");
  EXPECT_THAT(keep_wal(data(), work(), {kOne, kTwo}).value(), ElementsAre(kTwo));
  EXPECT_THAT(kept(), ElementsAre(kOne));
  EXPECT_EQ(keep_left_wal(dir_ / "none", work(), 64).value(), 0U);
  std::ofstream(dir_ / "file") << "";
  EXPECT_FALSE(keep_wal(data(), dir_ / "file", {kOne}));
}

TEST(ArchivedNames, are_those_of_postgresql) {
  for (const char* name : {kOne, "00000002.history", "000000010000000000000001.partial",
                           "000000010000000000000001.00000028.backup"})
    EXPECT_TRUE(is_archived_name(name)) << name;
  for (const char* name :
       {"", "x", "../etc", "00000001000000000000000", "00000002", "0000000g.history",
        "000000010000000000000001.new", "000000010000000000000001.backup"})
    EXPECT_FALSE(is_archived_name(name)) << name;
}

}  // namespace
}  // namespace aurum::backup
