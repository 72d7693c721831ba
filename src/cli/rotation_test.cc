#include "cli/rotation.h"

#include <map>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/session.h"
#include "model/decode.h"
#include "pg/scram.h"

namespace aurum::cli {
namespace {

using model::PasswordUse;
using model::SecretFile;
using ::testing::HasSubstr;

/// Members a (which leads) and b, each with its file, and a PostgreSQL that both take part in.
/// Standbys replay at once, or when `replay` says so.
class FakeCluster final : public World {
 public:
  FakeCluster() {
    view = model::decode_cluster(5, {{"initialize", "711"},
                                     {"leader", "a"},
                                     {"config", R"({"ttl":30})", 0, 1, 4},
                                     {"members/a", member("https://a:8008", "primary", "1.0")},
                                     {"members/b", member("https://b:8008", "replica", "1.0")}});
  }
  static std::string member(std::string_view url, std::string_view role, std::string_view version) {
    return fmt::format(R"({{"conn_url":"postgres://h:5432/p","api_url":"{}/patroni",)"
                       R"("state":"running","role":"{}","aurum":"{}"}})",
                       url, role, version);
  }

  Result<model::ClusterView> read(const ClusterId&) override { return view; }
  Result<Reply> call(const model::Member& member, std::string_view, std::string_view path,
                     std::string body, Duration) override {
    EXPECT_EQ(path, "/secrets");
    if (calls_left && (*calls_left)-- <= 0) return fail(Code::unavailable, "cut short");
    const auto request = model::parse_object(body);
    const auto step = model::text_at(request, "step");
    steps.push_back(member.name + " " + step);
    auto& secret = files.at(member.name);
    const auto is = [&](const std::string& password) {
      return pg::password_fingerprint(password, "salt") == model::text_at(request, "target");
    };
    if (step == "prepare") {
      const auto given = model::text_at(request, "new");
      if (secret.in_use != given) secret = {secret.in_use, given, {}};
    }
    if (step == "alter") {
      server = is(secret.next) ? secret.next : secret.in_use;
      if (replays) standby = server;
    }
    if ((step == "alter" || step == "change") && is(secret.next))
      secret = {secret.next, {}, secret.in_use};
    if (step == "finish") secret = {secret.in_use, {}, {}};
    for (const auto& [name, file] : files)
      for (const auto& taken : {server, standby})
        EXPECT_TRUE(file.in_use == taken || file.other() == taken) << name << " is locked out";
    return Reply{200, model::to_json(encode_secret_state(state(member.name)))};
  }
  model::SecretState state(const std::string& name) const {
    const auto print = [](const std::string& password) {
      return password.empty() ? password : pg::password_fingerprint(password, "salt");
    };
    const auto& file = files.at(name);
    return {.member = name,
            .leads = name == "a",
            .file = "/f",
            .problem = {},
            .in_use = print(file.in_use),
            .next = print(file.next),
            .previous = print(file.previous),
            .server = print(name == "a" ? server : standby)};
  }
  void sleep(Duration) override { ++naps; }
  Result<model::TxnDone> txn(const ClusterId&, model::Txn) override {
    return fail(Code::internal, "");
  }
  Result<std::vector<std::string>> clusters() override { return std::vector<std::string>{}; }
  QueryResult query(const Query&) override { return {}; }
  WallTime wall_now() override { return {}; }
  Result<std::string> edit(std::string_view, std::string_view) override { return std::string(); }

