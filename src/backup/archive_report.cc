#include "backup/archive_report.h"

#include <sys/stat.h>

#include <fmt/format.h>

#include "backup/archive.h"
#include "backup/catalogue.h"
#include "backup/left_wal.h"

namespace aurum::backup {

namespace fs = std::filesystem;

std::uint64_t wal_segment_size(const fs::path& data_dir) {
  std::error_code ec;
  for (fs::directory_iterator it(data_dir / "pg_wal", ec), end; !ec && it != end; it.increment(ec))
    if (it->path().filename().string().size() == 24 && it->is_regular_file(ec)) {
      const auto size = it->file_size(ec);
      if (!ec && size >= (1U << 20)) return size;
    }
  return 16U << 20;
}

ArchiveReport read_archive_report(const fs::path& state_dir, const fs::path& data_dir,
                                  const fs::path& work_dir) {
  ArchiveReport out{.state = read_archive_state(state_dir, Way::push)};
  std::error_code ec;
  for (fs::directory_iterator it(data_dir / "pg_wal" / "archive_status", ec), end; !ec && it != end;
       it.increment(ec)) {
    if (it->path().extension() != ".ready") continue;
    out.waiting++;
    const auto file = it->path().stem().string();
    if (!out.oldest_waiting.empty() && file >= out.oldest_waiting) continue;
    out.oldest_waiting = file;
    struct stat facts{};
    if (::stat(it->path().c_str(), &facts) == 0)
      out.waiting_since.us = facts.st_mtim.tv_sec * 1'000'000 + facts.st_mtim.tv_nsec / 1000;
  }
  out.segment_size = wal_segment_size(data_dir);
  if (!work_dir.empty()) out.left = left_wal(work_dir).size();
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
  if (report.left > 0)
    out += fmt::format("archiving: {} more from before a change of roles wait\n", report.left);
  if (report.failing())
    out += fmt::format("archiving FAILS since {}, {} times: {}\n", moment(state.failing_since),
                       state.failures, state.error);
  return out;
}

}  // namespace aurum::backup
