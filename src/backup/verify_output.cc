#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "backup/pgbackrest.h"

/// pgBackRest 2.45 ends with 0 whatever it finds: what it prints has to be read.
namespace aurum::backup {
namespace {

constexpr std::size_t kNamed = 5;

/// The text between `from` and `to` (or the line's end); "" when `from` is not there.
std::string_view between(std::string_view line, std::string_view from, std::string_view to) {
  const auto at = line.find(from);
  if (at == line.npos) return {};
  line.remove_prefix(at + from.size());
  return line.substr(0, line.find(to));
}

/// A range of WAL without a hole: "archiveId: 15-1, wal start: …, wal stop: …".
struct Range {
  std::string_view archive, start, stop;
};

struct Verified {
  std::vector<std::string> wrong;
  bool error = false;
  Range last;

  void add(std::string_view line) {
    for (std::string_view word : {"invalid result ", "invalid checksum ", "invalid size ",
                                  "missing file ", "file missing "})
      if (const auto what = between(line, word, "\n"); !what.empty())
        wrong.push_back(fmt::format("{}{}", word, what));
    if (line.find("status: error") != line.npos) error = true;
    const Range range{between(line, "archiveId: ", ","), between(line, "wal start: ", ","),
                      between(line, "wal stop: ", ",")};
    if (range.start.empty() || range.stop.empty()) return;
    const bool same_timeline = range.start.substr(0, 8) == last.stop.substr(0, 8);
    if (!last.archive.empty() && range.archive == last.archive && same_timeline)
      wrong.push_back(fmt::format("WAL is missing between {} and {}", last.stop, range.start));
    last = range;
  }
};

}  // namespace

std::string verify_findings(std::string_view output) {
  Verified verified;
  while (!output.empty()) {
    const auto line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(line.size() + 1, output.size()));
    verified.add(line);
  }
  const auto count = verified.wrong.size();
  if (count == 0) return verified.error ? "the repository has errors" : "";
  verified.wrong.resize(std::min(count, kNamed));
  return fmt::format("{}{}", fmt::join(verified.wrong, "; "),
                     count > kNamed ? fmt::format("; and {} more", count - kNamed) : "");
}

}  // namespace aurum::backup
