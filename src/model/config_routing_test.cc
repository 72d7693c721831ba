// Scenario: `aurum.routing` of patroni.yml is understood, and each mistake in it has one clear
// line.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "model/testing/config_text.h"

namespace aurum::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Loaded with(const std::string& routing) { return testing::with_section("routing", routing); }

TEST(RoutingConfig, names_who_is_told) {
  const aurum::testing::TempDir dir;
  std::ofstream(dir / "password") << "secret\n";
  const auto loaded = with(
      "{haproxy: [haproxy:9999, '[::1]:9998'], backend: pg, pgbouncer: 'pgbouncer:6432', "
      "pgbouncer_user: admin, pgbouncer_password_file: " +
      (dir / "password").string() +
      ", ca_file: /c/ca.crt, cert_file: /c/n.crt, key_file: /c/n.key, pause_ms: 100}");
  ASSERT_TRUE(loaded.config) << loaded.findings.front().text();
  const auto& routing = loaded.config->aurum.routing;
  EXPECT_THAT(routing.haproxy, ElementsAre("haproxy:9999", "[::1]:9998"));
  EXPECT_THAT(routing.pgbouncer, ElementsAre("pgbouncer:6432"));
  EXPECT_EQ(routing.backend, "pg");
  EXPECT_EQ(routing.pgbouncer_user, "admin");
  EXPECT_EQ(routing.pgbouncer_password, "secret");
  EXPECT_EQ(routing.pause_ms, 100);
  EXPECT_FALSE(routing.empty());

  const auto plain = with("{haproxy: [h:1]}");
  ASSERT_TRUE(plain.config);
  EXPECT_EQ(plain.config->aurum.routing.backend, "read-write");
  EXPECT_EQ(plain.config->aurum.routing.pause_ms, 300);
  EXPECT_TRUE(with("{}").config->aurum.routing.empty());
}

TEST(RoutingConfig, mistakes_are_told) {
  const std::pair<const char*, const char*> cases[] = {
      {"{haproxy: [haproxy]}", "\"haproxy\" is no host:port"},
      {"{haproxy: [':9999']}", "is no host:port"},
      {"{pgbouncer: ['a,b:1']}", "is no host:port"},
      {"{haproxy: [h:1], backend: 'a b'}", "is no name of a backend"},
      {"{haproxy: [h:1], backend: 'a; shutdown'}", "is no name of a backend"},
      {"{cert_file: /c}", "needs both cert_file and key_file"},
      {"{cert_file: /c, key_file: /k}", "aurum.routing.ca_file is not defined"},
      {"{pause_ms: 60000}", "aurum.routing.pause_ms"},
      {"{haprox: [h:1]}", "aurum.routing.haprox is not a known key"},
  };
  for (const auto& [text, said] : cases) {
    const auto loaded = with(text);
    EXPECT_FALSE(loaded.config) << text;
    std::string all;
    for (const auto& finding : loaded.findings) all += finding.text() + "\n";
    EXPECT_THAT(all, HasSubstr(said)) << text;
  }
}

}  // namespace
}  // namespace aurum::model
