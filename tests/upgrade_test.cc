// `aurum stack upgrade` on a stack whose PostgreSQL is a copy, so that a test can install another
// minor version of it: the same programs that call themselves so.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Ran {
  int status = -1;
  std::string said;
};

class StackUpgrade : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    packaged_ = need(stack::find_postgres_bin_dir(plan));
    version_ = stack::program_version(packaged_ / "postgres");
    bin_ = plan.dir.string() + "-programs";
    fs::create_directory(bin_);
    ::chmod(bin_.c_str(), 0755);
    for (const auto& entry : fs::directory_iterator(packaged_)) install(entry.path(), version_);
    plan.postgres_bin_dir = bin_;
  }
  static void TearDownTestSuite() {
    ClusterTest::TearDownTestSuite();
    std::error_code ec;
    fs::remove_all(bin_, ec);
  }

  /// By rename, as packages do it: the program may run.
  static void put(const std::string& name, const std::string& bytes) {
    const fs::path fresh = bin_ / (name + ".new");
    std::ofstream(fresh, std::ios::binary) << bytes;
    ::chmod(fresh.c_str(), 0755);
    fs::rename(fresh, bin_ / name);
  }
  /// The program with another number in it, of the same length.
  static void install(const fs::path& program, const std::string& version) {
    std::string bytes = file_text(program);
    for (auto at = bytes.find(version_); at != std::string::npos; at = bytes.find(version_, at))
      bytes.replace(at, version.size(), version), at += version.size();
    put(program.filename(), bytes);
  }
  static void install_all(const std::string& version) {
    for (const auto& entry : fs::directory_iterator(packaged_)) install(entry.path(), version);
  }
  /// 15.20 -> 15.21, 15.29 -> 15.28.
  static std::string another_minor() {
    std::string other = version_;
    other.back() = other.back() == '9' ? '8' : static_cast<char>(other.back() + 1);
    return other;
  }

  /// With the installed aurum, or another build of it.
  Ran upgrade(const std::string& words = {}, std::string aurum = {}) {
    if (aurum.empty()) aurum = need(stack::own_program());
    const std::string command =
        fmt::format("AURUM_PROGRAM='{0}' '{0}' stack upgrade --dir '{1}' {2} 2>&1", aurum,
                    cluster().plan().dir.string(), words);
    FILE* out = ::popen(command.c_str(), "re");
    Ran ran;
    std::array<char, 4096> part{};
    while (out != nullptr && std::fgets(part.data(), part.size(), out) != nullptr)
      ran.said += part.data();
    const int status = ::pclose(out);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
  }
  std::string runs(std::size_t node) {
    const auto said = need(sql(cluster(), node, "SHOW server_version"));
    return said.substr(0, said.find(' '));
  }
  std::vector<int> postmasters() {
    std::vector<int> pids;
    pids.reserve(cluster().plan().nodes.size());
    for (std::size_t i = 0; i < cluster().plan().nodes.size(); ++i)
      pids.push_back(cluster().postmaster(i).value_or(stack::ProcessId{}).pid);
    return pids;
  }

  static inline fs::path packaged_, bin_;
  static inline std::string version_;
};

TEST_F(StackUpgrade, a_minor_version_comes_node_by_node_while_clients_write) {
  const auto before = postmasters();
  auto ran = upgrade();
  EXPECT_EQ(ran.status, 0) << ran.said;
  EXPECT_NE(ran.said.find("already"), std::string::npos) << ran.said;
  EXPECT_EQ(postmasters(), before) << "nothing is new, and something was restarted";

  install_all(another_minor());
  const std::size_t old = leader();
  const Instant began = runtime::now();
  ran = upgrade("--json");
  const Instant ended = runtime::now();
  ASSERT_EQ(ran.status, 0) << ran.said;
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(runs(i), another_minor()) << name(i);
    EXPECT_NE(postmasters()[i], before[i]) << name(i);
  }
  EXPECT_NE(leader(), old);
  const auto doc = json::parse(ran.said);
  EXPECT_TRUE(doc["done"].get<bool>());
  ASSERT_EQ(doc["switchovers"].size(), 1U) << ran.said;
  EXPECT_EQ(doc["switchovers"][0]["from"], name(old));
  EXPECT_EQ(doc["nodes"][old]["before"]["postgres"].get<std::string>().find(version_), 0U);
  for (const auto& node : doc["nodes"]) EXPECT_TRUE(node["restarted"].get<bool>()) << ran.said;

  // One switchover, and nothing else that a client could have seen.
  const auto acked = writers().history().acknowledged();
  EXPECT_EQ(stack::reigns_of(acked).size(), 2U);
  const auto outage = stack::longest_gap(acked, began, ended);
  RecordProperty("outage_ms", static_cast<int>(to_ms(outage)));
  EXPECT_LT(to_seconds(outage), 5.0);
  const auto verdict = settle_and_judge();
  EXPECT_EQ(verdict.reigns.size(), 2U) << verdict.text();

  EXPECT_EQ(upgrade().status, 0);
  EXPECT_NE(upgrade().said.find("already"), std::string::npos);
}

