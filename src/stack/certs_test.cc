// Scenario: a folder of certificates is made, looked at, damaged and renewed. What is verified:
// each certificate is good for its host and use, what is wrong is named, and nothing is changed
// that was not made here.
#include "stack/certs.h"

#include <fstream>
#include <sstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "net/certificate.h"

namespace aurum::stack {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

constexpr std::int64_t kDay_s = 86'400;
constexpr WallTime kNow{1'700'000'000'000'000};
WallTime after_days(int days) { return {kNow.us + days * kDay_s * 1'000'000}; }

std::string read(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

class Certs : public ::testing::Test {
 protected:
  Certs() {
    wish_.place.dir = dir_ / "certs";
    wish_.hosts = {{HostRole::postgres, "db1", {"10.0.0.1", "db1.example.org"}},
                   {HostRole::etcd, "etcd-1", {}},
                   {HostRole::haproxy, "lb", {}}};
  }
  std::vector<CertLine> init() {
    auto lines = init_certs(wish_, kNow);
    EXPECT_TRUE(lines) << (lines ? "" : lines.error().text());
    return lines.value_or(std::vector<CertLine>{});
  }
  CertLine line_of(const std::string& file, WallTime now = kNow) {
    auto lines = certs_status(wish_.place, now);
    EXPECT_TRUE(lines);
    for (const auto& line : *lines)
      if (line.file == file) return line;
    ADD_FAILURE() << "no line for " << file;
    return {};
  }
  fs::path file(const std::string& name) const { return wish_.place.dir / name; }
  std::string all_bytes() const {
    std::string all;
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(wish_.place.dir))
      if (entry.is_regular_file()) files.push_back(entry.path());
    std::ranges::sort(files);
    for (const auto& one : files) all += one.string() + read(one);
    return all;
  }

  testing::TempDir dir_;
  CertsWish wish_;
};

TEST_F(Certs, are_made_for_every_use_of_every_host) {
  const auto lines = init();
  std::vector<std::string> files;
  for (const auto& line : lines) {
    EXPECT_EQ(line.state, CertState::good) << line.file << ": " << line.text;
    EXPECT_TRUE(line.ours) << line.file;
    files.push_back(line.file);
    if (line.file == "ca/ca.crt") continue;
    const auto pem = read(file(line.file));
    EXPECT_TRUE(net::check_authority(pem, read(file("ca/ca.crt")))) << line.file;
  }
  EXPECT_THAT(files, IsSupersetOf({"db1/server.crt", "db1/replication.crt", "db1/rest.crt",
                                   "db1/etcd.crt", "db1/pgbackrest.crt", "etcd-1/server.crt",
                                   "etcd-1/peer.crt", "lb/server.crt"}));
  EXPECT_THAT(line_of("db1/server.crt").names,
              ::testing::UnorderedElementsAre("db1", "10.0.0.1", "db1.example.org", "localhost",
                                              "127.0.0.1", "::1"));
  EXPECT_EQ(line_of("db1/replication.crt").subject, "replicator");
  EXPECT_EQ(read(file("etcd-1/ca.crt")), read(file("ca/ca.crt")));
  EXPECT_EQ(read(file("lb/server.pem")), read(file("lb/server.crt")) + read(file("lb/server.key")));
  EXPECT_FALSE(fs::exists(file("db1/ca.key")));
  struct stat info{};
  ASSERT_EQ(::stat(file("db1/server.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(Certs, a_second_init_changes_nothing) {
  init();
  const auto before = all_bytes();
  const auto lines = init();
  EXPECT_EQ(all_bytes(), before);
  for (const auto& line : lines) EXPECT_FALSE(line.changed) << line.file;
}

TEST_F(Certs, of_a_host_that_joins_stand_beside_those_before) {
  init();
  wish_.hosts = {{HostRole::postgres, "db2", {}}, {HostRole::haproxy, "lb", {"10.0.0.9"}}};
  wish_.join = true;
  init();
  EXPECT_EQ(line_of("db2/server.crt").state, CertState::good);
  EXPECT_EQ(line_of("db1/server.crt").state, CertState::good);
  wish_.hosts.clear();
  init();
  EXPECT_EQ(line_of("db1/server.crt").state, CertState::good);
}

// As in a container that sees `ca` and its own host's folder only: the others' list stays.
TEST_F(Certs, of_another_list_share_the_authority_alone) {
  init();
  auto other = wish_;
  other.place.list = "db2";
  other.hosts = {{HostRole::postgres, "db2", {}}};
  ASSERT_TRUE(init_certs(other, kNow));
  EXPECT_TRUE(net::check_authority(read(file("db2/server.crt")), read(file("ca/ca.crt"))));
  const auto renewed = renew_certs(other.place, {.all = true}, kNow);
  ASSERT_TRUE(renewed);
  for (const auto& line : *renewed)
    EXPECT_TRUE(line.file.starts_with("db2/") || line.file.starts_with("ca/")) << line.file;
  fs::remove_all(file("db2"));
  for (const auto& line : init()) EXPECT_EQ(line.state, CertState::good) << line.file;
  EXPECT_FALSE(fs::exists(file("db2")));
}

TEST_F(Certs, what_is_missing_is_made_again_with_the_key_that_is_there) {
  init();
  const auto key = read(file("db1/rest.key"));
  fs::remove(file("db1/rest.crt"));
  EXPECT_EQ(line_of("db1/rest.crt").state, CertState::missing);
  init();
  EXPECT_EQ(line_of("db1/rest.crt").state, CertState::good);
  EXPECT_EQ(read(file("db1/rest.key")), key);

  fs::remove(file("db1/rest.key"));
  const auto refused = init_certs(wish_, kNow);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("rest.crt has no key"));
}

TEST_F(Certs, a_key_that_others_may_read_is_named) {
  init();
  ::chmod(file("db1/server.key").c_str(), 0644);
  const auto line = line_of("db1/server.crt");
  EXPECT_EQ(line.state, CertState::wrong_mode);
  EXPECT_THAT(line.text, HasSubstr("0644"));
  EXPECT_THAT(line.hint, HasSubstr("chmod 0600"));
}

TEST_F(Certs, an_end_is_foretold_and_seen) {
  init();
  EXPECT_EQ(line_of("db1/server.crt", after_days(330)).state, CertState::good);
  EXPECT_EQ(line_of("db1/server.crt", after_days(340)).state, CertState::expires_soon);
  EXPECT_EQ(line_of("db1/server.crt", after_days(366)).state, CertState::expired);
  EXPECT_EQ(line_of("db1/server.crt", after_days(-1)).state, CertState::not_yet_valid);
  EXPECT_TRUE(usable(CertState::expires_soon));
  EXPECT_FALSE(usable(CertState::expired));
}

TEST_F(Certs, of_another_authority_are_named) {
  init();
  CertsWish other = wish_;
  other.place.dir = dir_ / "other";
  ASSERT_TRUE(init_certs(other, kNow));
  write(file("db1/server.crt"), read(other.place.dir / "db1/server.crt"));
  write(file("db1/server.key"), read(other.place.dir / "db1/server.key"));
  EXPECT_EQ(line_of("db1/server.crt").state, CertState::wrong_authority);
  EXPECT_FALSE(line_of("db1/server.crt").ours);

  write(file("db1/rest.key"), read(other.place.dir / "db1/rest.key"));
  EXPECT_EQ(line_of("db1/rest.crt").state, CertState::wrong_key);
  write(file("db1/etcd.crt"), "nonsense");
  EXPECT_EQ(line_of("db1/etcd.crt").state, CertState::unreadable);
}

TEST_F(Certs, only_those_that_end_soon_are_renewed) {
  init();
  const auto key = read(file("db1/server.key"));
  const auto early = renew_certs(wish_.place, {}, after_days(100));
  ASSERT_TRUE(early);
  for (const auto& line : *early) EXPECT_FALSE(line.changed) << line.file;

  const auto late = renew_certs(wish_.place, {}, after_days(340));
  ASSERT_TRUE(late) << late.error().text();
  EXPECT_EQ(line_of("db1/server.crt", after_days(400)).state, CertState::good);
  EXPECT_EQ(read(file("db1/server.key")), key);
  EXPECT_EQ(read(file("lb/server.pem")), read(file("lb/server.crt")) + read(file("lb/server.key")));

  ASSERT_TRUE(renew_certs(wish_.place, {.all = true, .new_keys = true}, after_days(341)));
  EXPECT_NE(read(file("db1/server.key")), key);
  EXPECT_EQ(line_of("db1/server.crt", after_days(341)).state, CertState::good);
}

TEST_F(Certs, stay_good_when_their_authority_is_renewed) {
  init();
  const auto leaf = read(file("db1/server.crt"));
  ASSERT_TRUE(renew_certs(wish_.place, {.authority = true}, after_days(3000)));
  EXPECT_TRUE(net::check_authority(leaf, read(file("ca/ca.crt"))));
  EXPECT_EQ(read(file("db1/ca.crt")), read(file("ca/ca.crt")));
  EXPECT_EQ(line_of("ca/ca.crt", after_days(5000)).state, CertState::good);
}

TEST_F(Certs, never_touches_what_it_did_not_make) {
  init();
  CertsWish other = wish_;
  other.place.dir = dir_ / "other";
  ASSERT_TRUE(init_certs(other, kNow));
  write(file("db1/server.crt"), read(other.place.dir / "db1/server.crt"));
  write(file("db1/server.key"), read(other.place.dir / "db1/server.key"));
  const auto certificate = read(file("db1/server.crt"));
  const auto key = read(file("db1/server.key"));
  init();
  ASSERT_TRUE(renew_certs(wish_.place, {.all = true, .new_keys = true}, kNow));
  EXPECT_EQ(read(file("db1/server.crt")), certificate);
  EXPECT_EQ(read(file("db1/server.key")), key);
}

/// An authority of the user's, and a certificate of it for one use of one host.
class OwnCerts : public Certs {
 protected:
  OwnCerts() {
    const auto key = net::make_key();
    own_ = *net::make_authority({.common_name = "Example Corp", .organization = "Example"}, *key,
                                kNow);
    fs::create_directories(from_);
    write(from_ / "ca.crt", own_.certificate);
    for (const char* host : {"db1", "etcd-1", "lb"}) fs::create_directories(from_ / host);
    for (const char* one : {"db1/server", "db1/replication", "db1/rest", "db1/etcd",
                            "db1/pgbackrest", "etcd-1/server", "etcd-1/peer", "lb/server"})
      give(one);
    wish_.from = from_;
  }
  void give(const std::string& name) {
    const auto key = net::make_key();
    write(from_ / (name + ".key"), *key);
    write(from_ / (name + ".crt"),
          *net::issue(own_, {.common_name = "own", .server = true}, *key, kNow));
  }
  net::Authority own_;
  fs::path from_ = dir_ / "issued";
};

TEST_F(OwnCerts, are_installed_and_not_renewed) {
  const auto lines = init();
  EXPECT_EQ(read(file("db1/server.crt")), read(from_ / "db1/server.crt"));
  EXPECT_EQ(read(file("db1/ca.crt")), own_.certificate);
  for (const auto& line : lines) {
    EXPECT_EQ(line.state, CertState::good) << line.file << ": " << line.text;
    EXPECT_FALSE(line.ours) << line.file;
  }
  EXPECT_FALSE(renew_certs(wish_.place, {.all = true}, kNow));
}

TEST_F(OwnCerts, one_that_is_missing_is_named_when_nobody_can_issue_it) {
  fs::remove(from_ / "db1/rest.crt");
  const auto refused = init_certs(wish_, kNow);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("db1/rest.crt is missing"));
  // With the authority's key it is made.
  fs::create_directories(from_ / "ca");
  write(from_ / "ca/ca.key", own_.key);
  init();
  EXPECT_TRUE(net::check_authority(read(file("db1/rest.crt")), own_.certificate));
}

TEST_F(OwnCerts, a_wrong_one_stops_before_anything_is_written) {
  write(from_ / "db1/server.key", read(from_ / "db1/rest.key"));
  const auto refused = init_certs(wish_, kNow);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("does not belong"));
  EXPECT_FALSE(fs::exists(file("ca/ca.crt")));
}

TEST_F(OwnCerts, do_not_replace_others_that_are_there) {
  wish_.from.clear();
  init();
  wish_.from = from_;
  const auto before = all_bytes();
  const auto refused = init_certs(wish_, kNow);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("is there already"));
  EXPECT_EQ(all_bytes(), before);
}

TEST(CertHosts, are_read_from_text) {
  const auto host = parse_host("postgres:db1=10.0.0.1,db1.example.org");
  ASSERT_TRUE(host);
  EXPECT_EQ(*host, (CertHost{HostRole::postgres, "db1", {"10.0.0.1", "db1.example.org"}}));
  EXPECT_TRUE(parse_host("etcd:e"));
  for (const char* bad : {"db1", "nothing:db1", "postgres:", "postgres:../x", "postgres:ca"})
    EXPECT_FALSE(parse_host(bad)) << bad;
}

}  // namespace
}  // namespace aurum::stack
