#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "base/time.h"

namespace aurum::fence {

/// The lease page: one page on a tmpfs, mapped by the guard (owner), the agent's lease thread
/// (writer) and, at every commit, by aurum_fence in PostgreSQL (reader). Native byte order: it
/// never leaves the machine. What must stay true: `deadline_ns` only ever says what a renewal that
/// *was answered* allows (DESIGN §4).
struct LeasePage {
  static constexpr std::uint64_t kMagic = 0x3130656C6D727541;  // "Aurmle01"
  static constexpr std::uint32_t kVersion = 1;

  std::uint64_t magic;
  std::uint32_t version;
  std::atomic<std::uint32_t> state;  ///< core::PageState: 0 idle, 1 leased, 2 maintenance
  std::atomic<std::uint64_t> epoch;  ///< of the leadership the deadline belongs to
  std::atomic<std::int64_t>
      deadline_ns;                  ///< CLOCK_BOOTTIME; the primary may acknowledge until then
  std::atomic<std::int64_t> kills;  ///< how often the guard killed the server for a passed deadline
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

/// A mapping of the page file; unmapped by the destructor.
class LeasePageMap {
 public:
  /// Creates (mode 0600, parents exist) or opens the page at `path`; a page of another version is
  /// an error.
  static Result<LeasePageMap> open(const std::filesystem::path& path, bool create);
  LeasePageMap(LeasePageMap&& other) noexcept;
  LeasePageMap& operator=(LeasePageMap&& other) noexcept;
  ~LeasePageMap();
  LeasePage* operator->() const { return page_; }
  LeasePage& operator*() const { return *page_; }

 private:
  explicit LeasePageMap(LeasePage* page) : page_(page) {}
  LeasePage* page_ = nullptr;
};

}  // namespace aurum::fence
