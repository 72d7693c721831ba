#include "backup/abandoned_wal.h"

#include <algorithm>
#include <fcntl.h>
#include <functional>
#include <string>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "backup/wal_gap.h"
#include "model/cluster.h"
#include "pg/files.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSegmentName = 24, kTimelineDigits = 8;
constexpr std::string_view kHistory = ".history";

/// Of the newest timeline that is known here; without one that we only reserved (pg/timelines.h).
/// Names of timelines are of one length, so they compare as numbers.
Result<model::History> newest_history(const fs::path& wal, std::string_view than) {
  std::vector<std::string> names;
  std::error_code ec;
  for (fs::directory_iterator it(wal, ec), end; !ec && it != end; it.increment(ec)) {
    auto name = it->path().filename().string();
    if (name.size() == kTimelineDigits + kHistory.size() && name.ends_with(kHistory) &&
        name.substr(0, kTimelineDigits) > than)
      names.push_back(std::move(name));
  }
  std::ranges::sort(names, std::greater<>());
  for (const auto& name : names) {
    const auto text = pg::read_file(wal / name);
    if (!text) return fail(text.error());
    auto history = model::parse_history_file(*text);
    if (!history) return fail(history.error().within(name));
    if (!history->empty()) return history;
  }
  return model::History{};
}

Status make_zero(const fs::path& file, std::uint64_t from, std::uint64_t size) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  // Twice: what is cut off is gone, and what is added is zero.
  const bool done = fd >= 0 && ::ftruncate(fd, static_cast<off_t>(from)) == 0 &&
                    ::ftruncate(fd, static_cast<off_t>(size)) == 0;
  if (fd >= 0) ::close(fd);
  if (!done) return fail(Code::io, fmt::format("cannot cut {}", file.string()));
  return {};
}

}  // namespace

Result<Cut> cut_abandoned_wal(const fs::path& data_dir, std::string_view segment,
                              const fs::path& file) {
  if (segment.size() != kSegmentName) return Cut::nothing;
  const auto history = newest_history(data_dir / "pg_wal", segment.substr(0, kTimelineDigits));
  if (!history) return fail(history.error());
  if (history->empty()) return Cut::nothing;
  std::error_code ec;
  const std::uint64_t size = fs::file_size(file, ec);
  if (ec) return fail(Code::io, fmt::format("cannot read {}: {}", file.string(), ec.message()));
  Segment parsed;
  if (size == 0 || !parse_segment(segment, size, parsed)) return Cut::nothing;
  const auto left = std::ranges::find(*history, parsed.timeline, &model::HistoryEntry::timeline);
  const std::uint64_t begin = parsed.number * size;
  if (left == history->end() || left->lsn.value >= begin + size) return Cut::nothing;
  if (left->lsn.value > begin) {
    const auto cut = make_zero(file, left->lsn.value - begin, size);
    if (!cut) return fail(cut.error());
    return Cut::tail;
  }
  if (!fs::remove(file, ec)) return fail(Code::io, "cannot remove " + file.string());
  return Cut::all;
}

}  // namespace aurum::backup
