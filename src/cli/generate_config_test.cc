#include "cli/generate_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/config_schema.h"

namespace aurum::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const ThisHost kHost{.name = "db1", .address = "10.0.0.1", .bin_dir = "/usr/lib/postgresql/15/bin"};

RunningServer server() {
  RunningServer s;
  s.cluster_name = "orders";
  s.listen_addresses = "10.0.0.1,127.0.0.1";
  s.port = "5433";
  s.data_dir = "/data/pg";
  s.config_file = "/data/pg/postgresql.conf";
  s.bin_dir = "/opt/pg/bin";
  s.username = "boss";
  s.password = "it's: secret";
  s.options = {{"sslmode", "verify-full"}};
  s.settings = {{"archive_command", "cp %p /a/%f", "string"},
                {"max_connections", "200", "integer"},
                {"shared_buffers", "1GB", "integer"},
                {"checkpoint_completion_target", "0.8", "real"},
                {"archive_mode", "on", "enum"},
                {"port", "5433", "integer"},
                {"primary_conninfo", "password=x", "string"},
                {"recovery_target_timeline", "latest", "string"},
                {"aurum.page", "/run/x", "string"}};
  s.hba_text = "# a comment\nlocal all all peer\n\nhost all all \\\n 10.0.0.0/8 scram-sha-256\n";
  return s;
}

std::string text_at(const Generated& made, std::string_view path) {
  const auto* value = model::value_at(made.tree, path);
  return value == nullptr ? "(absent)" : value->text();
}

/// What is written is what our own reader accepts; only warnings are left.
void expect_loads(const Generated& made) {
  const auto loaded = model::parse_config(config_text(made.tree), {});
  for (const auto& finding : loaded.findings) {
    EXPECT_EQ(finding.level, model::Finding::Level::warning) << finding.text();
    EXPECT_THAT(finding.text(), HasSubstr("#FIXME"));
  }
  EXPECT_TRUE(loaded.config);
}

TEST(GenerateConfig, TheSampleNamesWhatIsLeftToTheOperator) {
  const auto made = sample_config(kHost, {});
  EXPECT_EQ(text_at(made, "scope"), "#FIXME");
  EXPECT_EQ(text_at(made, "name"), "db1");
  EXPECT_EQ(text_at(made, "restapi.connect_address"), "10.0.0.1:8008");
  EXPECT_EQ(text_at(made, "postgresql.listen"), "10.0.0.1:5432");
  EXPECT_EQ(text_at(made, "postgresql.authentication.replication.password"), "#FIXME");
  EXPECT_EQ(text_at(made, "etcd3.hosts"), "#FIXME");
  expect_loads(made);
}

TEST(GenerateConfig, TheEnvironmentGoesBeforeDefaults) {
  const auto made = sample_config(kHost, {{"PATRONI_SCOPE", "shop"},
                                          {"PATRONI_ETCD_HOSTS", "'a:1','b:2'"},
                                          {"PATRONI_REPLICATION_PASSWORD", "r"}});
  EXPECT_EQ(text_at(made, "scope"), "shop");
  EXPECT_EQ(text_at(made, "etcd.hosts"), R"(["a:1","b:2"])");
  EXPECT_EQ(text_at(made, "etcd3"), "(absent)");
  EXPECT_EQ(text_at(made, "postgresql.authentication.replication.password"), "r");
}

TEST(GenerateConfig, AnotherStoreIsRefused) {
  const auto made = sample_config(kHost, {{"PATRONI_CONSUL_HOST", "a:1"}});
  ASSERT_EQ(made.findings.size(), 1U);
  EXPECT_THAT(made.findings[0].text(), HasSubstr("consul is not supported yet"));
}

TEST(GenerateConfig, ARunningServerIsDescribed) {
  const auto made = running_config(
      kHost, {{"PATRONI_SCOPE", "other"}, {"PATRONI_ETCD3_HOST", "e:2379"}}, server());
  EXPECT_EQ(text_at(made, "scope"), "orders");
  EXPECT_EQ(text_at(made, "postgresql.listen"), "10.0.0.1,127.0.0.1:5433");
  EXPECT_EQ(text_at(made, "postgresql.connect_address"), "10.0.0.1:5433");
  EXPECT_EQ(text_at(made, "postgresql.data_dir"), "/data/pg");
  EXPECT_EQ(text_at(made, "postgresql.config_dir"), "(absent)");
  EXPECT_EQ(text_at(made, "postgresql.bin_dir"), "/opt/pg/bin");
  EXPECT_EQ(text_at(made, "postgresql.authentication.superuser"),
            R"({"username":"boss","password":"it's: secret","sslmode":"verify-full"})");
  EXPECT_EQ(text_at(made, "postgresql.parameters"), R"({"archive_command":"cp %p /a/%f"})");
  EXPECT_EQ(text_at(made, "bootstrap.dcs.postgresql.parameters"),
            R"({"max_connections":200,"shared_buffers":"1GB","checkpoint_completion_target":0.8,)"
            R"("archive_mode":"on"})");
  EXPECT_EQ(text_at(made, "postgresql.pg_hba"),
            R"(["local all all peer","host all all  10.0.0.0/8 scram-sha-256"])");
  EXPECT_EQ(text_at(made, "postgresql.pg_ident"), "(absent)");
  expect_loads(made);
}

TEST(GenerateConfig, WhatTheServerDoesNotSayComesFromTheEnvironment) {
  auto silent = server();
  silent.cluster_name.clear();
  silent.listen_addresses.clear();
  silent.config_file = "/etc/postgresql/15/main/postgresql.conf";
  silent.password.clear();
  const auto made = running_config(kHost, {{"PATRONI_SCOPE", "other"}}, silent);
  EXPECT_EQ(text_at(made, "scope"), "other");
  EXPECT_EQ(text_at(made, "postgresql.listen"), "10.0.0.1:5433");
  EXPECT_EQ(text_at(made, "postgresql.config_dir"), "/etc/postgresql/15/main");
  EXPECT_EQ(text_at(made, "postgresql.authentication.superuser.password"), "#FIXME");
}

TEST(GenerateConfig, LinesOfAFile) {
  EXPECT_THAT(meaningful_lines("  # x\r\n a b \r\n\nc"), ElementsAre("a b", "c"));
  EXPECT_THAT(meaningful_lines("a \\\nb\n"), ElementsAre("a b"));
  EXPECT_THAT(meaningful_lines(""), IsEmpty());
}

TEST(GenerateConfig, SectionsStandApart) {
  const auto text = config_text(sample_config(kHost, {}).tree);
  EXPECT_THAT(text, HasSubstr("name: db1\n\nlog:\n"));
  EXPECT_THAT(text, Not(HasSubstr("\n\n\n")));
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace aurum::cli
