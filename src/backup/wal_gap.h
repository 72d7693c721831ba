#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/lsn.h"

/// Which WAL an archive lacks. Pure.
namespace aurum::backup {

/// "000000010000000A000000FF".
std::string segment_name(model::Timeline timeline, std::uint64_t number,
                         std::uint64_t segment_size);
/// The number of the segment that holds this position.
std::uint64_t segment_number(model::Lsn position, std::uint64_t segment_size);
/// Of a name; nothing for another kind of file.
struct Segment {
  model::Timeline timeline = 0;
  std::uint64_t number = 0;
};
bool parse_segment(std::string_view name, std::uint64_t segment_size, Segment& out);

/// All segments of a timeline from `first` on that lie wholly before `end`, less those in `present`
/// (names of the archive, with what pgBackRest adds to them).
std::vector<std::string> missing_segments(model::Timeline timeline, std::uint64_t first,
                                          model::Lsn end, std::uint64_t segment_size,
                                          const std::vector<std::string>& present);
/// "000…3" or "000…3 to 000…7 (5 files)".
std::string gap_text(const std::vector<std::string>& missing);

}  // namespace aurum::backup