TEST_F(StackUpgrade, a_replica_that_does_not_come_back_ends_it_and_the_others_are_left_alone) {
  install_all(version_);
  const auto before = postmasters();
  const std::size_t lead = leader();
  // It says its version and can not serve.
  const std::string good = file_text(bin_ / "postgres");
  put("postgres", fmt::format("#!/bin/sh\n[ \"$1\" = --version ] || exit 1\n"
                              "echo 'postgres (PostgreSQL) {}'\n",
                              another_minor()));
  const auto ran = upgrade("--timeout 15");
  EXPECT_EQ(ran.status, 1) << ran.said;
  EXPECT_NE(ran.said.find("error: "), std::string::npos) << ran.said;
  EXPECT_NE(ran.said.find("hint: "), std::string::npos) << ran.said;
  const auto after = postmasters();
  EXPECT_EQ(after[lead], before[lead]) << "the leader was touched";
  EXPECT_EQ(leader(), lead);
  std::size_t same = 0;
  for (std::size_t i = 0; i < before.size(); ++i) same += after[i] == before[i] ? 1U : 0U;
  EXPECT_EQ(same, 2U) << "more than one node is down: " << ran.said;
  wait_for_writes();

  put("postgres", good);
  need(cluster().wait_healthy(seconds(60)));
  const auto again = upgrade("--force");
  EXPECT_EQ(again.status, 0) << again.said;
  EXPECT_NE(again.said.find("3 of 3 nodes restarted"), std::string::npos) << again.said;
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NE(postmasters()[i], before[i]);
  settle_and_judge();
}

TEST_F(StackUpgrade, a_pause_or_another_major_version_is_refused_before_anything_is_touched) {
  const auto before = postmasters();
  const std::string good = file_text(bin_ / "postgres");
  put("postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n");
  auto ran = upgrade();
  put("postgres", good);
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.said.find("pg_upgrade"), std::string::npos) << ran.said;

  ask(leader(), "PATCH", "/config", R"({"pause": true})", 200);
  wait_for("a pause", [&] {
    const auto view = cluster().observe();
    return std::all_of(view.nodes.begin(), view.nodes.end(),
                       [](const stack::NodeView& n) { return n.tag == "paused"; });
  });
  ran = upgrade("--force");
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.said.find("resume"), std::string::npos) << ran.said;
  ask(leader(), "PATCH", "/config", R"({"pause": null})", 200);
  EXPECT_EQ(postmasters(), before);
  settle_and_judge();
}

// The number says nothing while a version is made: the programs are compared.
TEST_F(StackUpgrade, another_build_of_aurum_is_taken_up) {
  const fs::path mine = need(stack::own_program());
  put("aurum", file_text(mine) + "\n");
  fs::create_directory_symlink(mine.parent_path() / "fence", bin_ / "fence");
  const auto aurum = (bin_ / "aurum").string();
  const auto ran = upgrade("--json", aurum);
  ASSERT_EQ(ran.status, 0) << ran.said;
  const auto doc = json::parse(ran.said);
  for (const auto& node : doc["nodes"]) {
    EXPECT_TRUE(node["restarted"].get<bool>()) << ran.said;
    EXPECT_EQ(node["before"]["postgres"], node["installed"]["postgres"]);
  }
  const auto again = upgrade({}, aurum);
  EXPECT_NE(again.said.find("already"), std::string::npos) << again.said;
  settle_and_judge();
}

}  // namespace
}  // namespace aurum::tests
