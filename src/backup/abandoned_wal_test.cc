// Scenario: a segment came from the archive, and the histories in pg_wal say where its timeline was
// left. Nothing from behind that point may be replayed; everything before it must be.
#include "backup/abandoned_wal.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSize = 1 << 20;  // the smallest segment of PostgreSQL: 4096 in 4 GB

class AbandonedWal : public ::testing::Test {
 protected:
  AbandonedWal() { fs::create_directory(dir_ / "pg_wal"); }
  void history(const std::string& timeline, const std::string& text) {
    std::ofstream(dir_ / "pg_wal" / (timeline + ".history")) << text;
  }
  Result<Cut> fetch(const std::string& segment) {
    std::ofstream(file()) << std::string(kSize, 'x');
    return cut_abandoned_wal(dir_.path(), segment, file());
  }
  fs::path file() const { return dir_ / "pg_wal" / "RECOVERYXLOG"; }
  /// How many bytes of the fetched segment are left, the rest being zero.
  std::size_t left() {
    std::ifstream in(file(), std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(text.size(), kSize);
    const auto end = text.find('\0');
    EXPECT_TRUE(end == text.npos || text.find('x', end) == text.npos);
    return std::min(end, text.size());
  }
  testing::TempDir dir_;
};

TEST_F(AbandonedWal, is_cut_at_the_fork_and_only_there) {
  struct Case {
    const char* segment;
    Cut cut;
    std::size_t left;
  };
  // Timeline 1 was left in the middle of its segment 7, timeline 2 at the end of segment 8.
  history("00000003", "1\t0/701CE0\tno reason\n\n2\t0/900000\tbefore noon\n");
  for (const Case& c : {Case{"000000010000000000000006", Cut::nothing, kSize},
                        Case{"000000010000000000000007", Cut::tail, 0x1CE0},
                        Case{"000000010000000000000008", Cut::all, 0},
                        Case{"000000010000000100000000", Cut::all, 0},
                        Case{"000000020000000000000007", Cut::nothing, kSize},
                        Case{"000000020000000000000008", Cut::nothing, kSize},
                        Case{"000000020000000000000009", Cut::all, 0},
                        Case{"000000030000000000000009", Cut::nothing, kSize},
                        Case{"000000040000000000000009", Cut::nothing, kSize}}) {
    SCOPED_TRACE(c.segment);
    const auto cut = fetch(c.segment);
    ASSERT_TRUE(cut) << cut.error().text();
    EXPECT_EQ(*cut, c.cut);
    EXPECT_EQ(fs::exists(file()), c.cut != Cut::all);
    if (c.cut != Cut::all) {
      EXPECT_EQ(left(), c.left);
    }
  }
}

TEST_F(AbandonedWal, the_newest_history_counts_and_none_that_is_only_reserved) {
  history("00000002", "1\t0/700100\ttaken back since\n");
  history("00000003", "1\t0/700200\tno reason\n");
  history("00000004", "# Reserved by aurum: another member's promotion may have used it.\n");
  history("00000005.partial", "1\t0/700300\tno history\n");
  EXPECT_EQ(*fetch("000000010000000000000007"), Cut::tail);
  EXPECT_EQ(left(), 0x200U);
  EXPECT_EQ(*fetch("000000020000000000000007"), Cut::nothing) << "no part of that line";
}

TEST_F(AbandonedWal, without_a_history_or_for_another_file_nothing_is_cut) {
  EXPECT_EQ(*fetch("000000010000000000000007"), Cut::nothing);
  history("00000003", "1\t0/700200\tno reason\n");
  EXPECT_EQ(*fetch("00000002.history"), Cut::nothing);
  history("00000003", "nonsense\n");
  EXPECT_FALSE(fetch("000000010000000000000007")) << "what it says is not known";
}

}  // namespace
}  // namespace aurum::backup
