// Scenario: pgbackrest.conf follows from patroni.yml, the topology and the user's part.
#include "backup/pgbackrest_conf.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

model::BackupConfig config() {
  model::BackupConfig c;
  c.stanza = "main";
  c.work_dir = "/data/d.pgbackrest";
  c.repositories.push_back({.path = "/backup", .retention_full = 2});
  return c;
}
const ConfNode kNode{
    .data_dir = "/data/d", .socket_dir = "/run/pg", .user = "postgres", .port = 5433};

TEST(PgbackrestConf, of_a_posix_repository) {
  EXPECT_EQ(render_pgbackrest_conf(config(), kNode, {}, {}),
            R"(# Made from patroni.yml by aurum; your own options go to aurum.backup.include.

[global]
archive-timeout=150
compress-type=lz4
lock-path=/data/d.pgbackrest/lock
log-path=/data/d.pgbackrest/log
process-max=1
repo1-path=/backup
repo1-retention-full=2
repo1-type=posix
spool-path=/data/d.pgbackrest/spool
start-fast=y

[main]
pg1-path=/data/d
pg1-port=5433
pg1-socket-path=/run/pg
pg1-user=postgres
)");
}

TEST(PgbackrestConf, follows_each_setting_and_the_topology) {
  struct Case {
    const char* what;
    std::function<void(model::BackupConfig&)> change;
    std::vector<ConfPeer> peers;
    std::vector<std::string> lines;
  };
  const auto tls = [](model::BackupConfig& c) {
    c.tls_cert_file = "/tls/c";
    c.tls_key_file = "/tls/k";
    c.tls_ca_file = "/tls/a";
  };
  const std::vector<Case> cases{
      {"compression",
       [](auto& c) { c.compress = "zst", c.compress_level = 3; },
       {},
       {"compress-type=zst\n", "compress-level=3\n"}},
      {"asynchronous archiving",
       [](auto& c) { c.archive_async = true; },
       {},
       {"[global:archive-push]\narchive-async=y\n"}},
      {"a cipher",
       [](auto& c) { c.repositories[0].cipher_pass = "p"; },
       {},
       {"repo1-cipher-pass=p\nrepo1-cipher-type=aes-256-cbc\n"}},
      {"retention by time",
       [](auto& c) { c.repositories[0].retention_full_type = "time"; },
       {},
       {"repo1-retention-full-type=time\n"}},
      {"bundles and blocks",
       [](auto& c) { c.repositories[0].bundle = c.repositories[0].block = true; },
       {},
       {"repo1-block=y\nrepo1-bundle=y\n"}},
      {"a second repository in an object store",
       [](auto& c) {
         c.repositories.push_back(
             {.type = "s3", .path = "/x", .options = {{"s3-bucket", "b"}, {"s3-key", "k"}}});
       },
       {},
       {"repo1-type=posix\nrepo2-path=/x\nrepo2-s3-bucket=b\nrepo2-s3-key=k\nrepo2-type=s3\n"}},
      {"Azure, by pgBackRest's names",
       [](auto& c) {
         c.repositories[0] = {
             .type = "azure",
             .path = "/x",
             .options = {{"azure-account", "a"}, {"azure-container", "c"}, {"azure-key", "k"}}};
       },
       {},
       {"repo1-azure-account=a\nrepo1-azure-container=c\nrepo1-azure-key=k\n",
        "repo1-path=/x\nrepo1-type=azure\n"}},
      {"Google's store, by pgBackRest's names",
       [](auto& c) {
         c.repositories[0] = {
             .type = "gcs", .path = "/x", .options = {{"gcs-bucket", "b"}, {"gcs-key", "/k.json"}}};
       },
       {},
       {"repo1-gcs-bucket=b\nrepo1-gcs-key=/k.json\nrepo1-path=/x\nrepo1-type=gcs\n"}},
      {"a repository's host",
       [&](auto& c) {
         tls(c);
         c.repositories[0] = {.host = "repo", .host_port = 8433};
       },
       {},
       {"repo1-host=repo\nrepo1-host-ca-file=/tls/a\nrepo1-host-cert-file=/tls/c\n"
        "repo1-host-key-file=/tls/k\nrepo1-host-port=8433\nrepo1-host-type=tls\nspool",
        "tls-server-address=*\ntls-server-auth=repo=main\ntls-server-ca-file=/tls/a\n"}},
      {"other members",
       tls,
       {{"n2", "/data/e", 5432}, {"n3", "/data/f", 5434}},
       {"tls-server-auth=n2=main\ntls-server-auth=n3=main\n",
        "pg2-host=n2\npg2-host-ca-file=/tls/a\npg2-host-cert-file=/tls/c\n"
        "pg2-host-key-file=/tls/k\npg2-host-type=tls\npg2-path=/data/e\npg2-port=5432\n",
        "pg3-host=n3\n", "pg3-port=5434\n"}},
  };
  for (const auto& c : cases) {
    auto changed = config();
    c.change(changed);
    const auto text = render_pgbackrest_conf(changed, kNode, c.peers, {});
    for (const auto& line : c.lines) EXPECT_THAT(text, HasSubstr(line)) << c.what;
  }
}

TEST(PgbackrestConf, the_users_part_wins_and_no_option_stands_twice) {
  const auto user = parse_user_part(
      "# mine\n[global]\n process-max = 4\r\nbuffer-size=4MiB\n\n[global:backup]\nstop-auto=y\n"
      "[main]\nrecovery-option=a=b\nrecovery-option=c=d\n");
  ASSERT_TRUE(user) << user.error().text();
  const auto text = render_pgbackrest_conf(config(), kNode, {}, *user);
  EXPECT_THAT(text, HasSubstr("process-max=4\n"));
  EXPECT_THAT(text, Not(HasSubstr("process-max=1\n")));
  EXPECT_THAT(text, HasSubstr("\n[global:backup]\nstop-auto=y\n"));
  EXPECT_THAT(text, HasSubstr("recovery-option=a=b\nrecovery-option=c=d\n"));
}

TEST(PgbackrestConf, mistakes_in_the_users_part_are_named) {
  struct Case {
    const char *text, *error;
  };
  for (const auto& c : {
           Case{"process-max=4", "line 1 stands before any section"},
           Case{"[global]\n\nnonsense", "line 3 is neither a section nor option=value"},
           Case{"[global\nx=y", "line 1 is no section"},
           Case{"[]\n", "line 1 is no section"},
           Case{"[global]\n=x", "line 2 is neither a section nor option=value"},
           Case{"[main]\npg1-path=/x", "line 2 sets pg1-path, which follows from patroni.yml"},
           Case{"[global]\nlock-path=/x", "line 2 sets lock-path"},
       }) {
    const auto parsed = parse_user_part(c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(c.error));
  }
  EXPECT_TRUE(parse_user_part(""));
}

TEST(PgbackrestConf, the_node_follows_from_patroni_yml) {
  model::LocalConfig local;
  local.pg.data_dir = "/data/d";
  local.pg.listen = "0.0.0.0:5433";
  local.pg.superuser.username = "su";
  local.pg.parameters = *model::parse_yaml("{unix_socket_directories: '/run/a, /tmp'}");
  const auto node = conf_node(local);
  EXPECT_EQ(node.socket_dir, "/run/a");
  EXPECT_EQ(node.user, "su");
  EXPECT_EQ(node.port, 5433);
}

}  // namespace
}  // namespace aurum::backup
