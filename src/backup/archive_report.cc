#include "backup/archive_report.h"

#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "backup/archive.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

std::string moment(WallTime at) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(static_cast<std::time_t>(at.us / 1'000'000)));
}

}  // namespace

ArchiveReport read_archive_report(const fs::path& state_dir, const fs::path& data_dir) {
  ArchiveReport out{.state = read_archive_state(state_dir, Way::push)};
  std::error_code ec;
  for (fs::directory_iterator it(data_dir / "pg_wal" / "archive_status", ec), end; !ec && it != end;
       it.increment(ec)) {
    if (it->path().extension() != ".ready") continue;
    out.waiting++;
    const auto file = it->path().stem().string();
    if (out.oldest_waiting.empty() || file < out.oldest_waiting) out.oldest_waiting = file;
  }
  return out;
}

std::string render_archive_report(const ArchiveReport& report) {
  const auto& state = report.state;
  std::string out = state.ok_file.empty()
                        ? "archiving: nothing yet on this node"
                        : fmt::format("archiving: {} at {}", state.ok_file, moment(state.ok_at));
  if (report.waiting > 0)
    out += fmt::format("; {} waiting from {} on", report.waiting, report.oldest_waiting);
  out += "\n";
  if (report.failing())
    out += fmt::format("archiving FAILS since {}, {} times: {}\n", moment(state.failing_since),
                       state.failures, state.error);
  return out;
}

}  // namespace aurum::backup
