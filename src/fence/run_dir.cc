#include "fence/run_dir.h"

#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fence/protocol.h"

namespace aurum::fence {

namespace {

/// A socket's path has at most 107 bytes (unix(7)).
constexpr std::size_t kLongestName = 60;

std::string file_name(std::string_view scope, std::string_view name) {
  std::string whole = std::string(scope) + "-" + std::string(name);
  std::string out;
  for (char c : whole) {
    bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("_.-").contains(c);
    out += plain ? c : '_';
  }
  if (out == whole && out.size() <= kLongestName) return out;
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a keeps different members apart
  for (char c : whole) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  char text[24];
  std::snprintf(text, sizeof text, "-%016llx", static_cast<unsigned long long>(hash));
  return out.substr(0, kLongestName - 17) + text;
}

Status make_private(const std::filesystem::path& dir) {
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(Code::io, "cannot create " + dir.string() + ": " + std::strerror(errno));
  struct stat facts{};
  if (::lstat(dir.c_str(), &facts) != 0)
    return fail(Code::io, "cannot examine " + dir.string() + ": " + std::strerror(errno));
  if (!S_ISDIR(facts.st_mode)) return fail(Code::invalid, dir.string() + " is not a directory");
  if (facts.st_uid != ::geteuid())
    return fail(Code::permission, dir.string() + " belongs to user " + std::to_string(facts.st_uid),
                "Remove it, or start aurum as that user.");
  if ((facts.st_mode & 077) != 0 && ::chmod(dir.c_str(), 0700) != 0)
    return fail(Code::io, "cannot make " + dir.string() + " private: " + std::strerror(errno));
  return {};
}

bool on_tmpfs(const std::filesystem::path& dir) {
  struct statfs facts{};
  return ::statfs(dir.c_str(), &facts) == 0 &&
         (facts.f_type == TMPFS_MAGIC || facts.f_type == RAMFS_MAGIC);
}

/// The base is made too when only it is missing. A shared base (such as /run/aurum made by a
/// package) may be another's.
Status prepare(const std::filesystem::path& base, const std::filesystem::path& dir) {
  bool shared = base.filename() == "aurum";
  if (shared && ::mkdir(base.c_str(), 0755) != 0 && errno != EEXIST)
    return fail(Code::io, "cannot create " + base.string() + ": " + std::strerror(errno));
  if (!shared) {
    auto made = make_private(base);
    if (!made) return made;
  }
  return make_private(dir);
}

}  // namespace

Result<RunDir> choose_run_dir(std::string_view scope, std::string_view name,
                              std::vector<std::filesystem::path> bases) {
  if (bases.empty()) bases = {"/run/aurum", "/dev/shm/aurum-" + std::to_string(::geteuid())};
  auto last = file_name(scope, name);
  std::vector<std::filesystem::path> usable;
  Error why{Code::io, "no directory for the lease page", {}};
  for (const auto& base : bases) {
    auto prepared = prepare(base, base / last);
    if (prepared)
      usable.push_back(base / last);
    else
      why = prepared.error();
  }
  if (usable.empty()) return fail(why.within("no place for the guard's lease page"));
  for (const auto& dir : usable)
    if (::access((dir / kSocketName).c_str(), F_OK) == 0) return RunDir{dir, {}};
  for (const auto& dir : usable)
    if (on_tmpfs(dir)) return RunDir{dir, {}};
  return RunDir{usable.front(),
                usable.front().string() + " is not on a tmpfs: a busy disk can delay commits"};
}

Result<RunDirLock> RunDirLock::take(const std::filesystem::path& run_dir) {
  const auto file = run_dir / "agent.lock";
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::io, "cannot open " + file.string() + ": " + std::strerror(errno));
  RunDirLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK)
    return fail(Code::io, "cannot lock " + file.string() + ": " + std::strerror(errno));
  return fail(Code::exists, "another agent works in " + run_dir.string(),
              "Two clusters with members of one scope and name on one machine need an "
              "aurum.run_dir each.");
}

RunDirLock::~RunDirLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace aurum::fence
