// Roles of REST in a running cluster: real agents, and `aurum ctl` with a token. What is verified:
// who may do what, that a token is changed without a moment in which none is good, and the lines
// that the log keeps.

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "support/cluster_test.h"

namespace aurum::tests {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFirst = "the-first-token-of-the-pipeline";
constexpr const char* kSecond = "the-second-token-of-the-pipeline";

class Access : public ClusterTest {
 protected:
  void plan(stack::Plan& plan) override {
    plan.overrides = R"({"aurum": {"profile": "default"}})";  // so that there is a section
  }
  bool writes() const override { return false; }
  void SetUp() override {
    ClusterTest::SetUp();
    wait_healthy();
    for (std::size_t node = 0; node < 3; ++node) {
      give_token(node, "pipeline", fmt::format("{}\n", kFirst));
      give_token(node, "monitoring", "the-token-of-the-monitoring\n");
      auto text = file_text(cluster().config_of(node));
      const auto section = fmt::format(
          "  access:\n    - {{role: operator, token_file: {0}}}\n"
          "    - {{role: viewer, token_file: {1}}}\n",
          token(node, "pipeline").string(), token(node, "monitoring").string());
      const auto at = text.find("\naurum:\n");
      ASSERT_NE(at, std::string::npos) << text;
      if (!text.contains("  access:\n")) text.insert(at + 8, section);
      std::ofstream(cluster().config_of(node)) << text;
      ask(node, "POST", "/reload", "", 202);
    }
  }
  fs::path token(std::size_t node, const char* who) {
    return cluster().plan().dir / "secrets" / name(node) / (std::string(who) + ".token");
  }
  /// Readable for the agent, and for nobody else.
  void give_token(std::size_t node, const char* who, const std::string& text) {
    const auto file = token(node, who);
    std::ofstream(file) << text;
    fs::permissions(file, fs::perms(0600));
    if (::geteuid() == 0)
      ASSERT_EQ(::chown(file.c_str(), cluster().account().uid, cluster().account().gid), 0);
  }
  /// What `aurum ctl` says with such a token.
  std::string ctl(const std::string& token, const std::string& words) {
    const auto& plan = cluster().plan();
    const auto config = plan.dir / "run" / "ctl.yml";
    std::ofstream(config) << fmt::format(
        "scope: {}\netcd3: {{host: '{}:{}'}}\nctl: {{token: {}}}\n", plan.scope, plan.etcds[0].host,
        plan.etcds[0].client_port, token);
    std::string said;
    FILE* pipe = ::popen(
        fmt::format("{} ctl -c {} {} 2>&1", ::getenv("AURUM_PROGRAM"), config.string(), words)
            .c_str(),
        "r");
    if (pipe == nullptr) return said;
    std::array<char, 4096> buffer{};
    while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe))
      said.append(buffer.data(), got);
    ::pclose(pipe);
    return said;
  }
  std::string reload(const std::string& token, std::size_t node) {
    return ctl(token, fmt::format("reload --force {} {}", cluster().plan().scope, name(node)));
  }
};

TEST_F(Access, an_operator_works_with_a_token_and_runs_no_commands) {
  const auto lead = leader();
  const auto log = log_end(lead);
  EXPECT_TRUE(reload(kFirst, lead).contains("Reload request received")) << reload(kFirst, lead);
  EXPECT_TRUE(ctl(kFirst, "pause").contains("is paused"));
  EXPECT_TRUE(ctl(kFirst, "resume").contains("resumed"));
  const auto refused = ctl(kFirst, "demote-cluster --force --restore-command 'cp /archive/%f %p'");
  EXPECT_TRUE(refused.contains("since it can run commands: standby_cluster.restore_command"))
      << refused;
  const auto viewer = reload("the-token-of-the-monitoring", lead);
  EXPECT_TRUE(
      viewer.contains("status code=403, (token monitoring.token has viewer: this needs "
                      "the role operator)"))
      << viewer;
  const auto stranger = reload("nobody-knows-this-token", lead);
  EXPECT_TRUE(stranger.contains("status code=401")) << stranger;
  // The password is an admin's, and members ask each other as before.
  ask(lead, "PATCH", "/config", R"({"postgresql":{"parameters":{"archive_command":"true"}}})", 200);
  wait_healthy();
  const auto kept = log_since(lead, log);
  for (const char* line : {"audit: POST /reload by token pipeline.token from 127.0.0.1: 202",
                           "audit: POST /reload by token monitoring.token from 127.0.0.1: 403",
                           "audit: POST /reload by nobody known from 127.0.0.1: 401",
                           "200, changed postgresql.parameters.archive_command",
                           "403, not changed: standby_cluster.restore_command"})
    EXPECT_TRUE(kept.contains(line)) << line;
  for (const char* secret : {kFirst, "the-token-of", "cp /archive"})
    EXPECT_FALSE(kept.contains(secret)) << secret;
}

TEST_F(Access, a_token_is_changed_while_both_are_good) {
  const auto node = replica();
  const auto takes = [&](const char* token) {
    return reload(token, node).contains("Reload request received");
  };
  const auto write = [&](const std::string& text) {
    give_token(node, "pipeline", text);
    const auto log = log_end(node);
    ask(node, "POST", "/reload", "", 202);
    EXPECT_FALSE(log_since(node, log).contains("ERROR")) << log_since(node, log);
  };
  EXPECT_TRUE(takes(kFirst));
  EXPECT_FALSE(takes(kSecond));
  write(fmt::format("{}\nnext: {}\n", kFirst, kSecond));
  EXPECT_TRUE(takes(kFirst));
  EXPECT_TRUE(takes(kSecond));
  write(fmt::format("{}\n", kSecond));
  EXPECT_FALSE(takes(kFirst));
  EXPECT_TRUE(takes(kSecond));
}

}  // namespace
}  // namespace aurum::tests
