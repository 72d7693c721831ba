#include "pg/wal_end.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"

namespace aurum::pg {
namespace {

constexpr std::uint64_t kSegment = 16 * 1024 * 1024;

TEST(WalEnd, the_last_record_is_that_of_the_last_line) {
  const std::string_view out =
      "first record is after 0/3005910, at 0/30069D0, skipping over 4288 bytes\n"
      "rmgr: Heap  len (rec/tot):  54/  8214, tx: 724, lsn: 0/015CEAB8, prev 0/015CEA70, desc: "
      "INSERT off 1\n"
      "rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: 2/015D0010, prev "
      "0/015CEAB8, desc: CHECKPOINT_SHUTDOWN redo 0/1; tli 1\n";
  EXPECT_EQ(last_record(out), (WalRecord{{0x2015D0010}, 114}));
  EXPECT_EQ(last_record("first record is after 0/3005910\n"), std::nullopt);
  EXPECT_EQ(last_record("rmgr: Heap  len (rec/tot):  54/  8214, tx: 724"), std::nullopt);
  EXPECT_EQ(last_record("cut off: rmgr: Heap len (rec/tot): 5/ 8, tx: 1, lsn: 0/15, "),
            std::nullopt);
  EXPECT_EQ(last_record(""), std::nullopt);
}

TEST(WalEnd, what_ends_reading_is_no_record_and_no_failure) {
  EXPECT_TRUE(
      is_end_of_wal("pg_waldump: error: error in WAL record at 0/16D2A38: invalid record length at "
                    "0/16D2E80: wanted 24, got 0\n"));
  EXPECT_TRUE(
      is_end_of_wal("pg_waldump: fatal: error in WAL record at 2/15CEAB8: record with incorrect "
                    "prev-link 0/0 at 2/15CEB30"));
  EXPECT_FALSE(is_end_of_wal("pg_waldump: error: could not find a valid record after 0/16D2E80"));
  EXPECT_FALSE(is_end_of_wal("pg_waldump: error: could not read file \"0000\": I/O error"));
  EXPECT_FALSE(is_end_of_wal(""));
}

TEST(WalEnd, the_file_of_a_position) {
  EXPECT_EQ(wal_file_name(1, {0x16D2A38}, kSegment), "000000010000000000000001");
  EXPECT_EQ(wal_file_name(0x12, {0x2FF000000}, kSegment), "0000001200000002000000FF");
  EXPECT_EQ(wal_file_name(1, {0x2FF000000}, 64 * kSegment), "000000010000000200000003");
}

TEST(WalEnd, the_oldest_file_is_found_over_timelines) {
  const aurum::testing::TempDir dir;
  EXPECT_FALSE(oldest_wal(dir.path()));
  std::filesystem::create_directories(dir / "pg_wal" / "archive_status");
  EXPECT_FALSE(oldest_wal(dir.path()));
  for (const char* name : {"0000000100000002000000FF", "000000020000000300000000",
                           "00000003000000010000000F.partial", "00000002.history"}) {
    std::ofstream(dir / "pg_wal" / name).put('x');
    std::filesystem::resize_file(dir / "pg_wal" / name, kSegment);
  }
  EXPECT_EQ(oldest_wal(dir.path()), model::Lsn{0x2FF000000});
}

TEST(WalEnd, a_record_goes_round_the_headers_of_the_pages_it_crosses) {
  const auto end = [](std::uint64_t at, std::uint32_t length) {
    return end_of_record({at}, length, kSegment).value;
  };
  EXPECT_EQ(end(0x16D2A38, 1093), 0x16D2E80u);  // seen of a real server
  EXPECT_EQ(end(0x15CEAB8, 114), 0x15CEB30u);   // likewise
  EXPECT_EQ(end(0x2000, 0x20), 0x2020u);
  EXPECT_EQ(end(0x3FF0, 0x10), 0x4000u);                // up to the very end of its page
  EXPECT_EQ(end(0x3FF0, 0x11), 0x4000u + 24 + 8);       // one byte more
  EXPECT_EQ(end(0xFFFFF0, 0x18), 0x1000000u + 40 + 8);  // over the end of its segment
  EXPECT_EQ(end(0x2018, 0x2000 - 0x18 + 0x2000 - 24 + 8), 0x6000u + 24 + 8);
}

}  // namespace
}  // namespace aurum::pg
