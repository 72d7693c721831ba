#include "fence/lease_page.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace aurum::fence {

namespace {

constexpr std::size_t kPageSize = AURUM_LEASE_PAGE_SIZE;
constexpr const char* kRemove =
    "Make sure that no PostgreSQL of this cluster runs here, then remove the file.";

auto failed(const char* what, const std::filesystem::path& path, int why) {
  return fail(why == EACCES || why == EPERM ? Code::permission : Code::io,
              std::string(what) + " lease page " + path.string() + ": " + std::strerror(why));
}

LeasePage* map(int fd) {
  void* at = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (at == MAP_FAILED) return nullptr;
  ::mlock(at, kPageSize);  // where permitted
  return static_cast<LeasePage*>(at);
}

/// A page without a deadline, in a file that appears under its name only when it is complete. A
/// page that is there already is kept: PostgreSQL may have it mapped.
int create_page(const std::filesystem::path& path) {
  std::string fresh = path.string() + "." + std::to_string(::getpid());
  ::unlink(fresh.c_str());
  int fd = ::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  int why = ::posix_fallocate(fd, 0, kPageSize);  // memory now, not SIGBUS later
  LeasePage* page = why == 0 ? map(fd) : nullptr;
  if (why == 0 && page == nullptr) why = errno;
  if (page != nullptr) {
    std::construct_at(page, LeasePage::kMagic, LeasePage::kVersion, 0U, 0U, 0, 0);
    ::munmap(page, kPageSize);
  }
  if (why == 0 && ::link(fresh.c_str(), path.c_str()) != 0 && errno != EEXIST) why = errno;
  ::unlink(fresh.c_str());
  ::close(fd);
  return why;
}

Status check_file(int fd, const std::filesystem::path& path) {
  struct stat facts{};
  if (::fstat(fd, &facts) != 0) return failed("cannot examine", path, errno);
  if (!S_ISREG(facts.st_mode))
    return fail(Code::invalid, "lease page " + path.string() + " is not a file", kRemove);
  if (facts.st_uid != ::geteuid())
    return fail(
        Code::permission,
        "lease page " + path.string() + " belongs to user " + std::to_string(facts.st_uid),
        "Run guard, agent and PostgreSQL as the same user, or choose another run directory.");
  if ((facts.st_mode & 077) != 0)
    return fail(Code::permission, "lease page " + path.string() + " is open to other users",
                kRemove);
  if (facts.st_size < static_cast<off_t>(kPageSize))
    return fail(Code::invalid, "lease page " + path.string() + " is too short", kRemove);
  return {};
}

}  // namespace

Result<LeasePageMap> LeasePageMap::open(const std::filesystem::path& path, bool create) {
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT && create) {
    if (int why = create_page(path); why != 0) return failed("cannot create", path, why);
    fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  }
  if (fd < 0 && errno == ENOENT)
    return fail(Code::not_found, "there is no lease page " + path.string(),
                "The guard makes it: start the guard.");
  if (fd < 0 && errno == ELOOP)
    return fail(Code::invalid, "lease page " + path.string() + " is a symbolic link", kRemove);
  if (fd < 0) return failed("cannot open", path, errno);

  auto good = check_file(fd, path);
  LeasePage* page = good ? map(fd) : nullptr;
  int why = errno;
  ::close(fd);
  if (!good) return fail(good.error());
  if (page == nullptr) return failed("cannot map", path, why);
  LeasePageMap mapping(page);
  if (page->magic != LeasePage::kMagic)
    return fail(Code::invalid, path.string() + " is not a lease page", kRemove);
  if (page->version != LeasePage::kVersion)
    return fail(Code::invalid,
                "lease page " + path.string() + " has version " + std::to_string(page->version) +
                    ", not " + std::to_string(LeasePage::kVersion),
                "It was made by another version of aurum: stop PostgreSQL and its guard, then "
                "remove the file.");
  return mapping;
}

LeasePageMap::LeasePageMap(LeasePageMap&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)) {}

LeasePageMap& LeasePageMap::operator=(LeasePageMap&& other) noexcept {
  std::swap(page_, other.page_);
  return *this;
}

LeasePageMap::~LeasePageMap() {
  if (page_ != nullptr) ::munmap(page_, kPageSize);
}

}  // namespace aurum::fence
