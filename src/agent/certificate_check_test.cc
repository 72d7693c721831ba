// Scenario: certificates of a node as --validate-config and the agent's start see them. What is
// verified: each fault has one line that names setting, file and remedy, and good ones have none.
#include "agent/certificate_check.h"

#include <filesystem>
#include <fstream>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "net/certificate.h"

namespace aurum::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr WallTime kNow{1'700'000'000'000'000};
constexpr std::int64_t kDay_us = 86'400'000'000;

class CertificateCheck : public ::testing::Test {
 protected:
  CertificateCheck() : ours_(authority("ours")), others_(authority("others")) {
    write("ca.crt", ours_.certificate);
    write("others.crt", others_.certificate);
    for (const char* name : {"rest", "ctl", "etcd", "server", "replication", "backup", "routing"})
      make(name, ours_, kNow);
    config_.rest.tls = {
        .certfile = path("rest.crt"), .keyfile = path("rest.key"), .cafile = path("ca.crt")};
    config_.rest.verify_client = "optional";
    config_.ctl.tls = {
        .certfile = path("ctl.crt"), .keyfile = path("ctl.key"), .cafile = path("ca.crt")};
    config_.etcd.cert = path("etcd.crt");
    config_.etcd.key = path("etcd.key");
    config_.etcd.cacert = path("ca.crt");
    config_.pg.data_dir = dir_ / "data";
    config_.pg.parameters.set("ssl", true);
    config_.pg.parameters.set("ssl_cert_file", path("server.crt"));
    config_.pg.parameters.set("ssl_key_file", path("server.key"));
    config_.pg.replication.options = {{"sslmode", "verify-full"},
                                      {"sslcert", path("replication.crt")},
                                      {"sslkey", path("replication.key")},
                                      {"sslrootcert", path("ca.crt")}};
    auto& backup = config_.aurum.backup.emplace();
    backup.tls_ca_file = path("ca.crt");
    backup.tls_cert_file = path("backup.crt");
    backup.tls_key_file = path("backup.key");
    config_.aurum.routing.ca_file = path("ca.crt");
    config_.aurum.routing.cert_file = path("routing.crt");
    config_.aurum.routing.key_file = path("routing.key");
  }

  static net::Authority authority(const std::string& name) {
    return *net::make_authority({.common_name = name, .days = 3650}, *net::make_key(), kNow);
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  void write(const std::string& name, const std::string& text, int mode = 0640) const {
    std::ofstream(dir_ / name) << text;
    fs::permissions(dir_ / name, fs::perms(mode));
  }
  /// Good for ten days from `begin`.
  void make(const std::string& name, const net::Authority& by, WallTime begin) const {
    const auto key = *net::make_key();
    write(name + ".key", key);
    write(name + ".crt",
          *net::issue(by, {.common_name = name, .days = 10, .server = true, .client = true}, key,
                      begin));
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (const auto& finding : check_certificates(config_, "node.yml", kNow))
      out.push_back(finding.text());
    return out;
  }

  testing::TempDir dir_;
  net::Authority ours_, others_;
  model::LocalConfig config_;
};

TEST_F(CertificateCheck, says_nothing_of_good_ones) { EXPECT_THAT(lines(), IsEmpty()); }

TEST_F(CertificateCheck, has_one_line_for_each_fault) {
  struct Case {
    std::function<void()> break_it;
    std::vector<std::string> says;
  };
  const WallTime long_ago{kNow.us - 30 * kDay_us}, later{kNow.us + 30 * kDay_us};
  const std::vector<Case> cases = {
      {[&] { make("rest", ours_, long_ago); },
       {"restapi.certfile", "/rest.crt ended on 2023-10-25", "aurum certs renew"}},
      {[&] { make("etcd", ours_, long_ago); }, {"etcd3.cert", "/etcd.crt ended on"}},
      {[&] { make("routing", ours_, long_ago); }, {"aurum.routing.cert_file", "ended on"}},
      {[&] { make("replication", ours_, long_ago); },
       {"postgresql.authentication.replication.sslcert", "ended on"}},
      {[&] { make("backup", ours_, later); },
       {"aurum.backup.tls.cert_file", "begins on 2023-12-14", "clock"}},
      {[&] { make("rest", others_, kNow); },
       {"restapi.certfile", "is not of the authority by which members ask each other", "/ca.crt"}},
      {[&] { make("ctl", others_, kNow); }, {"ctl.certfile", "is not of restapi.cafile"}},
      {[&] { make("server", others_, kNow); },
       {"postgresql.parameters.ssl_cert_file", "replication.sslrootcert"}},
      {[&] { make("backup", others_, kNow); },
       {"aurum.backup.tls.cert_file", "is not of aurum.backup.tls.ca_file"}},
      {[&] { fs::permissions(dir_ / "rest.key", fs::perms(0644)); },
       {"restapi.keyfile", "everybody on this machine may read the key", "chmod 0600"}},
      {[&] { fs::permissions(dir_ / "server.key", fs::perms(0604)); },
       {"postgresql.parameters.ssl_key_file", "chmod 0600"}},
      {[&] { fs::remove(dir_ / "routing.crt"); }, {"aurum.routing.cert_file", "/routing.crt"}},
      {[&] { write("backup.crt", "hello"); },
       {"aurum.backup.tls.cert_file", "holds no certificate"}},
  };
  for (const auto& c : cases) {
    const testing::TempDir kept;
    fs::copy(dir_.path(), kept.path());
    c.break_it();
    const auto said = lines();
    ASSERT_EQ(said.size(), 1U) << c.says[0] << ::testing::PrintToString(said);
    for (const auto& part : c.says) EXPECT_THAT(said[0], HasSubstr(part));
    EXPECT_THAT(said[0], HasSubstr("(in node.yml)"));
    fs::copy(kept.path(), dir_.path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    for (const auto& file : fs::directory_iterator(dir_.path()))
      fs::permissions(file.path(), fs::perms(0640));
  }
}

// A key in the certificate's own file, and what is not judged: authorities of others.
TEST_F(CertificateCheck, judges_only_what_the_other_side_judges_by_our_files) {
  make("etcd", others_, kNow);
  make("routing", others_, kNow);
  make("replication", others_, kNow);
  config_.rest.verify_client = "none";
  make("ctl", others_, kNow);
  EXPECT_THAT(lines(), IsEmpty());
  config_.rest.tls.keyfile = "";
  fs::permissions(dir_ / "rest.crt", fs::perms(0644));
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_THAT(lines()[0], HasSubstr("restapi.certfile"));
}

// Its files may come with the data directory, which is not there yet.
TEST_F(CertificateCheck, waits_for_files_of_a_data_directory) {
  config_.pg.parameters.set("ssl_cert_file", "server.crt");
  config_.pg.parameters.set("ssl_key_file", "server.key");
  EXPECT_THAT(lines(), IsEmpty());
}

}  // namespace
}  // namespace aurum::agent
