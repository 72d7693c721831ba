#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "base/time.h"
#include "fence/lease_page_layout.h"

namespace aurum::fence {

/// The lease page: one page on a tmpfs, mapped by the guard (owner), the agent's lease thread
/// (writer) and, at every commit, by aurum_fence in PostgreSQL (reader). Native byte order: it
/// never leaves the machine. What must stay true: `deadline_ns` only ever says what a renewal that
/// *was answered* allows (DESIGN §4).
struct LeasePage {
  static constexpr std::uint64_t kMagic = AURUM_LEASE_PAGE_MAGIC;
  static constexpr std::uint32_t kVersion = AURUM_LEASE_PAGE_VERSION;

  std::uint64_t magic;
  std::uint32_t version;
  std::atomic<std::uint32_t> state;  ///< core::PageState: 0 idle, 1 leased, 2 maintenance
  std::atomic<std::uint64_t> epoch;  ///< of the leadership the deadline belongs to
  std::atomic<std::int64_t>
      deadline_ns;                  ///< CLOCK_BOOTTIME; the primary may acknowledge until then
  std::atomic<std::int64_t> kills;  ///< how often the guard killed the server for a passed deadline
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

// PostgreSQL reads the same bytes by the C header.
static_assert(sizeof(LeasePage) == sizeof(AurumLeasePage) && sizeof(LeasePage) == 40);
static_assert(offsetof(LeasePage, magic) == 0 && offsetof(AurumLeasePage, magic) == 0);
static_assert(offsetof(LeasePage, version) == 8 && offsetof(AurumLeasePage, version) == 8);
static_assert(offsetof(LeasePage, state) == 12 && offsetof(AurumLeasePage, state) == 12);
static_assert(offsetof(LeasePage, epoch) == 16 && offsetof(AurumLeasePage, epoch) == 16);
static_assert(offsetof(LeasePage, deadline_ns) == 24 &&
              offsetof(AurumLeasePage, deadline_ns) == 24);
static_assert(offsetof(LeasePage, kills) == 32 && offsetof(AurumLeasePage, kills) == 32);

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
