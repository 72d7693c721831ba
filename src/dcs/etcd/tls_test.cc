#include "dcs/etcd/tls.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "dcs/etcd_store.h"

namespace aurum::dcs::etcd {
namespace {

class TlsFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "aurum-tls-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string file(const std::string& name, const std::string& content) {
    const auto path = directory_ / name;
    std::ofstream(path) << content;
    return path.string();
  }
  std::filesystem::path directory_;
};

void expect_one_line_naming(const Status& status, const std::string& setting,
                            const std::string& file) {
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::invalid);
  const std::string text = status.error().text();
  EXPECT_TRUE(text.starts_with("etcd3." + setting + ": cannot use '" + file + "': ")) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST_F(TlsFilesTest, an_unusable_file_is_named_with_its_setting) {
  const std::string nonsense = file("nonsense.pem", "this is no certificate\n");
  const std::string absent = (directory_ / "absent.pem").string();
  model::EtcdConfig config{.hosts = {"127.0.0.1:2379"}, .protocol = "https"};
  config.cacert = absent;
  expect_one_line_naming(check_etcd_config(config), "cacert", absent);
  config.cacert = nonsense;
  expect_one_line_naming(check_etcd_config(config), "cacert", nonsense);
  config.cacert.clear();
  config.cert = absent;
  expect_one_line_naming(check_etcd_config(config), "cert", absent);
  config.cert = nonsense;
  expect_one_line_naming(check_etcd_config(config), "cert", nonsense);
}

TEST_F(TlsFilesTest, hosts_that_can_not_be_read_are_named) {
  const auto status = check_etcd_config({.hosts = {"10.0.0.1:2379", "10.0.0.2:x"}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "etcd3.hosts: '10.0.0.2:x' is not an etcd endpoint");
  EXPECT_FALSE(check_etcd_config({}));
  EXPECT_TRUE(check_etcd_config({.hosts = {"10.0.0.1:2379"}}));
}

TEST_F(TlsFilesTest, garbage_instead_of_a_handshake_is_an_error) {
  const auto context = TlsContext::load({.protocol = "https"});
  ASSERT_TRUE(context) << context.error().text();
  TlsSession session(**context, "localhost");
  std::string plain;
  ASSERT_TRUE(session.receive("", plain));
  EXPECT_FALSE(session.take_output().empty()) << "the client speaks first";
  const auto status = session.receive("HTTP/1.0 400 Bad Request\r\n\r\n", plain);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().hint.find("etcd3.protocol"), std::string::npos) << status.error().text();
}

}  // namespace
}  // namespace aurum::dcs::etcd
