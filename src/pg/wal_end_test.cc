#include "pg/wal_end.h"

#include <gtest/gtest.h>

namespace aurum::pg {
namespace {

constexpr std::uint64_t kSegment = 16 * 1024 * 1024;

TEST(WalEnd, the_last_record_is_read_from_the_error_that_ends_every_dump) {
  const auto at = [](std::string_view err) {
    return last_record_before_end(err).value_or(model::Lsn{}).value;
  };
  EXPECT_EQ(at("pg_waldump: error: error in WAL record at 0/16D2A38: invalid record length at "
               "0/16D2E80: wanted 24, got 0\n"),
            0x16D2A38u);
  EXPECT_EQ(at("pg_waldump: fatal: error in WAL record at 2/15CEAB8: record with incorrect "
               "prev-link 0/0 at 2/15CEB30"),
            0x2015CEAB8u);
  EXPECT_EQ(at("pg_waldump: error: could not find a valid record after 0/16D2E80"), 0u);
  EXPECT_EQ(at("pg_waldump: error: could not find file \"000000010000000000000003\""), 0u);
  EXPECT_EQ(at(""), 0u);
}

TEST(WalEnd, the_length_of_a_record_is_its_total) {
  EXPECT_EQ(record_length("rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: "
                          "0/015CEAB8, prev 0/015CEA70, desc: CHECKPOINT_SHUTDOWN"),
            114u);
  EXPECT_EQ(record_length("rmgr: Heap  len (rec/tot):  54/  8214, tx: 724, lsn: 0/1"), 8214u);
  EXPECT_EQ(record_length("pg_waldump: error: nothing"), 0u);
  EXPECT_EQ(record_length(""), 0u);
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
