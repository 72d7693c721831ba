#include "backup/new_identity.h"

#include <array>
#include <cstring>
#include <unistd.h>

#include "pg/files.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace {

constexpr std::size_t kLeast = 200, kMost = 512;  ///< where the checksum may be

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1U) != 0 ? (value >> 1U) ^ 0x82F63B78U : value >> 1U;
    table[i] = value;
  }
  return table;
}
constexpr auto kTable = make_table();

}  // namespace

std::uint32_t crc32c(std::span<const unsigned char> bytes) {
  std::uint32_t value = 0xFFFFFFFFU;
  for (const unsigned char byte : bytes) value = kTable[(value ^ byte) & 0xFFU] ^ (value >> 8U);
  return value ^ 0xFFFFFFFFU;
}

Status replace_system_identifier(std::span<unsigned char> pg_control, std::uint64_t identifier) {
  for (std::size_t at = kLeast; at + 4 <= std::min(kMost, pg_control.size()); at += 4) {
    std::uint32_t stored = 0;
    std::memcpy(&stored, &pg_control[at], sizeof stored);
    if (stored == 0 || crc32c(pg_control.first(at)) != stored) continue;
    std::memcpy(pg_control.data(), &identifier, sizeof identifier);
    stored = crc32c(pg_control.first(at));
    std::memcpy(&pg_control[at], &stored, sizeof stored);
    return {};
  }
  return fail(Code::invalid, "pg_control is damaged: no checksum in it is right");
}

std::uint64_t make_system_identifier() {
  const WallTime now = runtime::wall_now();
  const auto seconds = static_cast<std::uint64_t>(now.us / 1'000'000);
  const auto micros = static_cast<std::uint64_t>(now.us % 1'000'000);
  return (seconds << 32U) | (micros << 12U) | (static_cast<std::uint64_t>(::getpid()) & 0xFFFU);
}

Status give_system_identifier(const std::filesystem::path& data_dir, std::uint64_t identifier) {
  const auto file = data_dir / "global" / "pg_control";
  auto text = pg::read_file(file);
  if (!text) return fail(text.error());
  auto* bytes = reinterpret_cast<unsigned char*>(text->data());
  auto replaced = replace_system_identifier({bytes, text->size()}, identifier);
  if (!replaced) return replaced;
  auto written = pg::write_file(file, *text, pg::file_mode(data_dir));
  if (!written) return fail(written.error());
  return {};
}

}  // namespace aurum::backup
