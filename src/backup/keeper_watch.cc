// What the keeper looks at now and then: the repository, archiving, and WAL that was left behind.
#include <algorithm>
#include <charconv>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "backup/keeper.h"
#include "backup/left_wal.h"
#include "backup/pgbackrest.h"
#include "backup/wal_gap.h"
#include "pg/files.h"
#include "pg/programs.h"
#include "pg/wal_status.h"
#include "runtime/clock.h"
#include "runtime/process.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

constexpr Duration kCatalogueEvery = seconds(600), kArchiveEvery = seconds(10);
constexpr Duration kSpaceEvery = seconds(60), kPushEvery = seconds(10), kTellEvery = seconds(60);
/// In one go, so that a rewind waits for no more than a gigabyte of copies.
constexpr std::size_t kLeftAtOnce = 64;

bool archives_always(const model::LocalConfig& config) {
  const auto* mode = config.pg.parameters.find("archive_mode");
  return mode != nullptr && mode->text() == "always";
}

/// Whether `every` has passed since `last`, which becomes now.
bool is_time(Instant& last, Duration every) {
  const Instant now = runtime::now();
  if (last.ns != 0 && now - last < every) return false;
  last = now;
  return true;
}

}  // namespace

void Keeper::watch(const AgentView& view) {
  if (!is_busy("archive") && is_time(archive_at_, kArchiveEvery))
    spawn("archive", refresh_archive());
  if (!is_busy("left") && archive_.left > 0 && is_time(left_at_, kPushEvery))
    spawn("left", push_left());
  if (!view.leads || !peers_) return;
  const auto revision = view.keys.state.revision;
  const bool stale = runtime::now() - catalogue_at_ > kCatalogueEvery || catalogue_at_.ns == 0;
  if (!is_busy("catalogue") && (stale || revision != catalogue_state_)) {
    catalogue_state_ = revision;
    space_at_ = {};
    spawn("catalogue", refresh_catalogue());
  }
  if (!is_busy("space") && is_time(space_at_, kSpaceEvery)) spawn("space", refresh_space());
  const bool known = view.facts != nullptr && view.facts->accepting && !view.facts->in_recovery &&
                     !view.keys.state.system_identifier.empty() && catalogue_;
  if (known && view.facts->timeline > 1 && healed_ != view.facts->timeline && !is_busy("heal"))
    spawn("heal", heal_archive(view.facts->timeline));
}

Task<void> Keeper::refresh_catalogue() {
  const model::LocalConfig config = *setting_.look().config;
  auto found = co_await Pgbackrest(config).catalogue();
  catalogue_at_ = runtime::now();
  catalogue_error_ = found ? "" : found.error().text();
  if (found) catalogue_ = std::move(*found);
}

Task<void> Keeper::refresh_archive() {
  const auto now = setting_.look();
  const model::LocalConfig config = *now.config;
  const auto run_dir = setting_.run_dir;
  const bool writes = now.leads && now.facts != nullptr && now.facts->accepting;
  archive_ = co_await runtime::in_pool(pool_, [&config, &run_dir, writes] {
    if (writes) pg::announce_wal(config.pg.data_dir);
    return read_archive_report(run_dir, config.pg.data_dir, config.aurum.backup->work_dir);
  });
  const auto view = setting_.look();
  // A standby's archiver does not run: what waits there is of its own time as a primary.
  const bool left = archive_.waiting > 0 && !view.leads && view.facts != nullptr &&
                    view.facts->in_recovery && !archives_always(config);
  if (left) co_await keep_left();
  tell_archive(archive_);
}

Task<void> Keeper::keep_left() {
  const model::LocalConfig config = *setting_.look().config;
  if (archives_always(config)) co_return;
  auto kept = co_await runtime::in_pool(pool_, [&config] {
    return keep_left_wal(config.pg.data_dir, config.aurum.backup->work_dir, kLeftAtOnce);
  });
  if (!kept)
    log_.error("backup.archive", kept.error().text());
  else if (*kept > archive_.left)
    log_.warn("backup.archive",
              fmt::format("{} files of WAL from this node's time as the leader are not archived: "
                          "{} are kept, and archived now",
                          std::max(*kept, archive_.waiting), *kept));
  if (kept) archive_.left = std::max(archive_.left, *kept);
}

Task<void> Keeper::keep_left_within(Duration limit) {
  // Held by both sides: this one may leave first.
  auto ended = std::make_shared<boost::asio::steady_timer>(setting_.executor, limit);
  boost::asio::co_spawn(setting_.executor, keep_left(),
                        [ended](std::exception_ptr) { ended->cancel(); });
  auto [ec] = co_await ended->async_wait(runtime::use_task);
  if (!ec) log_.error("backup.archive", "WAL that waits for the archive could not be kept in time");
}

Task<void> Keeper::push_left() {
  const model::LocalConfig config = *setting_.look().config;
  const auto& work_dir = config.aurum.backup->work_dir;
  const auto files = co_await runtime::in_pool(pool_, [&work_dir] { return left_wal(work_dir); });
  Pgbackrest pgbackrest(config);
  std::size_t done = 0;
  for (const auto& file : files) {
    const auto pushed = co_await pgbackrest.push(file);
    // The archive has another file of that name: this one is of a history that was given up.
    const bool other = !pushed && pushed.error().code == Code::exists;
    if (other)
      log_.error("backup.archive", pushed.error().within(file.filename().string()).text());
    else if (!pushed)
      break;  // the repository is away: later
    ++done;
    co_await runtime::in_pool(pool_,
                              [&file, &config] { forget_left_wal(file, config.pg.data_dir); });
  }
  archive_.left = files.size() - done;
  if (done > 0)
    log_.info(
        "backup.archive",
        fmt::format("archived {} files of WAL that were left over, {} to go", done, archive_.left));
}

