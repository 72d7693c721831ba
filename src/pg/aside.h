#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

/// How much of a disk old data directories may take (aside.cc).
namespace aurum::pg {

/// Copies of a data directory set aside that are kept, at most.
inline constexpr std::size_t kAsideMost = 2;

struct AsideRoom {
  std::uintmax_t used = 0;       ///< by the data directory; a new copy of the leader takes as much
  std::uintmax_t available = 0;  ///< on its disk
  std::uintmax_t capacity = 0;   ///< of its disk
};

/// How many of the former copies, whose sizes are given oldest first, have to go when this data
/// directory is set aside as well: no more than kAsideMost are kept, and the
/// database may still double, or grow by a tenth of the disk. The newest goes before older ones;
/// unset: there is no room even for it alone.
std::optional<std::size_t> copies_to_drop(std::span<const std::uintmax_t> copies,
                                          const AsideRoom& room);

}  // namespace aurum::pg
