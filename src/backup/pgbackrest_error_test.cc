// Scenario: what pgBackRest 2.45 printed when its repository was away, as one line for people.
#include "backup/pgbackrest_error.h"

#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

constexpr const char* kNoRightsAsked =
    R"(ERROR: [103]: unable to find a valid repository:
       repo1: [FileOpenError] unable to load info file '/repo/archive/main/archive.info' or '/repo/archive/main/archive.info.copy':
       FileOpenError: unable to open file '/repo/archive/main/archive.info' for read: [13] Permission denied
)";

constexpr const char* kNoRights =
    R"(WARN: repo1: [FileOpenError] unable to load info file '/repo/archive/main/archive.info' or '/repo/archive/main/archive.info.copy':
      FileOpenError: unable to open file '/repo/archive/main/archive.info' for read: [13] Permission denied
      FileOpenError: unable to open file '/repo/archive/main/archive.info.copy' for read: [13] Permission denied
      HINT: archive.info cannot be opened but is required to push/get WAL segments.
      HINT: has a stanza-create been performed?
ERROR: [103]: unable to find a valid repository
)";

TEST(PgbackrestError, names_the_cause_on_one_line) {
  struct Case {
    const char *messages, *reason;
  };
  for (const auto& c : {
           Case{"", ""},
           Case{"INFO: all is well\n", ""},
           Case{kNoRightsAsked,
                "unable to open file '/repo/archive/main/archive.info' for read: [13] Permission "
                "denied"},
           Case{kNoRights,
                "unable to open file '/repo/archive/main/archive.info' for read: [13] "
                "Permission denied"},
           Case{"ERROR: [032]: PostgreSQL working directory '/tmp' is not the same as option "
                "pg1-path '/d'\n       HINT: is the data_directory the same?\n",
                "PostgreSQL working directory '/tmp' is not the same as option pg1-path '/d'"},
           Case{
               "2026-11-23 01:53:36.212 P00  ERROR: [056]: unable to find primary cluster - cannot "
               "proceed\n",
               "unable to find primary cluster - cannot proceed"},
           Case{"ERROR: [", "["},
           Case{"ERROR: ", ""},
       })
    EXPECT_EQ(failure_reason(c.messages), c.reason) << c.messages;
}

TEST(PgbackrestError, has_a_hint_for_those_an_operator_meets) {
  const auto error = explain_failure("archive-push", 103, kNoRights);
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_EQ(error.text(),
            "pgbackrest archive-push failed: unable to open file "
            "'/repo/archive/main/archive.info' for read: [13] Permission denied (hint: Check that "
            "the repository can be reached and has the stanza.)");
  EXPECT_EQ(explain_failure("info", 137, "").message, "pgbackrest info failed: killed by signal 9");
  EXPECT_EQ(explain_failure("info", 125, "").text(), "pgbackrest info failed: exit code 125");
}

}  // namespace
}  // namespace aurum::backup
