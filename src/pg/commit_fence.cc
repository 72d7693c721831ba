#include "pg/commit_fence.h"

#include <array>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "pg/check_settings.h"
#include "pg/files.h"
#include "pg/postgres.h"

namespace aurum::pg {

namespace {

constexpr std::string_view kName = "aurum_fence";

/// PostgreSQL's library directory, seen from its programs: Debian and PGDG, its own build, Fedora.
constexpr std::array kLibraryDirs{"../lib", "../lib/postgresql", "../lib64/pgsql", "../lib/pgsql"};

bool is_readable_file(const fs::path& file) {
  std::error_code ec;
  return fs::is_regular_file(file, ec) && ::access(file.c_str(), R_OK) == 0;
}

/// The items of a list as shared_preload_libraries takes it; quotes stay on.
std::vector<std::string_view> items(std::string_view list) {
  std::vector<std::string_view> out;
  bool quoted = false;
  std::size_t begin = 0;
  auto take = [&](std::size_t end) {
    auto item = list.substr(begin, end - begin);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) out.push_back(item);
    begin = end + 1;
  };
  for (std::size_t at = 0; at < list.size(); ++at) {
    if (list[at] == '"') quoted = !quoted;
    if (list[at] == ',' && !quoted) take(at);
  }
  take(list.size());
  return out;
}

bool is_fence(std::string_view item) {
  if (item.starts_with('"')) item.remove_prefix(1);
  if (item.ends_with('"')) item.remove_suffix(1);
  return fs::path(item).stem() == kName;
}

/// When the files that a user may change were written last.
std::string stamp_of(const fs::path& file) {
  struct stat facts{};
  if (::stat(file.c_str(), &facts) != 0) return "-";
  return std::to_string(facts.st_ino) + ":" + std::to_string(facts.st_mtim.tv_sec) + ":" +
         std::to_string(facts.st_mtim.tv_nsec);
}

}  // namespace

Result<std::string> find_fence_library(const fs::path& configured, const fs::path& server_program) {
  if (!configured.empty()) {
    if (is_readable_file(configured)) return configured.string();
    return fail(Code::not_found, "aurum.fence.library: there is no file " + configured.string(),
                "Build it with fence_extension/Makefile, or take the setting away.");
  }
  std::error_code ec;
  const auto program = fs::canonical(server_program, ec);
  for (const char* dir : kLibraryDirs)
    if (!ec && is_readable_file(program.parent_path() / dir / "aurum_fence.so"))
      return "$libdir/" + std::string(kName);
  return fail(Code::not_found, "aurum_fence is not installed for " + server_program.string(),
              "Install it with fence_extension/Makefile; it is loaded at the next restart of "
              "PostgreSQL.");
}

std::string without_fence(std::string_view libraries) {
  std::string out;
  for (auto item : items(libraries))
    if (!is_fence(item)) out.append(out.empty() ? "" : ", ").append(item);
  return out;
}

void load_fence(WantedSettings& wanted, const CommitFence& fence, std::string_view others) {
  const bool plain = fence.library.find_first_of(", \"") == std::string::npos;
  std::string libraries = plain ? fence.library : "\"" + fence.library + "\"";
  if (const auto rest = without_fence(others); !rest.empty()) libraries += ", " + rest;
  wanted.file.erase("shared_preload_libraries");
  wanted.command_line["shared_preload_libraries"] = libraries;
  wanted.command_line["aurum.lease_page"] = fence.lease_page;
  wanted.file["aurum.fence_wait"] = std::to_string(fence.config.wait_s) + "s";
  wanted.file["aurum.fence_reads"] = fence.config.reads ? "on" : "off";
}

/// What the user has preloaded stands in one of several files, of which PostgreSQL itself knows the
/// order. It is asked again only when one of them has changed: a failover has no time for it.
Task<Result<std::string>> Postgres::users_libraries(const WantedSettings& wanted, CheckPlan plan) {
  const auto base = config_->pg.custom_conf.empty()
                        ? config_dir() / (config_->pg.config_base_name + ".base.conf")
                        : fs::path(config_->pg.custom_conf);
  auto at = wanted.file.find("shared_preload_libraries");
  std::string from = at == wanted.file.end() ? "" : at->second;
  from += co_await runtime::in_pool(pool_, [base, dir = config_->pg.data_dir] {
    return "|" + stamp_of(base) + "|" + stamp_of(dir / "postgresql.auto.conf");
  });
  if (from == libraries_of_) co_return libraries_;
  auto value = co_await value_by_files(std::move(plan), wanted, "shared_preload_libraries", pool_);
  if (!value) co_return value;
  libraries_of_ = std::move(from);
  libraries_ = *value;
  co_return value;
}

Task<void> Postgres::add_fence(WantedSettings& wanted,
                               std::function<std::string(const WantedSettings&)> render) {
  const auto& config = config_->aurum.fence;
  if (lease_page_.empty()) co_return;
  auto missing = [this](std::string why) {
    if (fence_missing_ == why) return;
    fence_missing_ = why;
    log_.warn("fence.missing",
              "PostgreSQL is started without the commit fence: a primary that is frozen with its "
              "guard may acknowledge a few commits when it thaws, though another one leads: " +
                  why);
  };
  if (!config.commit) co_return missing("aurum.fence.commit is off");
  auto server = co_await program("postgres");
  if (!server) co_return;  // starting it tells why
  auto library = co_await runtime::in_pool(pool_, [file = config.library, program = *server] {
    return find_fence_library(file, program);
  });
  if (!library) co_return missing(library.error().text());
  auto others = co_await users_libraries(wanted, {.program = *server,
                                                  .data_dir = config_->pg.data_dir,
                                                  .config_dir = config_dir(),
                                                  .base_name = config_->pg.config_base_name,
                                                  .render = std::move(render)});
  if (!others) co_return missing(others.error().within("shared_preload_libraries").text());
  fence_missing_.clear();
  load_fence(wanted, {*library, lease_page_, config}, *others);
}

}  // namespace aurum::pg
