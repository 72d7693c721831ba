#include "model/rotation.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/secret_file.h"

namespace aurum::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Step = RotationStep;

SecretState member(const std::string& name, const std::string& in_use, const std::string& next,
                   const std::string& previous, const std::string& server) {
  return {.member = name,
          .leads = name == "a",
          .file = "/f",
          .problem = {},
          .in_use = in_use,
          .next = next,
          .previous = previous,
          .server = server};
}

RotationPlan plan(const std::vector<SecretState>& states,
                  const std::vector<std::string>& known = {},
                  PasswordUse use = PasswordUse::superuser) {
  return plan_rotation(use, states, known);
}

TEST(Rotation, nothing_under_way_asks_for_a_new_password) {
  const auto next = plan({member("a", "old", "", "", "old"), member("b", "old", "", "", "old")});
  EXPECT_EQ(next.step, Step::fresh);
  EXPECT_THAT(next.members, ElementsAre("a", "b"));
}

TEST(Rotation, the_role_is_changed_only_when_every_member_has_the_new_one) {
  const auto a = member("a", "old", "new", "", "old");
  const auto lacking = plan({a, member("b", "old", "", "", "old")}, {"new"});
  EXPECT_EQ(lacking.step, Step::prepare);
  EXPECT_EQ(lacking.target, "new");
  EXPECT_THAT(lacking.members, ElementsAre("b"));
  const auto ready = plan({a, member("b", "old", "new", "", "old")});
  EXPECT_EQ(ready.step, Step::alter);
  EXPECT_THAT(ready.members, ElementsAre("a"));
}

TEST(Rotation, prepared_by_somebody_whose_word_is_lost_begins_anew) {
  const auto next =
      plan({member("a", "old", "", "", "old"), member("b", "old", "lost", "", "old")});
  EXPECT_EQ(next.step, Step::fresh);
  EXPECT_THAT(next.members, ElementsAre("a", "b"));
}

TEST(Rotation, a_role_that_has_it_is_never_taken_back) {
  // Killed behind ALTER ROLE: nobody changed its file yet.
  const auto behind =
      plan({member("a", "old", "new", "", "new"), member("b", "old", "new", "", "old")});
  EXPECT_EQ(behind.step, Step::change);
  EXPECT_EQ(behind.target, "new");
  // Changed everywhere: the former is forgotten, not brought back.
  const auto changed =
      plan({member("a", "new", "", "old", "new"), member("b", "new", "", "old", "new")});
  EXPECT_EQ(changed.step, Step::finish);
  EXPECT_EQ(changed.target, "new");
  EXPECT_THAT(changed.members, ElementsAre("a", "b"));
}

TEST(Rotation, the_former_is_kept_until_every_server_takes_the_new_one) {
  const auto next =
      plan({member("a", "new", "", "old", "new"), member("b", "new", "", "old", "old")});
  EXPECT_EQ(next.step, Step::wait);
  EXPECT_THAT(next.members, ElementsAre("b"));
}

TEST(Rotation, a_failover_that_lost_the_change_has_it_made_again) {
  const auto next =
      plan({member("a", "new", "", "old", "old"), member("b", "new", "", "old", "old")});
  EXPECT_EQ(next.step, Step::alter);
  EXPECT_EQ(next.target, "new");
}

TEST(Rotation, half_finished_goes_on) {
  const auto next = plan({member("a", "new", "", "", "new"), member("b", "new", "", "old", "new")});
  EXPECT_EQ(next.step, Step::finish);
  EXPECT_THAT(next.members, ElementsAre("b"));
  const auto leftover =
      plan({member("a", "new", "", "old", "new"), member("b", "new", "x", "", "new")});
  EXPECT_EQ(leftover.step, Step::finish);
  EXPECT_THAT(leftover.members, ElementsAre("a", "b"));
}

TEST(Rotation, rest_has_no_server_to_ask) {
  const auto rest = PasswordUse::rest;
  const std::vector both = {member("a", "old", "new", "", ""), member("b", "old", "new", "", "")};
  EXPECT_EQ(plan(both, {}, rest).step, Step::change);
  const std::vector one = {member("a", "new", "", "old", ""), member("b", "old", "new", "", "")};
  EXPECT_EQ(plan(one, {}, rest).step, Step::change);
  EXPECT_THAT(plan(one, {}, rest).members, ElementsAre("b"));
  const std::vector done = {member("a", "new", "", "old", ""), member("b", "new", "", "old", "")};
  EXPECT_EQ(plan(done, {}, rest).step, Step::finish);
}

TEST(Rotation, what_does_not_fit_is_told) {
  EXPECT_THAT(plan({member("a", "x", "", "", "x"), member("b", "y", "", "", "x")}).why,
              HasSubstr("a and b hold different passwords"));
  EXPECT_THAT(plan({member("a", "x", "", "", "")}).why,
              HasSubstr("PostgreSQL of a does not take the password of /f"));
  EXPECT_THAT(plan({member("b", "x", "", "", "x")}).why, HasSubstr("no leader"));
  EXPECT_THAT(plan({member("a", "x", "", "o", "x"), member("b", "y", "", "o", "x")}).why,
              HasSubstr("different passwords"));
  EXPECT_THAT(plan({member("a", "new", "", "old", "new"), member("b", "old", "", "", "old")}).why,
              HasSubstr("b lacks the new password"));
  auto ill = member("a", "x", "", "", "x");
  ill.problem = "is broken";
  EXPECT_EQ(plan({ill}).why, "a: is broken");
}

