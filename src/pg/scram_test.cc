#include "pg/scram.h"

#include <string>

#include <gtest/gtest.h>

namespace aurum::pg {
namespace {

/// For the password "pencil" of RFC 7677's example.
constexpr const char* kSecret =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

TEST(Scram, a_secret_takes_its_password_and_no_other) {
  EXPECT_TRUE(takes_password(kSecret, "user", "pencil"));
  EXPECT_FALSE(takes_password(kSecret, "user", "pencil "));
  EXPECT_FALSE(takes_password(kSecret, "user", ""));
}

TEST(Scram, md5_is_of_password_and_role) {
  const std::string secret = "md57fd0a51e39c4ac0b6eb5a93c2f2e2b77";
  EXPECT_FALSE(takes_password(secret, "postgres", "pencil"));
  // md5("pencil" "user") by PostgreSQL: SELECT 'md5' || md5('penciluser')
  EXPECT_TRUE(takes_password("md520c46e3762c864548e296b33c3406aa9", "user", "pencil"));
  EXPECT_FALSE(takes_password("md520c46e3762c864548e296b33c3406aa9", "other", "pencil"));
}

TEST(Scram, what_is_no_secret_takes_nothing) {
  for (const char* text : {"", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:", "SCRAM-SHA-256$4096:W22Z$",
                           "plain", "md5", "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA",
                           "SCRAM-SHA-256$999999999:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA"})
    EXPECT_FALSE(takes_password(text, "user", "pencil")) << text;
}

TEST(Scram, fingerprints_tell_passwords_apart_and_depend_on_the_salt) {
  EXPECT_EQ(password_fingerprint("a", "salt"), password_fingerprint("a", "salt"));
  EXPECT_NE(password_fingerprint("a", "salt"), password_fingerprint("b", "salt"));
  EXPECT_NE(password_fingerprint("a", "salt"), password_fingerprint("a", "other"));
}

}  // namespace
}  // namespace aurum::pg
