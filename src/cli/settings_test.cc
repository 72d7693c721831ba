#include "cli/settings.h"

#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

TEST(DcsUrl, FillsInWhatIsLeftOut) {
  const struct {
    const char *url, *endpoint, *ns;
  } cases[] = {
      {"etcd3://10.0.0.1:2380/prod", "10.0.0.1:2380", "prod"},
      {"etcd://", "localhost:2379", ""},
      {"10.0.0.1", "10.0.0.1:2379", ""},
      {"etcd3://[::1]:2379/service", "[::1]:2379", "service"},
  };
  for (const auto& c : cases) {
    const auto parsed = parse_dcs_url(c.url);
    ASSERT_TRUE(parsed) << c.url;
    EXPECT_EQ(parsed->endpoint, c.endpoint) << c.url;
    EXPECT_EQ(parsed->ns, c.ns) << c.url;
  }
  EXPECT_EQ(parse_dcs_url("file://x").error().message, "Unknown dcs scheme: file");
  for (const std::string store : {"consul", "zookeeper", "exhibitor", "raft", "kubernetes"})
    EXPECT_EQ(parse_dcs_url(store + "://x").error().message, store + " is not supported yet");
  EXPECT_FALSE(parse_dcs_url("etcd3://host:port"));
}

TEST(Settings, WithoutAnyConfigurationSayWhatToGive) {
  const auto none = load_settings({}, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message,
            "Can not find suitable configuration of distributed configuration store");
  EXPECT_NE(none.error().hint.find("-d etcd3://"), std::string::npos);
}

TEST(Settings, TakeTheUrlFromOptionThenEnvironment) {
  Options options;
  const model::Environment env = {{"DCS_URL", "etcd3://a:1/x"}};
  auto config = load_settings(options, env);
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_EQ(config->etcd.hosts, std::vector<std::string>{"a:1"});
  EXPECT_EQ(config->ns, "x");
  options.dcs_url = "etcd3://b:2";
  config = load_settings(options, env);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->etcd.hosts, std::vector<std::string>{"b:2"});
}

TEST(Settings, AFileThatWasAskedForMustBeThere) {
  const auto config = load_settings({}, {{"PATRONICTL_CONFIG_FILE", "/nowhere/x.yml"}});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            "Provided config file /nowhere/x.yml not existing or no read rights. Check the "
            "-c/--config-file parameter");
}

}  // namespace
}  // namespace aurum::cli
