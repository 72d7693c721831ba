#include "pg/write_probe.h"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>

#include "pg/files.h"
#include "pg/volumes.h"
#include "runtime/clock.h"

namespace aurum::pg {

namespace {

/// PostgreSQL's own: a table grows by it, an index, or the commit log.
constexpr off_t kPage = 8192;

/// What errno says of a step that failed.
Result<Room> judge(std::string_view doing, const fs::path& path) {
  if (errno == ENOSPC || errno == EDQUOT) return Room::none;
  return io_error(doing, path);
}

/// Another content each time, at the same place: the block is allocated once, and the file does not
/// grow.
Result<Room> overwrite(const fs::path& path, mode_t mode) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return judge("cannot open", path);
  char text[32] = {};
  const auto end = std::to_chars(text, text + sizeof text - 1, runtime::now().ns);
  *end.ptr = '\n';
  Result<Room> outcome = Room::enough;
  if (::pwrite(fd, text, sizeof text, 0) != static_cast<ssize_t>(sizeof text))
    outcome = judge("cannot write", path);
  else if (::fdatasync(fd) != 0)
    outcome = judge("cannot fsync", path);
  ::close(fd);
  return outcome;
}

/// Nothing here is fsynced, so that it joins the journal's next commit and asks for none. The file
/// has lost its name before it has a size: who is killed half-way leaves nothing behind.
Result<Room> allocate(const fs::path& path, mode_t mode) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return judge("cannot make", path);
  Result<Room> outcome = Room::enough;
  if (::unlink(path.c_str()) != 0) outcome = judge("cannot remove", path);
  int error = EINTR;
  while (error == EINTR) error = ::posix_fallocate(fd, 0, kPage);
  // A network file system may tell only here.
  if (::close(fd) != 0 && error == 0) error = errno;
  errno = error;
  if (error != 0 && outcome) outcome = judge("cannot allocate room for", path);
  return outcome;
}

Result<Room> probe_volume(const fs::path& dir, const char* file, mode_t mode) {
  auto written = overwrite(dir / file, mode);
  if (!written || *written == Room::none) return written;
  return allocate(dir / kRoomFile, mode);
}

}  // namespace

Result<Room> probe_writes(const fs::path& data_dir) {
  const mode_t mode = file_mode(data_dir);
  auto data = probe_volume(data_dir, kProbeFile, mode);
  const fs::path wal = data_dir / "pg_wal";
  if (!data || !on_another_volume(data_dir, wal)) return data;
  auto other = probe_volume(wal, kWalProbeFile, mode);
  if (!other || *other == Room::none) return other;
  return data;
}

}  // namespace aurum::pg