  model::ClusterView view;
  std::map<std::string, SecretFile> files{{"a", {"old", {}, {}}}, {"b", {"old", {}, {}}}};
  std::string server = "old", standby = "old";
  bool replays = true;
  int naps = 0;
  std::optional<int> calls_left;
  std::vector<std::string> steps;
};

class RotationTest : public ::testing::Test {
 protected:
  Result<Rotation::Outcome> run(const std::string& fresh = "fresh-password", bool chosen = false,
                                const std::string& seat = "b") {
    Rotation rotation(
        {"demo"}, PasswordUse::superuser, "salt",
        [&]() -> Result<RotationSeat> { return RotationSeat{seat, world.files.at(seat), &world}; },
        [](const std::string&) {});
    return rotation.run(fresh, chosen, seconds(5));
  }
  std::string error_of(Result<Rotation::Outcome> outcome) {
    return outcome ? "no error" : outcome.error().message;
  }
  void expect_all(const std::string& password) {
    for (const auto& [name, file] : world.files)
      EXPECT_EQ(file, (SecretFile{password, {}, {}})) << name;
    EXPECT_EQ(world.server, password);
  }

  FakeCluster world;
};

TEST_F(RotationTest, all_have_the_new_one_and_nothing_else) {
  const auto outcome = run();
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_FALSE(outcome->resumed);
  expect_all("fresh-password");
}

TEST_F(RotationTest, cut_short_behind_any_call_it_goes_on_and_nobody_is_locked_out) {
  ASSERT_TRUE(run());
  const int calls = static_cast<int>(world.steps.size());
  ASSERT_GT(calls, 8);
  for (int cut = 0; cut < calls; ++cut) {
    SCOPED_TRACE(fmt::format("cut at call {}", cut));
    world = FakeCluster();
    world.calls_left = cut;
    EXPECT_FALSE(run("first-password"));
    world.calls_left.reset();
    const auto outcome = run("other-password", false, cut % 2 == 0 ? "a" : "b");
    ASSERT_TRUE(outcome) << outcome.error().text();
    // The new one of the first run where somebody may use it, a second one only where nobody does.
    expect_all(outcome->resumed ? "first-password" : "other-password");
  }
}

TEST_F(RotationTest, standbys_that_are_behind_are_waited_for_and_keep_both) {
  world.replays = false;
  EXPECT_THAT(error_of(run()), HasSubstr("PostgreSQL of b has not replayed the change"));
  EXPECT_GT(world.naps, 10);
  EXPECT_EQ(world.files.at("b"), (SecretFile{"fresh-password", {}, "old"}));
  world.standby = world.server;
  const auto outcome = run("never-used-password");
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->resumed);
  expect_all("fresh-password");
}

TEST_F(RotationTest, a_chosen_one_is_not_taken_for_another_that_is_under_way) {
  world.files["a"].next = world.files["b"].next = "first-password";
  EXPECT_THAT(error_of(run("second-password", true)), HasSubstr("another password is under way"));
  EXPECT_TRUE(run("first-password", true));
  EXPECT_THAT(error_of(run("first-password", true)), HasSubstr("in use already"));
}

TEST_F(RotationTest, what_the_cluster_is_not_fit_for_is_refused_before_anything_is_asked) {
  const auto good = world.view;
  const auto refused = [&](const std::string& why) {
    EXPECT_THAT(error_of(run()), HasSubstr(why));
    EXPECT_TRUE(world.steps.empty());
    world.view = good;
  };
  world.view.members.at("b").aurum_version.clear();
  refused("b is run by a Patroni");
  world.view.leader.reset();
  refused("no leader");
  world.view.config.set("pause", true);
  refused("paused");
  world.view.config.set("standby_cluster", model::parse_json(R"({"host":"h"})").value());
  refused("standby cluster");
  world.view.members.erase("b");
  refused("b is no running member");
}

TEST_F(RotationTest, a_new_password_does_not_cross_a_network_in_the_clear) {
  world.view.members.at("a").api_url = "http://10.0.0.1:8008/patroni";
  EXPECT_THAT(error_of(run()), HasSubstr("the REST API of a has no TLS"));
  expect_all("old");
  world.view.members.at("a").api_url = "http://127.0.0.1:8008/patroni";
  EXPECT_TRUE(run());
}

}  // namespace
}  // namespace aurum::cli