TEST(Rotation, a_state_survives_its_document) {
  auto state = member("a", "1", "2", "", "1");
  state.problem = "p";
  EXPECT_EQ(decode_secret_state(encode_secret_state(state)), state);
}

TEST(SecretFile, is_one_line_or_two) {
  EXPECT_EQ(*parse_secret_file("abc\n"), (SecretFile{"abc", "", ""}));
  EXPECT_EQ(*parse_secret_file("next: abc"), (SecretFile{"next: abc", "", ""}));
  EXPECT_EQ(*parse_secret_file("abc\r\nnext: d e\r\n"), (SecretFile{"abc", "d e", ""}));
  EXPECT_EQ(*parse_secret_file("abc\nprevious: d\n"), (SecretFile{"abc", "", "d"}));
  for (const SecretFile& one : {SecretFile{"a", "", ""}, {"a", "b", ""}, {"a", "", "b"}})
    EXPECT_EQ(*parse_secret_file(render_secret_file(one)), one);
  for (const char* bad :
       {"", "\n", "\nnext: a", "a\nb\n", "a\nnext: \n", "a\nnext: b\nprevious: c"})
    EXPECT_FALSE(parse_secret_file(bad)) << bad;
}

TEST(SecretFile, a_new_password_can_be_carried_by_everything) {
  EXPECT_TRUE(check_new_password("abcdefghijkl"));
  for (const char* bad :
       {"short", "with a blank in it", "umlaut-\xc3\xa4-is-long", "development-superuser"})
    EXPECT_FALSE(check_new_password(bad)) << bad;
}

class Source : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ =
        std::filesystem::temp_directory_path() / ("aurum-rotation-" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir_);
    for (const char* name : {"s", "r"}) std::ofstream(dir_ / name) << name << "-password\n";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  /// Why superuser's can not be changed; "" = it can.
  std::string why_not(const std::string& authentication, const Environment& env = {},
                      PasswordUse use = PasswordUse::superuser) {
    const auto loaded = parse_config(
        "scope: s\nname: n\nrestapi: {listen: '127.0.0.1:1'}\n"
        "etcd3: {hosts: ['127.0.0.1:2']}\npostgresql:\n"
        "  listen: 127.0.0.1:3\n  data_dir: /d\n  authentication: " +
            authentication + "\n",
        env);
    if (!loaded.config) return "not loaded: " + loaded.findings.front().text();
    const auto source = password_source(*loaded.config, env, use);
    return source ? std::string() : source.error().message;
  }
  std::string file(const std::string& name) const {
    return "password_file: " + (dir_ / name).string();
  }

  std::filesystem::path dir_;
};

TEST_F(Source, a_file_of_its_own_can_be_changed) {
  EXPECT_EQ(why_not("{superuser: {username: p, " + file("s") + "}, replication: {username: r, " +
                    file("r") + "}}"),
            "");
  EXPECT_EQ(why_not("{superuser: {username: p, " + file("s") + "}, replication: {username: p, " +
                    file("s") + "}}"),
            "");
}

TEST_F(Source, anything_else_is_refused_with_its_reason) {
  const std::string replication = ", replication: {username: r, " + file("r") + "}}";
  EXPECT_THAT(why_not("{superuser: {username: p, password: x}" + replication),
              HasSubstr("postgresql.authentication.superuser.password"));
  EXPECT_THAT(
      why_not("{superuser: {username: p}" + replication, {{"PATRONI_SUPERUSER_PASSWORD", "x"}}),
      HasSubstr("environment variable PATRONI_SUPERUSER_PASSWORD"));
  EXPECT_THAT(why_not("{superuser: {username: p}" + replication), HasSubstr("sets no"));
  EXPECT_THAT(why_not("{superuser: {username: p, " + file("r") + "}" + replication),
              HasSubstr("is also that of replication"));
  EXPECT_THAT(why_not("{superuser: {username: r, " + file("s") + "}" + replication),
              HasSubstr("replication logs in as r too"));
  EXPECT_THAT(why_not("{superuser: {username: p, " + file("s") + "}" + replication, {},
                      PasswordUse::rewind),
              HasSubstr("rewind has no login of its own"));
}

TEST_F(Source, both_passwords_of_a_file_are_loaded) {
  std::ofstream(dir_ / "s") << "old\nnext: new\n";
  const auto loaded = parse_config(
      "scope: s\nname: n\nrestapi: {listen: '127.0.0.1:1', authentication: "
      "{username: u, " +
          file("s") +
          "}}\netcd3: {hosts: ['127.0.0.1:2']}\n"
          "postgresql:\n  listen: 127.0.0.1:3\n  data_dir: /d\n  authentication: "
          "{superuser: {" +
          file("s") + "}, replication: {username: r, " + file("r") + "}}\n",
      {});
  ASSERT_TRUE(loaded.config) << loaded.findings.front().text();
  EXPECT_EQ(loaded.config->pg.superuser.password, "old");
  EXPECT_EQ(loaded.config->pg.superuser.other_password, "new");
  EXPECT_EQ(loaded.config->rest.other_password, "new");
  EXPECT_EQ(loaded.config->pg.replication.other_password, "");
  std::ofstream(dir_ / "s") << "old\nnew\n";
  EXPECT_THAT(
      why_not("{superuser: {" + file("s") + "}, replication: {username: r, " + file("r") + "}}"),
      HasSubstr("has more than a password"));
}

}  // namespace
}  // namespace aurum::model
