#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

/// How much room a node's volumes have, and how the `aurum.disk` section judges it. Pure.
namespace aurum::model {

/// A file system, in bytes, as statvfs(3) has them.
struct Volume {
  std::uint64_t available = 0;  ///< to a user without privileges
  std::uint64_t capacity = 0;   ///< 0 = not known: never judged
  std::uint64_t ballast = 0;    ///< held by our ballast file there
  friend bool operator==(const Volume&, const Volume&) = default;
};

struct DiskFacts {
  Volume data;
  std::optional<Volume> wal;  ///< where pg_wal lies on another one
  friend bool operator==(const DiskFacts&, const DiskFacts&) = default;
};

enum class DiskLevel {
  ok,
  low,       ///< somebody should look
  critical,  ///< PostgreSQL will stop soon
};
std::string_view to_string(DiskLevel level);
/// What is none counts as ok: a Patroni tells nothing.
DiskLevel parse_disk_level(std::string_view text);

/// A share of the volume, a number of bytes, or the smaller of both; 0 = not said.
struct DiskLimit {
  double percent = 0;
  std::uint64_t bytes = 0;
  std::uint64_t of(const Volume& volume) const;
  friend bool operator==(const DiskLimit&, const DiskLimit&) = default;
};
/// "10%", "20GB" (kB, MB, GB, TB: powers of 1024, as in postgresql.conf).
Result<DiskLimit> parse_disk_limit(std::string_view text);
/// "20 GB", "512 MB", in the units that limits are said in: a whole number that loses little.
std::string size_text(std::uint64_t bytes);

/// `aurum.disk`.
struct DiskConfig {
  DiskLimit low{.percent = 10, .bytes = std::uint64_t{20} << 30};
  DiskLimit critical{.percent = 2, .bytes = std::uint64_t{4} << 30};
  std::uint64_t ballast = std::uint64_t{256} << 20;  ///< at most a hundredth of the volume; 0: none
  bool hand_over = true;
  friend bool operator==(const DiskConfig&, const DiskConfig&) = default;
};

/// The worse of the volumes'. A level is left only a quarter above its limit, so that it does not
/// come and go; the files themselves breathe (checkpoints, temporary files).
DiskLevel disk_level(const DiskFacts& facts, const DiskConfig& config, DiskLevel before);

/// How large the ballast of a volume shall be: 0 while it is critical, else as it is, or what is
/// configured once that leaves the volume well above its limits.
std::uint64_t ballast_wanted(const Volume& volume, const DiskConfig& config, DiskLevel level);

/// "3 GB of 100 GB are left on the data volume", of the volume that is worse off.
std::string room_text(const DiskFacts& facts);

}  // namespace aurum::model