void Keeper::tell_archive(const ArchiveReport& report) {
  const Instant now = runtime::now();
  if (!report.failing() || report.state.failures < 3) {
    if (archive_told_ && !report.failing()) log_.info("backup.archive", "archiving works again");
    if (!report.failing()) archive_told_.reset();
    return;
  }
  if (archive_told_ && now - *archive_told_ < kTellEvery) return;
  archive_told_ = now;
  log_.error("backup.archive",
             fmt::format("archiving FAILS: {}; {} files wait from {} on", report.state.error,
                         report.waiting, report.oldest_waiting));
}

/// Space of a folder by a program: a dead network file system holds up whoever asks it.
Task<void> Keeper::refresh_space() {
  const model::LocalConfig config = *setting_.look().config;
  int number = 0;
  for (const auto& repository : config.aurum.backup->repositories) {
    ++number;
    if (!repository.host.empty() || repository.type != "posix") continue;
    auto end =
        co_await runtime::run_process({.argv = {"stat", "-f", "-c", "%a %S %b", repository.path},
                                       .env = pg::child_environment(),
                                       .timeout = seconds(10)});
    space_.erase(number);
    if (!end || !end->ok()) continue;
    std::int64_t values[3] = {};
    const char* at = end->out.data();
    const char* const last = at + end->out.size();
    for (auto& value : values) {
      const auto [next, error] = std::from_chars(at, last, value);
      if (error != std::errc()) break;
      at = next < last ? next + 1 : last;
    }
    space_[number] = {values[0] * values[1], values[2] * values[1]};
  }
}

/// Behind a failover: WAL that the former primary acknowledged and did not archive is in this
/// server's pg_wal too, and PostgreSQL does not archive what it received as a standby.
Task<void> Keeper::heal_archive(model::Timeline timeline) {
  const model::LocalConfig config = *setting_.look().config;
  const auto file = config.pg.data_dir / "pg_wal" / fmt::format("{:08X}.history", timeline);
  // The server's own word: the store's may be from before the promotion.
  const auto text = co_await runtime::in_pool(pool_, [&file] { return pg::read_file(file); });
  const auto history =
      text ? model::parse_history_file(*text) : Result<model::History>(fail(text.error()));
  if (!history || history->empty()) {
    healed_ = timeline;  // nothing to compare with
    co_return;
  }
  const auto& ended = history->back();
  const auto begun = history->size() > 1 ? (*history)[history->size() - 2].lsn : model::Lsn{};
  const auto done = co_await push_gap(ended.timeline, begun, ended.lsn);
  if (!done) {
    log_.debug("backup.archive", done.error().text());
    co_return;  // at the next tick again: the repository may be away
  }
  healed_ = timeline;
}

Task<Status> Keeper::push_gap(model::Timeline timeline, model::Lsn begin, model::Lsn end) {
  const model::LocalConfig config = *setting_.look().config;
  const auto& data_dir = config.pg.data_dir;
  const auto size =
      co_await runtime::in_pool(pool_, [&data_dir] { return wal_segment_size(data_dir); });
  if (!catalogue_ || catalogue_->archives.empty() || catalogue_->backups.empty())
    co_return Status{};
  // What the newest backup does not need any more is of no interest here.
  Segment from;
  const auto& backup = catalogue_->backups.back();
  if (!parse_segment(backup.wal_stop, size, from) || from.timeline > timeline) co_return Status{};
  from.number = std::max(from.number, segment_number(begin, size));
  std::vector<std::string> present;
  Pgbackrest pgbackrest(config);
  const auto last = segment_number(end, size);
  const auto logs = (std::uint64_t{1} << 32) / size;
  for (auto log = from.number / logs; log <= last / logs; ++log) {
    const auto folder = segment_name(timeline, log * logs, size).substr(0, 16);
    auto names = co_await pgbackrest.list_repository(fmt::format(
        "archive/{}/{}/{}", config.aurum.backup->stanza, catalogue_->archives.back().id, folder));
    if (!names) co_return fail(names.error());
    present.insert(present.end(), names->begin(), names->end());
  }
  auto missing = missing_segments(timeline, from.number, end, size, present);
  if (missing.empty()) {
    gap_.clear();
    co_return Status{};
  }
  auto lost = co_await runtime::in_pool(pool_, [&config, &missing] {
    return keep_wal(config.pg.data_dir, config.aurum.backup->work_dir, missing);
  });
  if (!lost) co_return fail(lost.error());
  log_.warn(
      "backup.archive",
      fmt::format("the former leader did not archive {}: {} of them are here, and archived now",
                  gap_text(missing), missing.size() - lost->size()));
  archive_.left += missing.size() - lost->size();
  gap_ = gap_text(*lost);
  if (!gap_.empty())
    log_.error("backup.archive",
               fmt::format("the archive has a GAP: {} is nowhere (hint: take a backup now; nothing "
                           "between the last backup and it can be recovered across it)",
                           gap_));
  co_return Status{};
}

}  // namespace aurum::backup
