#include "pg/volumes.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "pg/files.h"

namespace aurum::pg {
namespace {

fs::path ballast_of(const fs::path& data_dir) { return data_dir / "base" / kBallastFile; }
fs::path wal_ballast_of(const fs::path& data_dir) { return data_dir / "pg_wal" / kBallastFile; }

Result<model::Volume> look_at(const fs::path& dir, const fs::path& ballast) {
  struct statvfs facts{};
  if (::statvfs(dir.c_str(), &facts) != 0) return io_error("cannot look at", dir);
  model::Volume volume;
  volume.available = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  volume.capacity = std::uint64_t{facts.f_blocks} * facts.f_frsize;
  struct stat file{};
  if (::lstat(ballast.c_str(), &file) == 0 && S_ISREG(file.st_mode))
    volume.ballast = static_cast<std::uint64_t>(file.st_size);
  return volume;
}

Status drop(const fs::path& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return io_error("cannot remove", path);
}

/// Blocks that are really there: fallocate(2), or zeros written where the file system knows none.
Status hold(const fs::path& path, std::uint64_t size, mode_t mode) {
  if (size == 0) return drop(path);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0 && errno == EEXIST) return {};
  if (fd < 0) return io_error("cannot make", path);
  const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  ::close(fd);
  if (error == 0) return {};
  (void)drop(path);
  errno = error;
  return io_error("cannot hold room by", path);
}

}  // namespace

Result<model::DiskFacts> look_at_volumes(const fs::path& data_dir) {
  auto data = look_at(data_dir, ballast_of(data_dir));
  if (!data) return fail(data.error());
  model::DiskFacts facts{.data = *data, .wal = {}};
  const fs::path wal = data_dir / "pg_wal";
  if (!on_another_volume(data_dir, wal)) return facts;
  auto volume = look_at(wal, wal_ballast_of(data_dir));
  if (!volume) return fail(volume.error());
  facts.wal = *volume;
  return facts;
}

bool on_another_volume(const fs::path& a, const fs::path& b) {
  struct stat of_a{}, of_b{};
  return ::stat(a.c_str(), &of_a) == 0 && ::stat(b.c_str(), &of_b) == 0 &&
         of_a.st_dev != of_b.st_dev;
}

Status hold_ballast(const fs::path& data_dir, std::uint64_t data, std::uint64_t wal) {
  const mode_t mode = file_mode(data_dir);
  const Status first = hold(ballast_of(data_dir), data, mode);
  const Status second = hold(wal_ballast_of(data_dir), wal, mode);
  return first ? second : first;
}

}  // namespace aurum::pg
