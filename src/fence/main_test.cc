// The test program is also the guard's program, so that guards under test run with the same
// sanitizers. Without them it counts every allocation, in a page of a file that AURUM_TEST_COUNT
// names (GuardKillPath.allocates_nothing_from_the_deadline_to_the_end_of_the_kill).
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "fence/guard.h"

namespace {

std::atomic<std::uint64_t> own_count{0};
std::atomic<std::uint64_t>* count = &own_count;

/// From now on it can be read from outside.
void show_count(const char* file) {
  const int fd = ::open(file, O_RDWR | O_CLOEXEC);
  void* at = ::mmap(nullptr, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at != MAP_FAILED) count = static_cast<std::atomic<std::uint64_t>*>(at);
}

}  // namespace

// Sanitizers have an allocator of their own. operator new comes here as well.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
extern "C" {
void* __libc_malloc(std::size_t);                 // NOLINT: glibc's own
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT
void* malloc(std::size_t size) noexcept {
  ++*count;
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
  ++*count;
  return __libc_calloc(number, size);
}
void* realloc(void* at, std::size_t size) noexcept {
  ++*count;
  return __libc_realloc(at, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  ++*count;
  return __libc_memalign(alignment, size);
}
}
#endif

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "guard") {
    if (const char* file = std::getenv("AURUM_TEST_COUNT")) show_count(file);
    auto options =
        aurum::fence::parse_guard_options({argv + 2, static_cast<std::size_t>(argc - 2)});
    if (options) return aurum::fence::run_guard(*options);
    std::puts(options.error().text().c_str());
    return 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
