#include "backup/wal_gap.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

namespace aurum::backup {

namespace {

/// Segments in each 4 GB, by which the middle part of a name counts.
std::uint64_t per_log(std::uint64_t segment_size) {
  return (std::uint64_t{1} << 32) / segment_size;
}
/// More than that is no gap to be listed but an archive that never was.
constexpr std::uint64_t kMostSegments = 100'000;

bool read_hex(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string segment_name(model::Timeline timeline, std::uint64_t number,
                         std::uint64_t segment_size) {
  const auto logs = per_log(segment_size);
  return fmt::format("{:08X}{:08X}{:08X}", timeline, number / logs, number % logs);
}

std::uint64_t segment_number(model::Lsn position, std::uint64_t segment_size) {
  return position.value / segment_size;
}

bool parse_segment(std::string_view name, std::uint64_t segment_size, Segment& out) {
  std::uint64_t timeline = 0, log = 0, number = 0;
  if (name.size() != 24 || !read_hex(name.substr(0, 8), timeline) ||
      !read_hex(name.substr(8, 8), log) || !read_hex(name.substr(16, 8), number))
    return false;
  out = {static_cast<model::Timeline>(timeline), log * per_log(segment_size) + number};
  return number < per_log(segment_size);
}

std::vector<std::string> missing_segments(model::Timeline timeline, std::uint64_t first,
                                          model::Lsn end, std::uint64_t segment_size,
                                          const std::vector<std::string>& present) {
  std::set<std::string> there;
  for (const auto& name : present) there.insert(name.substr(0, 24));
  std::vector<std::string> out;
  const auto last = std::min(segment_number(end, segment_size), first + kMostSegments);
  for (auto number = first; number < last; ++number)
    if (auto name = segment_name(timeline, number, segment_size); !there.contains(name))
      out.push_back(std::move(name));
  return out;
}

std::string gap_text(const std::vector<std::string>& missing) {
  if (missing.empty()) return {};
  if (missing.size() == 1) return missing.front();
  return fmt::format("{} to {} ({} files)", missing.front(), missing.back(), missing.size());
}

}  // namespace aurum::backup
