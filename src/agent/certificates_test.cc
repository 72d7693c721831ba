// Scenario: certificate files of a node are renewed while it runs. What is verified: what has to be
// told is told once, and the end of each certificate is known.
#include "agent/certificates.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "net/certificate.h"

namespace aurum::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Use = Certificates::Use;

constexpr WallTime kNow{1'700'000'000'000'000};

class CertificateFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    make("rest", 10);
    make("server", 20);
    config_.rest.tls.certfile = path("rest.crt");
    config_.rest.tls.keyfile = path("rest.key");
    config_.pg.data_dir = dir_.path();
    config_.pg.parameters.set("ssl", true);
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  void make(const std::string& name, int days) {
    const auto key = *net::make_key();
    const auto made = *net::make_authority({.common_name = name, .days = days}, key, kNow);
    // As a renewal does: another file by the same name.
    std::filesystem::remove(path(name + ".crt"));
    std::ofstream(path(name + ".crt")) << made.certificate;
    std::ofstream(path(name + ".key")) << key;
  }
  std::vector<std::string> uses() const {
    std::vector<std::string> out;
    for (const auto& view : certificates_.views()) out.push_back(view.use);
    return out;
  }

  testing::TempDir dir_;
  model::LocalConfig config_;
  model::DynamicConfig dynamic_;
  Certificates certificates_;
};

TEST_F(CertificateFiles, changes_are_told_once) {
  EXPECT_THAT(certificates_.look(config_, dynamic_), IsEmpty());
  EXPECT_THAT(certificates_.look(config_, dynamic_), IsEmpty());
  make("rest", 30);
  EXPECT_THAT(certificates_.look(config_, dynamic_), ElementsAre(Use::rest));
  EXPECT_THAT(certificates_.look(config_, dynamic_), IsEmpty());
  make("server", 30);
  EXPECT_THAT(certificates_.look(config_, dynamic_), ElementsAre(Use::postgresql));
}

TEST_F(CertificateFiles, ends_are_known_and_follow_a_renewal) {
  certificates_.look(config_, dynamic_);
  ASSERT_THAT(uses(), ElementsAre("restapi", "postgresql"));
  EXPECT_EQ(certificates_.views()[0].not_after_s, 1'700'000'000 + 10 * 86'400);
  make("rest", 30);
  certificates_.look(config_, dynamic_);
  EXPECT_EQ(certificates_.views()[0].not_after_s, 1'700'000'000 + 30 * 86'400);
}

TEST_F(CertificateFiles, of_the_router_are_told_too_and_its_authority_is_one_of_them) {
  make("routing", 15);
  make("authority", 15);
  config_.aurum.routing.ca_file = path("authority.crt");
  certificates_.look(config_, dynamic_);
  EXPECT_THAT(uses(), ElementsAre("restapi", "postgresql"));
  make("authority", 30);
  EXPECT_THAT(certificates_.look(config_, dynamic_), ElementsAre(Use::routing));
  config_.aurum.routing.cert_file = path("routing.crt");
  config_.aurum.routing.key_file = path("routing.key");
  certificates_.look(config_, dynamic_);
  EXPECT_THAT(uses(), ElementsAre("restapi", "routing", "postgresql"));
  make("routing", 30);
  EXPECT_THAT(certificates_.look(config_, dynamic_), ElementsAre(Use::routing));
}

TEST_F(CertificateFiles, of_a_server_without_ssl_do_not_count) {
  config_.pg.parameters.set("ssl", "off");
  model::Value shared;
  shared.set("ssl", true);
  dynamic_.postgresql.set("parameters", shared);
  certificates_.look(config_, dynamic_);
  EXPECT_THAT(uses(), ElementsAre("restapi"));
}

}  // namespace
}  // namespace aurum::agent
