// Scenario: what pgBackRest 2.45 told of a stanza with backups, an empty one and a missing one; and
// anything else it might say.
#include "backup/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backup/testing/recorded.h"
#include "model/value.h"

namespace aurum::backup {
namespace {

using ::testing::HasSubstr;

TEST(Catalogue, is_read_from_a_real_answer) {
  const auto catalogue = parse_catalogue(testing::kThreeBackups, "main");
  ASSERT_TRUE(catalogue) << catalogue.error().text();
  EXPECT_EQ(catalogue->status, kStanzaOk);
  ASSERT_EQ(catalogue->backups.size(), 3U);
  const Backup second{.label = "20261123-015337F_20261123-015345D",
                      .type = "diff",
                      .start = 1795398825,
                      .stop = 1795398827,
                      .size = 23213824,
                      .delta = 8458,
                      .repository_size = 4548982,
                      .repository_delta = 492,
                      .wal_start = "000000010000000000000003",
                      .wal_stop = "000000010000000000000004",
                      .lsn_start = model::parse_lsn("0/3000028").value(),
                      .lsn_stop = model::parse_lsn("0/4000050").value(),
                      .prior = "20261123-015337F",
                      .program_version = "2.45",
                      .system_identifier = "7711179185693344446"};
  EXPECT_EQ(catalogue->backups[1], second);
  ASSERT_EQ(catalogue->databases.size(), 1U);
  EXPECT_EQ(catalogue->databases[0], (StanzaDatabase{"15", "7711179185693344446"}));
  EXPECT_EQ(render_catalogue(*catalogue, "main"),
            "stanza main: ok\n"
            "label                             type    size   added   took WAL             \n"
            "20261123-015337F                  full   23 MB    5 MB    7 s 1:0/2\n"
            "20261123-015337F_20261123-015345D diff   23 MB    0 kB    2 s 1:0/3-0/4\n"
            "20261123-015337F_20261123-015348I incr   23 MB    0 kB    2 s 1:0/5-0/6\n"
            "recoverable: 2026-11-23 01:53:44 UTC (end of the oldest backup) to WAL 1:0/6\n");
  const auto json = model::parse_json(catalogue_json(*catalogue, "main"));
  ASSERT_TRUE(json);
  EXPECT_EQ(json->at({"recoverable", "to_wal"})->text(), "000000010000000000000006");
  EXPECT_EQ(json->find("backups")->size(), 3U);
}

// pgBackRest 2.45 with a wrong key quotes what it took for text.
TEST(Catalogue, is_read_although_a_message_is_no_text) {
  const auto odd = parse_catalogue(
      "[{\"name\":\"main\",\"repo\":[{\"key\":1,\"status\":{\"code\":99,\"message\":"
      "\"[FormatError] line 1: \x1d\xb1\xd9\\nHINT: x\"}}],\"status\":{\"code\":99,\"message\":"
      "\"other\"}}]\n",
      "main");
  ASSERT_TRUE(odd) << odd.error().text();
  EXPECT_EQ(odd->message, "[FormatError] line 1: ???");
  EXPECT_EQ(odd->status, 99);
}

TEST(Catalogue, lists_five_hundred_at_once) {
  const auto many = parse_catalogue(testing::many_backups(500), "main");
  ASSERT_TRUE(many) << many.error().text();
  EXPECT_EQ(many->backups.size(), 500U);
}

TEST(Catalogue, tells_an_empty_stanza_from_a_missing_one) {
  const auto empty = parse_catalogue(testing::kNoBackups, "main");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->status, kStanzaWithoutBackups);
  EXPECT_EQ(render_catalogue(*empty, "main"), "stanza main: no valid backups\n");
  const auto missing = parse_catalogue(testing::kNoStanza, "main");
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, kStanzaMissing);
  const auto other = parse_catalogue(testing::kThreeBackups, "other");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->status, kStanzaMissing);
}

TEST(Catalogue, names_what_the_repository_says_when_it_cannot_be_read) {
  const auto catalogue = parse_catalogue(
      R"([{"name":"main","repo":[{"status":{"code":99,"message":"[PathOpenError] no rights"}}],
           "status":{"code":99,"message":"other"}}])",
      "main");
  ASSERT_TRUE(catalogue);
  EXPECT_EQ(render_catalogue(*catalogue, "main"), "stanza main: [PathOpenError] no rights\n");
}

TEST(Catalogue, takes_any_json_without_harm) {
  for (const char* bad : {"", "{", "{}", "null", "7", "[[[["})
    EXPECT_FALSE(parse_catalogue(bad, "main")) << bad;
  for (
      const char* odd :
      {"[]", "[1]", "[null]", R"([{"name":"main"}])", R"([{"name":"main","backup":{}}])",
       R"([{"name":"main","backup":[1,{"label":7,"type":"full"},{"label":"\u001b[2J","type":"full"}]}])",
       R"([{"name":"main","archive":[{"max":"0/5"}],"db":[{"system-id":{}}],"repo":7}])",
       R"([{"name":"main","status":{"code":-9223372036854775808,"message":[]}}])"}) {
    const auto catalogue = parse_catalogue(odd, "main");
    ASSERT_TRUE(catalogue) << odd;
    EXPECT_TRUE(catalogue->backups.empty()) << odd;
    EXPECT_THAT(render_catalogue(*catalogue, "main"), HasSubstr("stanza main"));
  }
  const auto huge = parse_catalogue(
      R"([{"name":"main","backup":[{"label":"20261123-015337F","type":"full","timestamp":
         {"start":-9223372036854775808,"stop":9223372036854775807},"info":{"size":
         9223372036854775807},"database":{"repo-key":99999999999}}]}])",
      "main");
  ASSERT_TRUE(huge);
  EXPECT_THAT(render_catalogue(*huge, "main"), HasSubstr("9999-12-31"));
}

TEST(Catalogue, takes_a_real_answer_cut_or_damaged_anywhere) {
  const std::string whole(testing::kThreeBackups);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    EXPECT_FALSE(parse_catalogue(whole.substr(0, at), "main"));
    for (const char c : {'"', '0', '}', '\0'}) {
      std::string damaged = whole;
      damaged[at] = c;
      if (const auto catalogue = parse_catalogue(damaged, "main"))
        EXPECT_FALSE(render_catalogue(*catalogue, "main").empty());
    }
  }
}

TEST(Catalogue, stays_within_80_columns_when_things_are_large) {
  Catalogue catalogue{.status = kStanzaOk};
  catalogue.backups.push_back({.label = "20261123-015337F_20261123-015345D",
                               .type = "diff",
                               .start = 1,
                               .stop = 35'000,
                               .size = 999'400'000'000,
                               .repository_delta = 99'940'000'000,
                               .wal_start = "0000001B000001A2000000FD",
                               .wal_stop = "0000001B000001A2000000FF"});
  const auto text = render_catalogue(catalogue, "main");
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    EXPECT_LE(end - begin, 80U) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(Catalogue, short_segments_can_be_read_by_people) {
  EXPECT_EQ(short_segment("000000010000000000000005"), "1:0/5");
  EXPECT_EQ(short_segment("0000001B000001A2000000FE"), "1B:1A2/FE");
  EXPECT_EQ(short_segment("00000002.history"), "00000002.history");
}

}  // namespace
}  // namespace aurum::backup
