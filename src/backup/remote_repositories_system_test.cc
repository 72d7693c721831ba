// Scenario: repositories that are no folder of this machine, with the real pgBackRest: an object
// store and an SFTP server take WAL and backups, are verified, and give a cluster back.
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>

#include "backup/restore_trial.h"
#include "backup/testing/backup_fixture.h"
#include "net/testing/certificates.h"
#include "runtime/child.h"
#include "runtime/users.h"

namespace aurum::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A program that serves until this object goes.
class Served {
 public:
  explicit Served(std::vector<std::string> argv) {
    runtime::ProcessSpec spec;
    spec.argv = std::move(argv);
    auto started = runtime::Child::start(spec);
    if (!started) throw std::runtime_error(started.error().text());
    child_.emplace(std::move(*started));
  }

 private:
  std::optional<runtime::Child> child_;  // its destructor ends it
};

class RemoteRepository : public testing::Backup {
 protected:
  RemoteRepository() { net::testing::write_localhost_pair(root_ / "tls"); }
  /// Both nodes have it; `program`: pgBackRest.
  void use(const model::BackupRepository& repository, const std::string& program) {
    for (auto* node : {&one_, &two_}) {
      node->config.aurum.backup->repositories = {repository};
      use_program(*node, program);
    }
  }
  std::string wait_for_file(const fs::path& file) {
    const Instant until = runtime::now() + seconds(20);
    while (!fs::exists(file) && runtime::now() < until) io_.run_for(std::chrono::milliseconds(20));
    std::ifstream in(file);
    std::string text;
    in >> text;
    return text;
  }
  model::BackupRepository object_store(const std::string& port, const std::string& secret) const {
    return {.type = "s3",
            .path = "/demo",
            .bundle = true,
            .cipher_pass = "se cret",
            .retention_full = 2,
            .options = {{"s3-bucket", "backups"},
                        {"s3-endpoint", "localhost"},
                        {"s3-region", "us-east-1"},
                        {"s3-key", "KEY"},
                        {"s3-key-secret", secret},
                        {"s3-uri-style", "path"},
                        {"storage-host", "127.0.0.1"},
                        {"storage-port", port},
                        {"storage-verify-tls", "n"}}};
  }
  Served start_object_store() { return start_store("s3", {"backups", "KEY", "SECRET"}); }
  Served start_store(const std::string& kind, const std::vector<std::string>& more) {
    std::vector<std::string> argv{"python3",
                                  "-B",
                                  AURUM_SOURCE_DIR "/src/backup/testing/" + kind + "_server.py",
                                  (root_ / "port").string(),
                                  (root_ / "tls" / "cert").string(),
                                  (root_ / "tls" / "key").string()};
    argv.insert(argv.end(), more.begin(), more.end());
    return Served(std::move(argv));
  }
  /// A repository of this kind on our server; options without their prefix.
  model::BackupRepository store_of(const std::string& kind,
                                   std::map<std::string, std::string> options) {
    model::BackupRepository out{.type = kind,
                                .path = "/demo",
                                .bundle = true,
                                .cipher_pass = "se cret",
                                .retention_full = 2,
                                .options = {{"storage-host", "127.0.0.1"},
                                            {"storage-port", wait_for_file(root_ / "port")},
                                            {"storage-verify-tls", "n"}}};
    for (const auto& [name, value] : options) out.options[kind + "-" + name] = value;
    return out;
  }
  /// Full and incr, all checks, and the rows of the second one out of it.
  void expect_backed_up_and_restored() {
    Pgbackrest pgbackrest(one_.config);
    bootstrap();
    sql(one_, "CREATE TABLE t(i int); INSERT INTO t SELECT generate_series(1, 1000)");
    const auto full = wait(pgbackrest.take("full", {}));
    ASSERT_TRUE(full) << full.error().text();
    sql(one_, "INSERT INTO t SELECT generate_series(1001, 1500)");
    const auto incr = wait(pgbackrest.take("incr", {}));
    ASSERT_TRUE(incr) << incr.error().text();
    EXPECT_EQ(incr->type, "incr");
    plan_.backup = *incr;
    sql(one_, "INSERT INTO t VALUES (1501); SELECT pg_switch_wal()");
    const auto checked = wait(pgbackrest.check());
    EXPECT_TRUE(checked) << checked.error().text();
    const auto verified = wait(pgbackrest.verify());
    EXPECT_TRUE(verified) << verified.error().text();
    EXPECT_TRUE(wait(pgbackrest.expire()));
    const auto listed = wait(pgbackrest.list_repository("backup/demo"));
    ASSERT_TRUE(listed) << listed.error().text();
    EXPECT_THAT(*listed, ::testing::Contains(full->label));
    restore_to_two(one_.config.aurum.backup->program);
    expect_count(two_, "1501");
  }
  /// As the agents restore: a copy in a scratch folder, its WAL by `aurum archive-get`.
  void expect_proved() {
    const auto trial =
        wait(try_restore(one_.config, {.dir = root_ / "scratch",
                                       .plan = plan_,
                                       .node = "n1",
                                       .program = testing::aurum_program(),
                                       .database = "postgres",
                                       .checks = {"SELECT count(*) = 1501 FROM t"}}));
    EXPECT_TRUE(trial.ok) << trial.error;
  }

