#include "backup/restorer.h"

#include <algorithm>
#include <csignal>
#include <unistd.h>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "backup/kept_data.h"
#include "backup/pgbackrest.h"
#include "backup/pgbackrest_conf.h"
#include "backup/scratch_sweep.h"
#include "pg/files.h"
#include "pg/postmaster.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

/// Backends outlive a postmaster that was killed for a moment.
constexpr int kLooks = 100;
constexpr auto kBetweenLooks = std::chrono::milliseconds(100);

/// What is of the life of the server that the backup was taken from, or of ours before.
constexpr const char* kNotOfTheBackup[] = {"standby.signal", "promote",     "patroni.dynamic.json",
                                           pg::kProbeFile,   pg::kFounding, "postmaster.pid"};

/// pgBackRest takes over a directory that is one of PostgreSQL, or of a restore of its own.
Status prepare(const fs::path& dir, const std::string& label) {
  auto made = pg::make_data_dir(dir);
  if (!made) return made;
  const auto what = pg::inspect_data_dir(dir);
  if (what == model::DataDir::foreign)
    return fail(Code::invalid, dir.string() + " holds no PostgreSQL data directory",
                "Look at the files in it, and move them away if they are not needed.");
  std::error_code ec;
  const bool known = fs::exists(dir / "PG_VERSION", ec) || fs::exists(dir / "backup.manifest", ec);
  if (what == model::DataDir::incomplete && !known) {
    auto cleared = pg::clear_directory(dir, "a backup is restored");
    if (!cleared) return cleared;
  }
  // Beside it: pgBackRest removes what is not in the backup.
  auto marked = pg::write_file(pg::outer_marker(dir), "restore of " + label + "\n", 0600);
  if (!marked) return fail(marked.error());
  fs::remove(dir / pg::kMarker, ec);
  fs::remove(dir / "postmaster.pid", ec);
  return {};
}

Status finish(const fs::path& dir) {
  std::error_code ec;
  for (const char* name : kNotOfTheBackup) fs::remove(dir / name, ec);
  if (!fs::exists(dir / "PG_VERSION", ec) || !fs::exists(dir / "global/pg_control", ec))
    return fail(Code::io, "no database stands in " + dir.string() + " afterwards");
  // PostgreSQL removes it when the target is reached: until then this is no cluster's data.
  auto signal = pg::write_file(dir / "recovery.signal", "", pg::file_mode(dir));
  if (!signal) return fail(signal.error());
  ::unlink(pg::outer_marker(dir).c_str());
  return pg::sync_directory(dir.parent_path());
}

/// Ends what a killed agent has left (a pgBackRest of it writes on as long as it lives), and waits
/// until nothing works there any more.
Task<Status> nobody_works_in(fs::path dir, runtime::Pool& pool) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (int look = 0; look < kLooks; ++look) {
    const auto restores = co_await runtime::in_pool(pool, [dir] { return restores_into(dir); });
    for (const int pid : restores) ::kill(pid, SIGKILL);
    const auto pids = co_await runtime::in_pool(pool, [dir] { return pg::processes_in(dir); });
    if (pids.empty() && restores.empty()) co_return Status{};
    timer.expires_after(kBetweenLooks);
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
  }
  co_return fail(Code::unavailable, "a former server still works in " + dir.string());
}

Percent as_text(Restorer::Progress progress, const char* doing) {
  return [progress = std::move(progress), doing, last = -1](double percent) mutable {
    const int whole = static_cast<int>(percent);
    if (!progress || whole == last) return;
    last = whole;
    progress(fmt::format("{} {} %", doing, whole));
  };
}

}  // namespace

Status Restorer::ready() const {
  if (!config_.aurum.backup)
    return fail(Code::invalid, config_.name + " has no aurum.backup in its configuration",
                "Add the section, as the other members have it.");
  return begin_pgbackrest_conf(config_);
}

Task<Status> Restorer::check(model::Restore restore) {
  auto good = ready();
  if (!good) co_return good;
  auto found = co_await Pgbackrest(config_).catalogue();
  if (!found) co_return fail(found.error());
  const bool there = std::ranges::any_of(
      found->backups, [&](const Backup& backup) { return backup.label == restore.backup; });
  if (!there)
    co_return fail(Code::not_found,
                   fmt::format("{} does not find the backup {}", config_.name, restore.backup),
                   "Does every member use the same repository?");
  const bool keeps = restore.keeper == config_.name && !restore.discard;
  auto room = co_await runtime::in_pool(
      pool_, [dir = config_.pg.data_dir, keeps, size = restore.size]() -> Status {
        if (keeps && pg::inspect_data_dir(dir) == model::DataDir::ready)
          return can_keep_data(dir, size);
        return has_room_in_place(dir, size);
      });
  co_return room;
}

Task<Status> Restorer::fetch(model::Restore restore, Progress progress) {
  auto good = ready();
  if (!good) co_return good;
  const auto dir = config_.pg.data_dir;
  auto alone = co_await nobody_works_in(dir, pool_);
  if (!alone) co_return alone;
  auto prepared = co_await runtime::in_pool(
      pool_, [dir, label = restore.backup] { return prepare(dir, label); });
  if (!prepared) co_return prepared;
  Pgbackrest pgbackrest(config_);
  auto done = co_await pgbackrest.restore(restore.backup, dir, as_text(progress, "restored"));
  if (!done) co_return done;
  auto finished = co_await runtime::in_pool(pool_, [dir] { return finish(dir); });
  co_return finished;
}

Task<Result<std::string>> Restorer::keep(model::Restore restore) {
  auto alone = co_await nobody_works_in(config_.pg.data_dir, pool_);
  if (!alone) co_return fail(alone.error());
  auto kept =
      co_await runtime::in_pool(pool_, [dir = config_.pg.data_dir, id = restore.id,
                                        size = restore.size] { return keep_data(dir, id, size); });
  co_return kept;
}

Task<Status> Restorer::take_back(model::Restore restore) {
  auto alone = co_await nobody_works_in(config_.pg.data_dir, pool_);
  if (!alone) co_return alone;
  auto back = co_await runtime::in_pool(
      pool_, [dir = config_.pg.data_dir, id = restore.id] { return take_back_data(dir, id); });
  co_return back;
}

Task<Status> Restorer::forget(model::Restore restore) {
  auto done = co_await runtime::in_pool(
      pool_, [dir = config_.pg.data_dir, id = restore.id] { return forget_data(dir, id); });
  co_return done;
}

Task<Result<std::string>> Restorer::backup(Progress progress) {
  auto good = ready();
  if (!good) co_return fail(good.error());
  Pgbackrest pgbackrest(config_);
  // What changed since a backup on the timeline that was left is found by checksums.
  auto taken = co_await pgbackrest.take(
      "incr", [show = as_text(progress, "backed up")](const aurum::backup::Progress& done) {
        show(done.percent);
      });
  if (!taken) co_return fail(taken.error());
  co_return taken->label;
}

}  // namespace aurum::backup
