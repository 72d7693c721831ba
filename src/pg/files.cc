#include "pg/files.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "runtime/descriptor.h"

namespace aurum::pg {

namespace {

using runtime::Descriptor;

Status write_all(int fd, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    const auto written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error("cannot write", path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

bool is_there(const fs::path& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

/// Names in a directory; Code::not_found when it is missing.
Result<std::vector<fs::path>> entries_of(const fs::path& dir) {
  std::error_code ec;
  std::vector<fs::path> out;
  fs::directory_iterator at(dir, ec);
  if (ec)
    return fail(ec == std::errc::no_such_file_or_directory ? Code::not_found
                : ec == std::errc::permission_denied       ? Code::permission
                                                           : Code::io,
                "cannot read directory " + dir.string() + ": " + ec.message());
  for (; at != fs::directory_iterator(); at.increment(ec)) {
    if (ec) return fail(Code::io, "cannot read directory " + dir.string() + ": " + ec.message());
    out.push_back(at->path());
  }
  return out;
}

/// Where the new content of a file is written, before it takes its place.
fs::path temporary_of(const fs::path& path) { return path.string() + ".aurum-tmp"; }

}  // namespace

tl::unexpected<Error> io_error(std::string_view doing, const fs::path& path) {
  const int error = errno;
  const auto code = error == EACCES || error == EPERM ? Code::permission
                    : error == ENOENT                 ? Code::not_found
                                                      : Code::io;
  return fail(code, std::string(doing) + " " + path.string() + ": " + std::strerror(error),
              error == ENOSPC ? "The disk is full: free space on it." : "");
}

Result<std::string> read_file(const fs::path& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return io_error("cannot open", path);
  std::string out;
  char buffer[16384];
  for (;;) {
    const auto n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("cannot read", path);
    if (n == 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

Status sync_directory(const fs::path& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return io_error("cannot open directory", path);
  if (::fsync(fd.get()) != 0) return io_error("cannot fsync directory", path);
  return {};
}

Result<bool> write_file(const fs::path& path, std::string_view content, mode_t mode) {
  struct stat info{};
  auto old = read_file(path);
  if (old && *old == content && ::stat(path.c_str(), &info) == 0 && (info.st_mode & 07777) == mode)
    return false;
  const fs::path temporary = temporary_of(path);
  ::unlink(temporary.c_str());
  {
    Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return io_error("cannot create", temporary);
    auto written = write_all(fd.get(), content, temporary);
    if (written && ::fchmod(fd.get(), mode) != 0)
      written = io_error("cannot set the mode of", temporary);
    if (written && ::fsync(fd.get()) != 0) written = io_error("cannot fsync", temporary);
    if (!written) {
      ::unlink(temporary.c_str());
      return fail(written.error());
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    auto error = io_error("cannot replace", path);
    ::unlink(temporary.c_str());
    return error;
  }
  auto synced = sync_directory(path.has_parent_path() ? path.parent_path() : fs::path("."));
  if (!synced) return fail(synced.error());
  return true;
}

mode_t file_mode(const fs::path& data_dir) {
  struct stat info{};
  if (::stat(data_dir.c_str(), &info) != 0) return 0600;
  return (info.st_mode & S_IRGRP) ? 0640 : 0600;
}

fs::path outer_marker(const fs::path& data_dir) {
  auto plain = data_dir.has_filename() ? data_dir : data_dir.parent_path();
  return plain.parent_path() / ("." + plain.filename().string() + ".aurum-incomplete");
}

namespace {
constexpr std::string_view kMethodPrefix = "bootstrap.";
}  // namespace

Status begin_custom_founding(const fs::path& data_dir, const std::string& method) {
  auto written =
      write_file(outer_marker(data_dir), std::string(kMethodPrefix) + method + "\n", 0600);
  if (!written) return fail(written.error());
  return {};
}

bool is_custom_founding(const fs::path& data_dir) {
  const auto text = read_file(outer_marker(data_dir));
  return text && text->starts_with(kMethodPrefix);
}

model::DataDir inspect_data_dir(const fs::path& data_dir) {
  auto entries = entries_of(data_dir);
  if (!entries)
    return entries.error().code == Code::not_found ? model::DataDir::empty
                                                   : model::DataDir::foreign;
  if (entries->empty()) return model::DataDir::empty;
  if (is_there(data_dir / kMarker) || is_there(outer_marker(data_dir)))
    return model::DataDir::incomplete;
  // The marker is being written, or that was cut short: nothing else was there before it.
  if (entries->size() == 1 && entries->front().filename() == temporary_of(kMarker))
    return model::DataDir::incomplete;
  if (is_there(data_dir / "PG_VERSION") && is_there(data_dir / "global" / "pg_control"))
    return model::DataDir::ready;
  return model::DataDir::foreign;
}

Result<int> major_version(const fs::path& data_dir) {
  auto text = read_file(data_dir / "PG_VERSION");
  if (!text) return fail(text.error());
  int version = 0;
  auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), version);
  if (ec != std::errc() || version <= 0)
    return fail(Code::invalid, (data_dir / "PG_VERSION").string() + " holds no version");
  return version;
}

Status make_data_dir(const fs::path& data_dir) {
  if (is_there(data_dir)) return {};
  std::error_code ec;
  if (data_dir.has_parent_path()) fs::create_directories(data_dir.parent_path(), ec);
  if (::mkdir(data_dir.c_str(), 0700) != 0 && errno != EEXIST)
    return io_error("cannot create directory", data_dir);
  return {};
}

Status mark_incomplete(const fs::path& data_dir, std::string_view what) {
  auto written = write_file(data_dir / kMarker, std::string(what) + "\n", 0600);
  if (!written) return fail(written.error());
  return {};
}

Status mark_complete(const fs::path& data_dir) {
  auto synced = sync_directory(data_dir);
  if (!synced) return synced;
  if (::unlink((data_dir / kMarker).c_str()) != 0 && errno != ENOENT)
    return io_error("cannot remove", data_dir / kMarker);
  return sync_directory(data_dir);
}

Status begin_founding(const fs::path& data_dir) {
  auto written =
      write_file(data_dir / kFounding, "the store does not know this cluster yet\n", 0600);
  if (!written) return fail(written.error());
  return {};
}

Status end_founding(const fs::path& data_dir) {
  if (::unlink((data_dir / kFounding).c_str()) == 0) return sync_directory(data_dir);
  if (errno == ENOENT) return {};
  return io_error("cannot remove", data_dir / kFounding);
}

bool is_founding(const fs::path& data_dir) { return is_there(data_dir / kFounding); }

namespace {

Status refuse_relative_links(const fs::path& dir) {
  std::error_code ec;
  for (const fs::path& place : {dir, dir / "pg_tblspc"}) {
    auto entries = entries_of(place);
    if (!entries) continue;
    for (const auto& entry : *entries)
      if (fs::is_symlink(entry, ec) && fs::read_symlink(entry, ec).is_relative())
        return fail(Code::invalid, entry.string() + " is a relative symbolic link",
                    "Make it an absolute one, so that the data directory can be worked on safely.");
  }
  return {};
}

Status move_all(const fs::path& from, const fs::path& to) {
  auto entries = entries_of(from);
  if (!entries) return fail(entries.error());
  std::vector<fs::path> moved;
  for (const auto& entry : *entries) {
    const auto name = entry.filename();
    if (name == kMarker || name == kStaging) continue;
    if (::rename(entry.c_str(), (to / name).c_str()) == 0) {
      moved.push_back(name);
      continue;
    }
    auto error = io_error("cannot move", entry);
    for (const auto& back : moved) ::rename((to / back).c_str(), (from / back).c_str());
    return error;
  }
  auto synced = sync_directory(to);
  if (!synced) return synced;
  return sync_directory(from);
}

}  // namespace

Status move_out_of_staging(const fs::path& data_dir) {
  const auto staging = data_dir / kStaging;
  struct stat info{};
  // The mode tells whether the group may read (initdb --allow-group-access); PostgreSQL checks it.
  if (::stat(staging.c_str(), &info) == 0) ::chmod(data_dir.c_str(), info.st_mode & 0750);
  auto links = refuse_relative_links(staging);
  if (!links) return links;
  auto moved = move_all(staging, data_dir);
  if (!moved) return moved;
  if (::rmdir(staging.c_str()) != 0) return io_error("cannot remove", staging);
  return {};
}

Status move_into_staging(const fs::path& data_dir) {
  const auto staging = data_dir / kStaging;
  struct stat info{};
  if (::stat(data_dir.c_str(), &info) != 0) return io_error("cannot read", data_dir);
  auto links = refuse_relative_links(data_dir);
  if (!links) return links;
  if (::mkdir(staging.c_str(), info.st_mode & 0750) != 0 && errno != EEXIST)
    return io_error("cannot create directory", staging);
  return move_all(data_dir, staging);
}

namespace {

Status remove_tree(const fs::path& path) {
  std::error_code ec;
  fs::remove_all(path, ec);
  if (ec) return fail(Code::io, "cannot remove " + path.string() + ": " + ec.message());
  return {};
}

/// What lies outside and is reached by links only: the WAL directory's content, and in each
/// tablespace the directories PostgreSQL made there (PG_<version>_<catalog>).
Status remove_linked(const fs::path& dir) {
  std::error_code ec;
  if (fs::is_symlink(dir / "pg_wal", ec)) {
    auto entries = entries_of(dir / "pg_wal");
    if (entries)
      for (const auto& entry : *entries) {
        auto removed = remove_tree(entry);
        if (!removed) return removed;
      }
  }
  auto spaces = entries_of(dir / "pg_tblspc");
  if (!spaces) return {};
  for (const auto& space : *spaces) {
    if (!fs::is_symlink(space, ec)) continue;
    auto entries = entries_of(space);
    if (!entries) continue;
    for (const auto& entry : *entries)
      if (entry.filename().string().starts_with("PG_")) {
        auto removed = remove_tree(entry);
        if (!removed) return removed;
      }
  }
  return {};
}

}  // namespace

Status clear_directory(const fs::path& data_dir, std::string_view why) {
  const auto what = inspect_data_dir(data_dir);
  if (what == model::DataDir::empty) {
    ::unlink(outer_marker(data_dir).c_str());
    return {};
  }
  if (what == model::DataDir::foreign)
    return fail(Code::invalid,
                data_dir.string() + " holds files that are not a PostgreSQL data directory",
                "Look at them, and move them away if they are not needed; nothing was removed.");
  auto marked = mark_incomplete(data_dir, "being removed: " + std::string(why));
  if (!marked) return marked;
  for (const fs::path& place : {data_dir, data_dir / kStaging}) {
    auto removed = remove_linked(place);
    if (!removed) return removed;
  }
  auto entries = entries_of(data_dir);
  if (!entries) return fail(entries.error());
  for (const auto& entry : *entries) {
    if (entry.filename() == kMarker) continue;
    auto removed = remove_tree(entry);
    if (!removed) return removed;
  }
  ::unlink(outer_marker(data_dir).c_str());
  return mark_complete(data_dir);
}

bool has_links(const fs::path& data_dir) {
  std::error_code ec;
  if (fs::is_symlink(data_dir / "pg_wal", ec)) return true;
  for (fs::directory_iterator it(data_dir / "pg_tblspc", ec), end; !ec && it != end;
       it.increment(ec))
    if (it->is_symlink(ec)) return true;
  return false;
}

std::uintmax_t bytes_below(const fs::path& dir) {
  std::uintmax_t bytes = 0;
  std::error_code ec;
  for (fs::recursive_directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec)) {
    std::error_code file;
    if (it->is_regular_file(file) && !it->is_symlink(file)) bytes += it->file_size(file);
  }
  return bytes;
}

}  // namespace aurum::pg
