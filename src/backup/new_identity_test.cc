#include "backup/new_identity.h"

#include <cstring>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace aurum::backup {
namespace {

std::uint32_t crc_of(std::string_view text) {
  return crc32c({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

TEST(Crc32c, of_known_texts) {
  EXPECT_EQ(crc_of(""), 0u);
  EXPECT_EQ(crc_of("123456789"), 0xE3069283u);
}

TEST(SystemIdentifier, is_replaced_and_the_checksum_with_it) {
  std::vector<unsigned char> control(8192, 0);
  for (std::size_t i = 0; i < 292; ++i) control[i] = static_cast<unsigned char>(i * 7 + 1);
  const auto seal = [&] {
    const std::uint32_t crc = crc32c({control.data(), 288});
    std::memcpy(&control[288], &crc, 4);
  };
  seal();
  ASSERT_TRUE(replace_system_identifier(control, 0x1122334455667788U));
  std::uint64_t found = 0;
  std::memcpy(&found, control.data(), 8);
  EXPECT_EQ(found, 0x1122334455667788U);
  const auto as_written = control;
  seal();
  EXPECT_EQ(control, as_written) << "the checksum is right";
  control[17] ^= 1;
  EXPECT_FALSE(replace_system_identifier(control, 1)) << "damaged";
  EXPECT_NE(make_system_identifier(), 0u);
}

}  // namespace
}  // namespace aurum::backup
