#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aurum::model {

/// A byte position in PostgreSQL's WAL (pg_lsn). 0 is "none".
struct Lsn {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(Lsn, Lsn) = default;
  explicit constexpr operator bool() const { return value != 0; }
};

/// "0/3000060": upper-case hexadecimal without padding, as PostgreSQL prints it.
std::string to_string(Lsn lsn);
/// Reads "X/X"; anything else is Code::invalid.
Result<Lsn> parse_lsn(std::string_view text);

/// A PostgreSQL timeline; 0 is "unknown".
using Timeline = std::uint32_t;

}  // namespace aurum::model
