#include "pg/programs.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <unistd.h>

#include "runtime/process.h"

namespace aurum::pg {

namespace {

namespace fs = std::filesystem;

bool is_program(const fs::path& path) { return ::access(path.c_str(), X_OK) == 0; }

/// /usr/lib/postgresql/15, newest first.
std::vector<int> debian_majors() {
  std::vector<int> out;
  std::error_code ec;
  for (fs::directory_iterator at("/usr/lib/postgresql", ec); !ec && at != fs::directory_iterator();
       at.increment(ec)) {
    const auto name = at->path().filename().string();
    int major = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), major);
    if (error == std::errc() && end == name.data() + name.size()) out.push_back(major);
  }
  std::sort(out.rbegin(), out.rend());
  return out;
}

std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

std::vector<std::string> our_environment() {
  std::vector<std::string> out;
  for (char** at = environ; at && *at; ++at) {
    const auto name = name_of(*at);
    if (name.starts_with("PATRONI_") || name == "NOTIFY_SOCKET" || name == "PGPASSWORD") continue;
    out.emplace_back(*at);
  }
  return out;
}

void set(std::vector<std::string>& environment, std::string variable) {
  std::erase_if(environment, [&](const std::string& v) { return name_of(v) == name_of(variable); });
  environment.push_back(std::move(variable));
}

}  // namespace

Result<std::string> find_pg_program(const model::PgConfig& config, std::string_view name,
                                    int major) {
  auto named = config.bin_name.find(std::string(name));
  const std::string file = named == config.bin_name.end() ? std::string(name) : named->second;
  if (!config.bin_dir.empty()) {
    auto path = config.bin_dir / file;
    if (is_program(path)) return path.string();
    return fail(Code::not_found, "postgresql.bin_dir: there is no program " + path.string(),
                "Set postgresql.bin_dir to the directory that holds initdb and postgres.");
  }
  if (file.starts_with('/') && is_program(file)) return file;
  if (major == 0 ||
      !is_program(fs::path("/usr/lib/postgresql") / std::to_string(major) / "bin" / file)) {
    // Debian's PATH holds wrappers of some of them (pg_basebackup): they take the right one by
    // themselves.
    if (auto found = runtime::find_program(file)) return *found;
  }
  auto majors = debian_majors();
  if (auto at = std::find(majors.begin(), majors.end(), major); at != majors.end())
    std::rotate(majors.begin(), at, at + 1);
  for (int version : majors) {
    auto path = fs::path("/usr/lib/postgresql") / std::to_string(version) / "bin" / file;
    if (is_program(path)) return path.string();
  }
  return fail(
      Code::not_found,
      "PostgreSQL's program '" + file + "' is neither in PATH nor below /usr/lib/postgresql",
      "Install PostgreSQL's server package, or set postgresql.bin_dir.");
}

Result<int> parse_version(std::string_view line) {
  auto at = line.find("(PostgreSQL) ");
  auto digits = at == std::string_view::npos ? std::string_view() : line.substr(at + 13);
  int major = 0;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), major);
  if (ec != std::errc() || major < 9)
    return fail(Code::protocol, "this is no version of PostgreSQL: " + std::string(line));
  return major;
}

std::vector<std::string> plain_environment(std::vector<std::string> extra) {
  auto out = our_environment();
  for (auto& variable : extra) set(out, std::move(variable));
  return out;
}

std::vector<std::string> child_environment(std::vector<std::string> extra) {
  extra.push_back("LC_ALL=C");
  return plain_environment(std::move(extra));
}

std::vector<std::string> postmaster_environment() {
  auto out = our_environment();
  std::string arenas;
  for (const auto& variable : out)
    if (name_of(variable) == "PG_MALLOC_ARENA_MAX")
      arenas = variable.substr(variable.find('=') + 1);
  if (!arenas.empty()) {
    set(out, "MALLOC_ARENA_MAX=" + arenas);
    std::erase_if(out, [](const std::string& v) { return name_of(v) == "PG_MALLOC_ARENA_MAX"; });
  }
  // libpq's variables would redirect the server's own connections (walreceiver, postgres_fdw).
  std::erase_if(out, [](const std::string& v) {
    const auto name = name_of(v);
    return name == "PGHOST" || name == "PGPORT" || name == "PGUSER" || name == "PGDATABASE" ||
           name == "PGPASSFILE" || name == "PGSERVICE" || name == "PGOPTIONS" || name == "PGDATA";
  });
  return out;
}

std::string tool_reason(const runtime::ProcessEnd& end) {
  std::string_view text = end.err, found;
  while (!text.empty()) {
    const auto stop = text.find('\n');
    const auto line = text.substr(0, stop);
    text = stop == std::string_view::npos ? std::string_view() : text.substr(stop + 1);
    for (std::string_view word : {"error: ", "fatal: ", "FATAL:  ", "PANIC:  "})
      if (const auto at = line.find(word); at != std::string_view::npos) {
        found = word == "error: " || word == "fatal: " ? line.substr(at + word.size()) : line;
        break;
      }
  }
  return found.empty() ? end.reason() : std::string(found);
}

}  // namespace aurum::pg
