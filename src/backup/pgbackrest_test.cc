// Scenario: what pgBackRest prints is read, and whose stanza it is decides what may be done to it.
#include "backup/pgbackrest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

using ::testing::HasSubstr;

TEST(Percent, is_read_from_the_lines_of_a_backup) {
  EXPECT_EQ(percent_of("P01 DETAIL: backup file /d/base/1/2611 (8KB, 45.25%)"), 45.25);
  EXPECT_EQ(
      percent_of("P01 DETAIL: backup file h:/d/base/1/2611 (bundle 1/0, 8KB, 100%) checksum x"),
      100);
  for (const char* other : {"", "%)", "P00 INFO: 45.2%)", "backup file x (8KB, x%)",
                            "backup file (8KB, 900%)", "backup file %)", "backup file  %)"})
    EXPECT_LT(percent_of(other), 0) << other;
}

TEST(Size, is_read_from_the_same_lines) {
  EXPECT_EQ(size_of("P01 DETAIL: backup file /d/base/1/2611 (8KB, 45.25%)"), 8192);
  EXPECT_EQ(size_of("P01 DETAIL: backup file h:/d/x (bundle 1/0, 1.5MB, 100%) checksum x"),
            1572864);
  EXPECT_EQ(size_of("P01 DETAIL: backup file /d/x (0B, 45.25%)"), 0);
  EXPECT_EQ(size_of("P00 INFO: something (8KB)"), 0);
  EXPECT_EQ(size_of(""), 0);
}

TEST(NewLabel, is_what_the_backup_said_last) {
  EXPECT_EQ(
      new_label("P00 INFO: new backup label = 20261123-015337F\nP00 INFO: full backup size\n"),
      "20261123-015337F");
  EXPECT_EQ(new_label("P00 INFO: new backup label = 20261123-015337F"), "20261123-015337F");
  EXPECT_EQ(new_label("nothing"), "");
}

TEST(Verify, names_what_is_wrong_although_pgbackrest_ends_well) {
  EXPECT_EQ(verify_findings(""), "");
  EXPECT_EQ(verify_findings("P00   INFO: verify command begin 2.45\n"
                            "P00 DETAIL: archiveId: 15-1, wal start: 000000010000000000000001, wal "
                            "stop: 000000010000000000000007\n"
                            "P00   INFO: verify command end: completed successfully (464ms)\n"),
            "");
  EXPECT_EQ(verify_findings("P01   INFO: invalid result 15-1/0000000100000000/"
                            "000000010000000000000003-0c20.lz4: [29] raised from local-1\n"
                            "   status: error\n     other: 1\n"),
            "invalid result 15-1/0000000100000000/000000010000000000000003-0c20.lz4: [29] raised "
            "from local-1");
  EXPECT_EQ(verify_findings("   status: error\n"), "the repository has errors");
}

TEST(Verify, names_a_hole_in_the_wal_but_not_the_next_timeline) {
  const std::string first =
      "P00 DETAIL: archiveId: 15-1, wal start: 000000010000000000000001, wal stop: "
      "000000010000000000000004\n";
  EXPECT_EQ(
      verify_findings(first + "P00 DETAIL: archiveId: 15-1, wal start: 000000010000000000000006, "
                              "wal stop: 000000010000000000000007\n"),
      "WAL is missing between 000000010000000000000004 and 000000010000000000000006");
  EXPECT_EQ(
      verify_findings(first + "P00 DETAIL: archiveId: 15-1, wal start: 000000020000000000000004, "
                              "wal stop: 000000020000000000000007\n"),
      "");
  std::string many;
  for (int i = 0; i < 9; ++i) many += "INFO: invalid result f" + std::to_string(i) + ": x\n";
  EXPECT_THAT(verify_findings(many), HasSubstr("; and 4 more"));
}

TEST(Stanza, is_made_upgraded_or_left_to_its_owner) {
  const Catalogue missing{.message = "missing stanza path"};
  const auto of = [](const char* version, const char* id) {
    return Catalogue{.status = kStanzaWithoutBackups, .databases = {{version, id}}};
  };
  EXPECT_EQ(stanza_step(missing, 15, "7", "").value(), StanzaStep::create);
  EXPECT_EQ(stanza_step(of("15", "7"), 15, "7", "").value(), StanzaStep::none);
  EXPECT_EQ(stanza_step(of("15", "7"), 17, "8", "7").value(), StanzaStep::upgrade);
  struct Case {
    Catalogue catalogue;
    const char* seen;
    Code code;
  };
  for (const auto& c : {
           Case{of("15", "6"), "", Code::rejected},   // another cluster
           Case{of("15", "6"), "7", Code::rejected},  // put in our place
           Case{of("13", "6"), "", Code::rejected},   // older, and never seen by us
           Case{of("17", "7"), "7", Code::rejected},  // newer than we are
           Case{of("9.6", "6"), "7", Code::rejected},
           Case{{.status = 99, .message = "no rights"}, "7", Code::unavailable},
       }) {
    const auto step = stanza_step(c.catalogue, 15, "7", c.seen);
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, c.code);
  }
}

}  // namespace
}  // namespace aurum::backup
