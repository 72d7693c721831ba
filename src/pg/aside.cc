// Keeping a data directory that has to make room for a copy: the rows of a diverged primary may be
// the only trace of what it had not sent, so they are moved, not removed, where the disk has room.

#include "pg/aside.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "pg/files.h"
#include "pg/postgres.h"

namespace aurum::pg {

namespace fs = std::filesystem;

namespace {

std::string stamp() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::vector<fs::path> copies_of(const fs::path& dir) {
  std::vector<fs::path> copies;
  std::error_code ec;
  const std::string prefix = dir.filename().string() + ".aside-";
  for (const auto& entry : fs::directory_iterator(dir.parent_path(), ec)) {
    if (entry.path().filename().string().starts_with(prefix)) copies.push_back(entry.path());
  }
  std::sort(copies.begin(), copies.end());  // the stamp sorts by time
  return copies;
}

/// The new place; empty when it could not be moved and nothing was changed, with the reason in
/// `why_not`.
fs::path move_aside(const fs::path& data_dir, std::string& why_not) {
  const fs::path dir = data_dir.has_filename() ? data_dir : data_dir.parent_path();
  if (has_links(dir)) {
    why_not = "it has tablespaces, or its WAL, outside of it";
    return {};
  }
  std::error_code ec;
  const std::vector<fs::path> former = copies_of(dir);
  std::vector<std::uintmax_t> sizes;
  for (const auto& copy : former) sizes.push_back(bytes_below(copy));
  const fs::space_info space = fs::space(dir, ec);
  AsideRoom room{bytes_below(dir), space.available, space.capacity};
  if (ec) room = {};  // the disk does not tell: only the number counts
  const auto drop = copies_to_drop(sizes, room);
  if (!drop) {
    why_not = fmt::format("{} bytes are free, a new copy may take {}", room.available, room.used);
    return {};
  }
  const fs::perms mode = fs::status(dir, ec).permissions();
  const fs::path aside = dir.parent_path() / (dir.filename().string() + ".aside-" + stamp());
  fs::rename(dir, aside, ec);
  if (ec) {  // a mount point, or a parent that is not ours
    why_not = ec.message();
    return {};
  }
  fs::create_directory(dir, ec);
  if (ec) {
    why_not = ec.message();
    fs::rename(aside, dir, ec);
    return {};
  }
  fs::permissions(dir, mode, ec);
  for (std::size_t i = 0; i < *drop; ++i) fs::remove_all(former[i], ec);
  return aside;
}

}  // namespace

std::optional<std::size_t> copies_to_drop(std::span<const std::uintmax_t> copies,
                                          const AsideRoom& room) {
  const std::uintmax_t wanted = room.used + std::min(room.capacity / 10, room.used);
  std::uintmax_t free = room.available;
  std::size_t dropped = 0;
  while (dropped < copies.size() && (copies.size() - dropped >= kAsideMost || free < wanted))
    free += copies[dropped++];
  if (free < wanted) return std::nullopt;
  return dropped;
}

Task<Status> Postgres::set_aside(std::string why) {
  const auto dir = config_->pg.data_dir;
  auto server = co_await live_postmaster();
  if (server)
    co_return fail(Code::invalid, "PostgreSQL runs in " + dir.string() + ", its data is not moved");
  const auto what = co_await data_dir();
  if (what != model::DataDir::ready) {
    auto cleared = co_await clear_data(why);
    co_return cleared;
  }
  heartbeat_.reset();
  auto orphans = co_await end_orphans(seconds(10));
  if (!orphans) co_return orphans;
  std::string why_not;
  const auto moved =
      co_await runtime::in_pool(pool_, [dir, &why_not] { return move_aside(dir, why_not); });
  control_.reset();
  if (!moved.empty()) {
    log_.warn("set_aside",
              fmt::format("kept the old data directory as {}: {}", moved.string(), why));
    co_return Status{};
  }
  log_.warn("set_aside",
            fmt::format("the old data directory can not be kept ({}), removing it", why_not));
  auto cleared = co_await clear_data(why);
  co_return cleared;
}

}  // namespace aurum::pg
