#include "backup/kept_data.h"

#include <sys/stat.h>
#include <system_error>

#include <fmt/format.h>

#include "model/restore.h"
#include "pg/files.h"
#include "pg/render.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

std::string bytes(std::uintmax_t count) { return pg::human_bytes(static_cast<double>(count)); }

bool is_mount_point(const fs::path& dir) {
  struct stat own{}, parent{};
  return ::stat(dir.c_str(), &own) == 0 && ::stat(dir.parent_path().c_str(), &parent) == 0 &&
         own.st_dev != parent.st_dev;
}

Status io(const std::string& what, const std::error_code& ec) {
  return fail(Code::io, fmt::format("{}: {}", what, ec.message()));
}

}  // namespace

fs::path kept_path(const fs::path& data_dir, const std::string& id) {
  const fs::path dir = data_dir.has_filename() ? data_dir : data_dir.parent_path();
  return dir.parent_path() / (dir.filename().string() + ".before-restore-" + id);
}

Status can_keep_data(const fs::path& data_dir, std::int64_t size) {
  const auto refuse = [](std::string why) {
    return fail(Code::rejected, "the old data directory can not be kept: " + why,
                "Make room, restore another member with --node, or give the old data up with "
                "--discard-old-data.");
  };
  if (pg::has_links(data_dir)) return refuse("it has tablespaces, or its WAL, outside of it");
  if (is_mount_point(data_dir)) return refuse(data_dir.string() + " is a mount point");
  std::error_code ec;
  const fs::space_info space = fs::space(data_dir.parent_path(), ec);
  const auto wanted = static_cast<std::uintmax_t>(size) + static_cast<std::uintmax_t>(size) / 10;
  if (!ec && space.available < wanted)
    return refuse(fmt::format("{} are free, a copy beside it takes {}", bytes(space.available),
                              bytes(wanted)));
  return {};
}

Status has_room_in_place(const fs::path& data_dir, std::int64_t size) {
  std::error_code ec;
  const bool there = fs::exists(data_dir, ec);
  const fs::space_info space = fs::space(there ? data_dir : data_dir.parent_path(), ec);
  const auto wanted = static_cast<std::uintmax_t>(size) + static_cast<std::uintmax_t>(size) / 20;
  if (ec || space.available >= wanted || space.available + pg::bytes_below(data_dir) >= wanted)
    return {};
  return fail(Code::rejected,
              fmt::format("{} has room for {}, the backup takes {}", data_dir.string(),
                          bytes(space.available + pg::bytes_below(data_dir)), bytes(wanted)),
              "Make room, or restore another member with --node.");
}

Result<std::string> keep_data(const fs::path& data_dir, const std::string& id, std::int64_t size) {
  const fs::path kept = kept_path(data_dir, id);
  std::error_code ec;
  if (!fs::exists(kept, ec)) {
    if (pg::inspect_data_dir(data_dir) != model::DataDir::ready) return kNothingKept;
    if (!can_keep_data(data_dir, size)) return std::string(model::kInPlace);
    fs::rename(data_dir, kept, ec);
    if (ec) return std::string(model::kInPlace);
    const auto synced = pg::sync_directory(kept.parent_path());
    if (!synced) return fail(synced.error());
  }
  const auto made = pg::make_data_dir(data_dir);
  if (!made) return fail(made.error());
  return kept.string();
}

Status take_back_data(const fs::path& data_dir, const std::string& id) {
  const fs::path kept = kept_path(data_dir, id);
  std::error_code ec;
  if (!fs::exists(kept, ec)) return {};
  // What is there now stays half-removed, and marked so, if this is cut off.
  if (fs::exists(data_dir, ec)) {
    const auto cleared = pg::clear_directory(data_dir, "the restore is undone");
    if (!cleared) return cleared;
    fs::remove(data_dir, ec);
    if (ec) return io("cannot remove " + data_dir.string(), ec);
  }
  fs::rename(kept, data_dir, ec);
  if (ec) return io("cannot move " + kept.string() + " back", ec);
  return pg::sync_directory(kept.parent_path());
}

Status forget_data(const fs::path& data_dir, const std::string& id) {
  std::error_code ec;
  fs::remove_all(kept_path(data_dir, id), ec);
  if (ec) return io("cannot remove " + kept_path(data_dir, id).string(), ec);
  return {};
}

}  // namespace aurum::backup
