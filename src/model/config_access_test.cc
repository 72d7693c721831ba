// Scenario: `aurum.access` of patroni.yml. Verified: who has which role, and that each mistake has
// one clear line, which shows no token.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "model/testing/config_text.h"

namespace aurum::model {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kToken = "0123456789abcdef";

class AccessConfig : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text, int mode = 0640) {
    std::ofstream(dir_ / name) << text;
    fs::permissions(dir_ / name, fs::perms(mode));
    return (dir_ / name).string();
  }
  /// With TLS, and everybody asked for a certificate.
  static Loaded with(const std::string& access) {
    return parse_config(std::string(testing::kLeastConfig) + "aurum: {access: " + access + "}\n",
                        {{"PATRONI_RESTAPI_CERTFILE", "/c/n.crt"},
                         {"PATRONI_RESTAPI_CAFILE", "/c/ca.crt"},
                         {"PATRONI_RESTAPI_VERIFY_CLIENT", "optional"}});
  }
  aurum::testing::TempDir dir_;
};

TEST_F(AccessConfig, names_who_has_a_role) {
  const auto monitoring = file("monitoring", std::string(kToken) + "\n");
  const auto deploy = file("deploy", "a-token-of-the-day\nprevious: a-token-of-yesterday\n", 0600);
  const auto loaded = with(
      "[{role: admin, certificate: ops.example.com}, {role: viewer, token_file: " + monitoring +
      "}, {role: operator, name: pipeline, token_file: " + deploy + "}]");
  ASSERT_TRUE(loaded.config) << testing::errors(loaded);
  EXPECT_THAT(loaded.findings, IsEmpty());
  const auto& access = loaded.config->aurum.access;
  ASSERT_EQ(access.size(), 3U);
  EXPECT_EQ(access[0], (AccessEntry{.role = AccessRole::admin,
                                    .name = "ops.example.com",
                                    .certificate = "ops.example.com"}));
  EXPECT_EQ(access[1].name, "monitoring");
  EXPECT_EQ(access[1].role, AccessRole::viewer);
  EXPECT_EQ(access[1].token, kToken);
  EXPECT_EQ(access[2].name, "pipeline");
  EXPECT_EQ(access[2].role, AccessRole::operator_);
  EXPECT_EQ(access[2].token, "a-token-of-the-day");
  EXPECT_EQ(access[2].other_token, "a-token-of-yesterday");
}

TEST_F(AccessConfig, mistakes_have_one_line_each) {
  const auto good = file("good", kToken), same = file("same", std::string(kToken) + "\n");
  const auto open = file("open", kToken, 0644), empty = file("empty", "\n");
  const auto brief = file("brief", "sesame"), blank = file("blank", "0123456789 abcdef");
  const std::pair<std::string, const char*> cases[] = {
      {"[]", "aurum.access: names nobody"},
      {"[me]", "aurum.access[1]: must be a map"},
      {"[{certificate: a}]", "aurum.access[1].role is not defined"},
      {"[{role: boss, certificate: a}]", "aurum.access[1].role: \"boss\" is no role"},
      {"[{role: none, certificate: a}]", "\"none\" is no role"},
      {"[{role: admin}]", "aurum.access[1].certificate is not defined, nor is token_file"},
      {"[{role: admin, certificate: a, token_file: " + good + "}]", "is set together with"},
      {"[{role: admin, token: abc}]", "aurum.access[1].token is not a known key"},
      {"[{role: admin, token_file: /no/such}]", "/no/such"},
      {"[{role: admin, token_file: " + open + "}]", "everybody on this host may read"},
      {"[{role: admin, token_file: " + empty + "}]", "/empty"},
      {"[{role: admin, token_file: " + brief + "}]", "holds no token"},
      {"[{role: admin, token_file: " + blank + "}]", "holds no token"},
      {"[{role: admin, certificate: a}, {role: viewer, certificate: a}]",
       "aurum.access[2].certificate: \"a\" is listed twice"},
      {"[{role: admin, token_file: " + good + "}, {role: viewer, token_file: " + same + "}]",
       "aurum.access[2].token_file: "},
  };
  for (const auto& [access, says] : cases) {
    const auto loaded = with(access);
    EXPECT_FALSE(loaded.config) << access;
    EXPECT_THAT(testing::errors(loaded), HasSubstr(says)) << access;
    EXPECT_THAT(testing::errors(loaded), Not(HasSubstr(kToken))) << access;
    EXPECT_THAT(testing::errors(loaded), Not(HasSubstr("sesame"))) << access;
  }
}

TEST_F(AccessConfig,
       a_certificate_nobody_is_asked_for_is_an_error_and_a_token_without_tls_a_warning) {
  const auto plain = testing::with_section("access", "[{role: admin, certificate: a}]");
  EXPECT_THAT(testing::errors(plain), HasSubstr("aurum.access[1].certificate is never seen"));
  const auto token =
      testing::with_section("access", "[{role: admin, token_file: " + file("t", kToken) + "}]");
  ASSERT_TRUE(token.config) << testing::errors(token);
  EXPECT_THAT(testing::warnings(token), HasSubstr("aurum.access[1].token_file: goes over"));
}

TEST_F(AccessConfig, ctl_takes_its_token_from_a_file_too) {
  const std::string text = "scope: demo\netcd3: {host: h}\nctl: {token_file: ";
  const auto both = file("both", "a-token-of-the-day\nnext: a-token-of-tomorrow\n");
  const auto loaded = parse_config(text + both + "}\n", {}, ConfigUse::ctl);
  ASSERT_TRUE(loaded.config) << testing::errors(loaded);
  EXPECT_EQ(loaded.config->ctl.token, "a-token-of-the-day");
  const auto from_environment = parse_config("scope: demo\netcd3: {host: h}\n",
                                             {{"PATRONI_CTL_TOKEN_FILE", both}}, ConfigUse::ctl);
  ASSERT_TRUE(from_environment.config);
  EXPECT_EQ(from_environment.config->ctl.token, "a-token-of-the-day");
  const auto wrong = parse_config("ctl: {token: \"0123456789\\r\\nabcdef\"}\n", {}, ConfigUse::ctl);
  EXPECT_THAT(testing::errors(wrong), HasSubstr("ctl.token is no token"));
}

}  // namespace
}  // namespace aurum::model
