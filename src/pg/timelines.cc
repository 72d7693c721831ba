#include "pg/timelines.h"

#include <algorithm>
#include <map>
#include <unistd.h>

#include <fmt/format.h>

#include "pg/files.h"

namespace aurum::pg {

namespace {

constexpr model::Timeline kMostAtOnce = 1000;
constexpr std::string_view kReserved =
    "# Reserved by aurum: another member's promotion may have used this timeline.\n";

/// Every history file there is, and whether it is one of ours.
std::map<model::Timeline, bool> history_files(const fs::path& data_dir) {
  std::map<model::Timeline, bool> found;
  std::error_code ec;
  for (fs::directory_iterator it(data_dir / "pg_wal", ec), end; !ec && it != end;
       it.increment(ec)) {
    const std::string name = it->path().filename();
    if (name.size() != 16 || !name.ends_with(".history") ||
        name.find_first_not_of("0123456789ABCDEF") != 8)
      continue;
    const auto text = read_file(it->path());
    found[static_cast<model::Timeline>(std::stoul(name.substr(0, 8), nullptr, 16))] =
        text && *text == kReserved;
  }
  return found;
}

}  // namespace

fs::path history_file(const fs::path& data_dir, model::Timeline timeline) {
  return data_dir / "pg_wal" / fmt::format("{:08X}.history", timeline);
}

Status reserve_timelines(const fs::path& data_dir, model::Timeline own, model::Timeline above) {
  if (above <= own) return {};
  if (above - own > kMostAtOnce)
    return fail(
        Code::invalid,
        fmt::format("timeline {} is too far above this server's {} to be reserved", above, own),
        "Look at the key aurum_timeline in the store.");
  for (model::Timeline t = own + 1; t <= above; ++t) {
    const auto path = history_file(data_dir, t);
    std::error_code ec;
    if (fs::exists(path, ec)) continue;
    auto written = write_file(path, kReserved, file_mode(data_dir));
    if (!written) return fail(written.error());
  }
  return {};
}

bool has_reserved_timelines(const fs::path& data_dir) {
  const auto files = history_files(data_dir);
  return std::any_of(files.begin(), files.end(), [](const auto& file) { return file.second; });
}

Status release_timelines(const fs::path& data_dir, model::Timeline newest) {
  const auto files = history_files(data_dir);
  for (const auto& [timeline, reserved] : files)
    if (!reserved) newest = std::max(newest, timeline);
  bool removed = false;
  for (const auto& [timeline, reserved] : files) {
    if (!reserved || timeline <= newest) continue;
    if (::unlink(history_file(data_dir, timeline).c_str()) != 0)
      return fail(Code::io,
                  fmt::format("cannot remove {}", history_file(data_dir, timeline).string()));
    removed = true;
  }
  if (!removed) return {};
  return sync_directory(data_dir / "pg_wal");
}

}  // namespace aurum::pg
