#include "pg/wal_status.h"

#include <algorithm>
#include <set>

#include "pg/files.h"
#include "pg/wal_end.h"

namespace aurum::pg {

namespace {

constexpr std::size_t kSegment = 24, kTimeline = 8;
constexpr std::string_view kReady = ".ready", kDone = ".done";

std::set<std::string> names_in(const fs::path& dir) {
  std::set<std::string> out;
  std::error_code ec;
  for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    out.insert(it->path().filename());
  return out;
}

/// The segments that the archiver was told of, whether it has done its work or not.
std::set<std::string> told_of(const std::set<std::string>& status) {
  std::set<std::string> out;
  for (const auto& name : status) {
    const auto segment = name.substr(0, name.find('.'));
    const auto rest = std::string_view(name).substr(segment.size());
    if (is_wal_file_name(segment) && (rest == kReady || rest == kDone)) out.insert(segment);
  }
  return out;
}

}  // namespace

int announce_wal(const fs::path& data_dir) {
  const auto wal = data_dir / "pg_wal", status = wal / "archive_status";
  // The segments first: one that is recycled now keeps its status for longer than its name.
  const auto files = names_in(wal);
  const auto told = told_of(names_in(status));
  if (told.size() < 2) return 0;
  const auto timeline = told.rbegin()->substr(0, kTimeline);
  const auto first = told.lower_bound(timeline);
  int count = 0;
  for (auto it = files.upper_bound(*first); it != files.end() && *it < *told.rbegin(); ++it) {
    std::error_code ec;
    if (!is_wal_file_name(*it) || told.contains(*it) || !fs::exists(wal / *it, ec)) continue;
    if (write_file(status / (*it + std::string(kReady)), "", file_mode(data_dir))) ++count;
  }
  return count;
}

bool is_archived_up_to(const fs::path& data_dir, std::string_view segment) {
  const auto wal = data_dir / "pg_wal";
  const std::string name(segment);
  const auto status = names_in(wal / "archive_status");
  const bool waits = std::ranges::any_of(status, [&](const std::string& file) {
    return file.ends_with(kReady) && file.substr(0, kTimeline) == name.substr(0, kTimeline) &&
           file.substr(0, kSegment) <= name;
  });
  std::error_code ec;
  return !waits && (status.contains(name + std::string(kDone)) || !fs::exists(wal / name, ec));
}

}  // namespace aurum::pg
