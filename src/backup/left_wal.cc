#include "backup/left_wal.h"

#include <algorithm>
#include <string>
#include <sys/stat.h>

#include <fmt/format.h>

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

bool is_hex(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
  });
}

/// A copy, not a link: PostgreSQL recycles segments by writing over them.
Status take(const fs::path& from, const fs::path& to) {
  std::error_code ec;
  if (fs::exists(to, ec)) return {};
  const auto temporary = to.string() + ".new";
  fs::copy_file(from, temporary, fs::copy_options::overwrite_existing, ec);
  if (!ec) fs::rename(temporary, to, ec);
  if (!ec) return {};
  return fail(Code::io, fmt::format("cannot keep {}: {}", from.string(), ec.message()),
              "Make room beside the data directory, or archive the file by hand.");
}

Result<fs::path> left_folder(const fs::path& work_dir) {
  const auto folder = work_dir / "left";
  std::error_code ec;
  fs::create_directories(folder, ec);
  if (ec) return fail(Code::io, fmt::format("cannot make {}: {}", folder.string(), ec.message()));
  ::chmod(folder.c_str(), 0700);
  return folder;
}

}  // namespace

bool is_archived_name(std::string_view name) {
  const auto dot = name.find('.');
  const auto base = name.substr(0, dot);
  if (!is_hex(base)) return false;
  const auto rest = dot == name.npos ? std::string_view() : name.substr(dot);
  if (base.size() == 8) return rest == ".history";
  return base.size() == 24 &&
         (rest.empty() || rest == ".partial" ||
          (rest.size() == 16 && rest.ends_with(".backup") && is_hex(rest.substr(1, 8))));
}

Result<std::size_t> keep_left_wal(const fs::path& data_dir, const fs::path& work_dir,
                                  std::size_t limit) {
  const auto wal = data_dir / "pg_wal";
  std::vector<std::string> names;
  std::error_code ec;
  for (fs::directory_iterator it(wal / "archive_status", ec), end; !ec && it != end;
       it.increment(ec)) {
    if (it->path().extension() != ".ready") continue;
    if (auto name = it->path().stem().string(); is_archived_name(name))
      names.push_back(std::move(name));
  }
  if (names.empty()) return 0;
  std::ranges::sort(names);
  names.resize(std::min(names.size(), limit));
  const auto missing = keep_wal(data_dir, work_dir, names);
  if (!missing) return fail(missing.error());
  return names.size() - missing->size();
}

Result<std::vector<std::string>> keep_wal(const fs::path& data_dir, const fs::path& work_dir,
                                          const std::vector<std::string>& names) {
  const auto folder = left_folder(work_dir);
  if (!folder) return fail(folder.error());
  std::vector<std::string> missing;
  for (const auto& name : names) {
    const auto from = data_dir / "pg_wal" / name;
    std::error_code ec;
    if (!fs::is_regular_file(from, ec)) {
      missing.push_back(name);
      continue;
    }
    const auto taken = take(from, *folder / name);
    if (!taken) return fail(taken.error());
  }
  return missing;
}

std::vector<fs::path> left_wal(const fs::path& work_dir) {
  std::vector<fs::path> out;
  std::error_code ec;
  for (fs::directory_iterator it(work_dir / "left", ec), end; !ec && it != end; it.increment(ec))
    if (is_archived_name(it->path().filename().string())) out.push_back(it->path());
  // By position, not by timeline: a history goes before the WAL that follows it.
  std::ranges::sort(out);
  return out;
}

void forget_left_wal(const fs::path& file, const fs::path& data_dir) {
  std::error_code ec;
  const auto status = data_dir / "pg_wal" / "archive_status";
  const auto name = file.filename().string();
  if (fs::exists(status / (name + ".ready"), ec))
    fs::rename(status / (name + ".ready"), status / (name + ".done"), ec);
  fs::remove(file, ec);
}

}  // namespace aurum::backup
