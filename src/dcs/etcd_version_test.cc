#include "dcs/etcd_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aurum::dcs {
namespace {

using ::testing::HasSubstr;

TEST(EtcdVersion, ReleasesWithKnownLeaseBugsAreNamed) {
  for (const char* old : {"3.4.23", "3.5.0", "3.5.27", "3.6.0", "3.6.8", "3.3.10"})
    EXPECT_THAT(etcd_version_warning(old), HasSubstr(old)) << old;
  for (const char* good : {"3.5.28", "3.5.30", "3.6.9", "3.7.0", "4.0.0", "3.6.10-rc.1", "", "?"})
    EXPECT_EQ(etcd_version_warning(good), "") << good;
}

}  // namespace
}  // namespace aurum::dcs