  RestorePlan plan_{.timeline = 1};
};

TEST_F(RemoteRepository, an_object_store_takes_backups_and_gives_them_back) {
  const auto server = start_object_store();
  const auto port = wait_for_file(root_ / "port");
  use(object_store(port, "WRONG"), testing::pgbackrest_program());
  const auto refused = wait(Pgbackrest(one_.config).catalogue());
  EXPECT_TRUE(!refused || refused->message.find("403") != std::string::npos)
      << "the store takes any key";
  use(object_store(port, "SECRET"), testing::pgbackrest_program());
  expect_backed_up_and_restored();
  expect_proved();
}

TEST_F(RemoteRepository, an_object_store_serves_the_newer_pgbackrest_with_blocks) {
  const auto newer = testing::newer_pgbackrest();
  if (newer.empty()) GTEST_SKIP() << "no newer pgBackRest here: tools/fetch-pgbackrest";
  const auto server = start_object_store();
  auto store = object_store(wait_for_file(root_ / "port"), "SECRET");
  store.block = true;
  use(store, newer);
  expect_backed_up_and_restored();
}

TEST_F(RemoteRepository, azure_takes_backups_and_gives_them_back) {
  const std::string secret = "c2VjcmV0", wrong = "d3Jvbmc=";
  const auto server = start_store("azure", {"backups", "account", secret});
  const auto store = [&](const std::string& key) {
    return store_of(
        "azure",
        {{"account", "account"}, {"container", "backups"}, {"key", key}, {"uri-style", "path"}});
  };
  use(store(wrong), testing::pgbackrest_program());
  const auto refused = wait(Pgbackrest(one_.config).catalogue());
  EXPECT_TRUE(!refused || refused->message.find("403") != std::string::npos)
      << "the store takes any key";
  use(store(secret), testing::pgbackrest_program());
  expect_backed_up_and_restored();
}

TEST_F(RemoteRepository, gcs_takes_backups_and_gives_them_back) {
  const auto server = start_store("gcs", {"backups", "TOKEN"});
  const auto store = [&](const std::string& token) {
    return store_of("gcs", {{"bucket", "backups"},
                            {"endpoint", "localhost:" + wait_for_file(root_ / "port")},
                            {"key-type", "token"},
                            {"key", "Bearer " + token}});
  };
  use(store("WRONG"), testing::pgbackrest_program());
  const auto refused = wait(Pgbackrest(one_.config).catalogue());
  EXPECT_TRUE(!refused || refused->message.find("401") != std::string::npos)
      << "the store takes any token";
  use(store("TOKEN"), testing::pgbackrest_program());
  expect_backed_up_and_restored();
}

// pgBackRest speaks SFTP from 2.46 on.
TEST_F(RemoteRepository, an_sftp_server_takes_backups_and_gives_them_back) {
  const auto newer = testing::newer_pgbackrest();
  const auto sshd = testing::find_sshd();
  if (newer.empty() || sshd.empty())
    GTEST_SKIP() << "needs pgBackRest 2.46 and sshd: tools/fetch-pgbackrest";
  const auto port = std::to_string(pg::testing::free_port());
  const auto make_key = [&](const std::string& name) {
    const auto made =
        wait(runtime::run_process({.argv = {"ssh-keygen", "-q", "-m", "PEM", "-t", "rsa", "-N", "",
                                            "-f", (root_ / name).string()}}));
    ASSERT_TRUE(made && made->ok()) << (made ? made->reason() : made.error().text());
  };
  make_key("host");
  make_key("user");
  fs::copy_file(root_ / "user.pub", root_ / "authorized");
  std::ofstream(root_ / "sshd.conf")
      << "ListenAddress 127.0.0.1\nPort " << port << "\nHostKey " << (root_ / "host").string()
      << "\nAuthorizedKeysFile " << (root_ / "authorized").string()
      << "\nStrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n"
         "PubkeyAcceptedAlgorithms +ssh-rsa\nHostKeyAlgorithms +ssh-rsa\n";
  const Served server({sshd, "-D", "-e", "-f", (root_ / "sshd.conf").string()});
  use({.type = "sftp",
       .path = (root_ / "sftp").string(),
       .bundle = true,
       .cipher_pass = "se cret",
       .retention_full = 2,
       .options = {{"sftp-host", "127.0.0.1"},
                   {"sftp-host-port", port},
                   {"sftp-host-user", runtime::current_user().name},
                   {"sftp-private-key-file", (root_ / "user").string()},
                   {"sftp-public-key-file", (root_ / "user.pub").string()},
                   {"sftp-host-key-hash-type", "sha256"},
                   {"sftp-host-key-check-type", "none"}}},
      newer);
  expect_backed_up_and_restored();
  expect_proved();
}

}  // namespace
}  // namespace aurum::backup
