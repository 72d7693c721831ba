#include <algorithm>
#include <cstdlib>
#include <sys/stat.h>

#include <boost/asio/steady_timer.hpp>

#include "pg/conninfo.h"
#include "pg/files.h"
#include "pg/postgres.h"
#include "pg/programs.h"
#include "pg/timelines.h"
#include "runtime/process.h"

/// Comparing with an upstream and getting back onto its timeline.
namespace aurum::pg {

namespace asio = runtime::asio;

namespace {

constexpr auto kLongestRewind = std::chrono::hours(24);
/// How long a source that we may not tell to checkpoint is given: it began one when it was
/// promoted.
constexpr auto kOwnCheckpoint = std::chrono::minutes(2);

Result<model::UpstreamState> read_identity(const Rows& rows) {
  model::UpstreamState out;
  auto lsn = model::parse_lsn(rows.text(0, "xlogpos"));
  out.system_identifier = rows.text(0, "systemid");
  out.timeline =
      static_cast<model::Timeline>(std::strtoul(rows.text(0, "timeline").c_str(), nullptr, 10));
  if (!lsn || out.system_identifier.empty() || out.timeline == 0)
    return fail(Code::protocol, "IDENTIFY_SYSTEM was answered in a form that is not PostgreSQL's");
  out.position = *lsn;
  return out;
}

}  // namespace

Task<Result<model::UpstreamState>> Postgres::inspect(model::Upstream upstream, Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  const std::string where = upstream.host + ":" + std::to_string(upstream.port);
  auto session =
      co_await open_remote(upstream, config_->pg.replication, {{"replication", "1"}}, timeout);
  if (!session) co_return fail(session.error());
  auto identity = co_await (*session)->query("IDENTIFY_SYSTEM", deadline - runtime::now());
  if (!identity) co_return fail(identity.error().within(where));
  auto out = read_identity(*identity);
  if (!out) co_return fail(out.error().within(where));

  auto reported = (*session)->parameter("in_hot_standby");  // PostgreSQL 14+
  if (reported.empty()) {
    auto shown =
        co_await (*session)->query("SHOW transaction_read_only", deadline - runtime::now());
    if (!shown) co_return fail(shown.error().within(where));
    reported = shown->text(0, std::size_t{0});
  }
  out->in_recovery = reported == "on";
  if (out->timeline > 1) {
    auto history = co_await (*session)->query("TIMELINE_HISTORY " + std::to_string(out->timeline),
                                              deadline - runtime::now());
    if (!history) co_return fail(history.error().within(where));
    auto parsed = model::parse_history_file(history->text(0, "content"));
    if (!parsed) co_return fail(parsed.error().within(where));
    out->history = std::move(*parsed);
  }
  co_return out;
}

/// No function of SQL tells the timeline, and pg_control lags behind it. IDENTIFY_SYSTEM does, on a
/// connection that can do both and needs no more of pg_hba.conf than the probe's.
Task<Result<model::Replayed>> Postgres::replayed(Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  auto session = co_await open_local(timeout, {}, {{"replication", "database"}});
  if (!session) co_return fail(session.error());
  // In this order: the position is never of a later timeline than the one that is told.
  auto position = co_await (*session)->query(
      "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() "
      "END",
      deadline - runtime::now());
  if (!position) co_return fail(position.error());
  auto identity = co_await (*session)->query("IDENTIFY_SYSTEM", deadline - runtime::now());
  if (!identity) co_return fail(identity.error());
  const auto said = read_identity(*identity);
  if (!said) co_return fail(said.error());
  const auto lsn = model::parse_lsn(position->text(0, std::size_t{0}));
  if (!lsn) co_return fail(Code::invalid, "the server replays no WAL");
  co_return model::Replayed{said->timeline, *lsn};
}

Task<Status> Postgres::crash_recovery() {
  const auto dir = config_->pg.data_dir;
  auto server = co_await live_postmaster();
  if (server) co_return fail(Code::exists, "PostgreSQL runs in " + dir.string());
  auto control = co_await control_data();
  if (!control) co_return fail(control.error());
  if (control->state == "shut down") co_return Status{};
  if (control->state == "in archive recovery" || control->state == "shut down in recovery")
    co_return fail(
        Code::invalid,
        "the data directory is a standby's: recovery in single-user mode would end its timeline");
  auto orphans = co_await end_orphans(seconds(10));
  if (!orphans) co_return orphans;
  auto tool = co_await program("postgres");
  if (!tool) co_return fail(tool.error());
  auto cleaned = co_await runtime::in_pool(pool_, [dir]() -> Status {
    std::error_code ec;
    // Single-user mode refuses standby mode; start() writes the file again.
    fs::remove(dir / "standby.signal", ec);
    fs::remove(dir / "recovery.signal", ec);
    fs::remove(dir / "postmaster.pid", ec);
    return sync_directory(dir);
  });
  if (!cleaned) co_return cleaned;
  runtime::ProcessSpec spec;
  spec.argv = {*tool,      "--single",
               "-D",       dir.string(),
               "-c",       "config_file=" + config_file().string(),
               "-c",       "archive_mode=on",
               "-c",       "archive_command=false",
               "template1"};
  spec.env = child_environment();
  spec.working_dir = dir.string();
  spec.timeout = kLongestRewind;
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) co_return fail(end.error().within("single-user recovery"));
  auto after = co_await control_data();
  if (!after) co_return fail(after.error());
  if (!end->ok() || after->state != "shut down")
    co_return fail(Code::io, "single-user recovery failed: " + tool_reason(*end));
  co_return Status{};
}

/// pg_rewind reads the source's timeline from its pg_control, which is the old one until the first
/// checkpoint after a promotion is done (F30).
Task<Status> Postgres::ready_source_for_rewind(model::Upstream source) {
  const auto& login = rewind_login(config_->pg);
  auto session =
      co_await open_remote(source, login, {{"dbname", config_->pg.database}}, seconds(5));
  if (!session) co_return fail(session.error());
  // Asked first, so that the source's log shows no refused statement.
  auto asked = co_await (*session)->query(
      "SELECT pg_catalog.pg_is_in_recovery(), EXISTS (SELECT FROM pg_catalog.pg_roles WHERE "
      "rolname = current_user AND rolsuper OR rolname = 'pg_checkpoint' AND "
      "pg_catalog.pg_has_role(oid, 'USAGE'))",
      seconds(5));
  if (!asked) co_return fail(asked.error());
  if (asked->text(0, std::size_t{0}) == "t") {
    const bool may_checkpoint = asked->text(0, std::size_t{1}) == "t";
    auto ready = co_await ready_standby_for_rewind(source, **session, may_checkpoint);
    co_return ready;
  }
  if (asked->text(0, std::size_t{1}) == "t") {
    auto done = co_await (*session)->query("SET statement_timeout TO 0; CHECKPOINT",
                                           std::chrono::minutes(10));
    if (done) co_return Status{};
    co_return fail(done.error().within("CHECKPOINT on the source"));
  }
  asio::steady_timer timer(executor_);
  const Instant deadline = runtime::now() + kOwnCheckpoint;
  for (;;) {
    auto rows = co_await (*session)->query(
        "SELECT timeline_id, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, "
        "8))::bit(32)::int "
        "FROM pg_control_checkpoint()",
        seconds(5));
    if (!rows) co_return fail(rows.error());
    if (rows->text(0, std::size_t{0}) == rows->text(0, std::size_t{1})) co_return Status{};
    if (runtime::now() >= deadline) break;
    timer.expires_after(std::chrono::milliseconds(100));
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
  }
  co_return fail(Code::unavailable, "the source has made no checkpoint since its promotion",
                 "It makes one by itself soon; or let role " + login.username + " run CHECKPOINT.");
}

/// A standby says in its pg_control what its last restart point says, and makes one only behind a
/// checkpoint that it has replayed. Before that it seems to be on its former timeline, and
/// pg_rewind finds nothing to do.
Task<Status> Postgres::ready_standby_for_rewind(model::Upstream source, Session& session,
                                                bool may_checkpoint) {
  auto state = co_await inspect(source);
  if (!state) co_return fail(state.error());
  asio::steady_timer timer(executor_);
  const Instant deadline = runtime::now() + kOwnCheckpoint;
  for (;;) {
    if (may_checkpoint) {
      auto done = co_await session.query("SET statement_timeout TO 0; CHECKPOINT",
                                         std::chrono::minutes(10));
      if (!done) co_return fail(done.error().within("CHECKPOINT on the source"));
    }
    auto rows =
        co_await session.query("SELECT timeline_id FROM pg_control_checkpoint()", seconds(5));
    if (!rows) co_return fail(rows.error());
    if (rows->text(0, std::size_t{0}) == std::to_string(state->timeline)) co_return Status{};
    if (runtime::now() >= deadline) break;
    timer.expires_after(std::chrono::milliseconds(300));
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
  }
  co_return fail(Code::unavailable, "the source has made no restart point on its timeline yet");
}

Task<Status> Postgres::rewind(model::Upstream source) {
  const auto& pg = config_->pg;
  const auto dir = pg.data_dir;
  auto server = co_await live_postmaster();
  if (server) co_return fail(Code::exists, "PostgreSQL runs in " + dir.string());
  auto what = co_await data_dir();
  if (what != model::DataDir::ready)
    co_return fail(Code::invalid, dir.string() + " is no complete data directory");
  auto tool = co_await program("pg_rewind");
  if (!tool) co_return fail(tool.error());
  auto ready = co_await ready_source_for_rewind(source);
  if (!ready) co_return fail(ready.error().within("pg_rewind"));
  auto passfile = co_await write_passfile({source});
  if (!passfile) co_return passfile;

  const auto& login = rewind_login(pg);
  runtime::ProcessSpec spec;
  spec.env =
      child_environment(login.password.empty() ? std::vector<std::string>{}
                                               : std::vector{"PGPASSFILE=" + pg.pgpass.string()});
  spec.timeout = kLongestRewind;
  const std::string conninfo =
      "--source-server=" + render_conninfo(tool_conninfo(login, source, pg.database));
  auto major = co_await runtime::in_pool(pool_, [dir] { return major_version(dir); });
  std::vector<std::string> options;
  if (config_dir() != dir && major && *major >= 15)
    options.push_back("--config-file=" + config_file().string());
  auto conf = co_await runtime::in_pool(pool_, [file = config_file()] { return read_file(file); });
  const bool has_restore = conf && conf->find("\nrestore_command = '") != std::string::npos &&
                           conf->find("\nrestore_command = ''\n") == std::string::npos;
  if (has_restore) options.push_back("--restore-target-wal");

  // First without changing anything: what can fail for want of a login or of WAL fails here.
  spec.argv = {*tool, "--dry-run", "-D", dir.string(), conninfo};
  for (const auto& option : options) spec.argv.push_back(option);
  auto tried = co_await runtime::run_process(spec);
  if (!tried) co_return fail(tried.error().within("pg_rewind"));
  if (!tried->ok()) co_return fail(Code::unavailable, "pg_rewind: " + tool_reason(*tried));

  // pg_rewind writes pg_control last, so a directory it left half-way would start and be wrong; and
  // it removes files which the source does not have, so also a marker. Hence it works in the
  // staging directory below the marker.
  auto staged = co_await runtime::in_pool(pool_, [dir, name = source.name]() -> Status {
    auto marked = mark_incomplete(dir, "pg_rewind from " + name);
    if (!marked) return marked;
    auto moved = move_into_staging(dir);
    if (!moved) static_cast<void>(mark_complete(dir));
    return moved;
  });
  if (!staged) co_return fail(staged.error().within("pg_rewind"));
  spec.argv = {*tool, "-D", (dir / kStaging).string(), conninfo};
  for (const auto& option : options) spec.argv.push_back(option);
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) co_return fail(end.error().within("pg_rewind"));
  if (!end->ok())
    co_return fail(Code::io, "pg_rewind: " + tool_reason(*end),
                   "The data directory is lost for a start; it is cloned anew.");
  auto moved = co_await runtime::in_pool(pool_, [dir] { return move_out_of_staging(dir); });
  if (!moved) co_return fail(moved.error().within("pg_rewind"));
  auto finished = co_await finish_copy();
  control_.reset();
  co_return finished;
}

Task<Result<model::History>> Postgres::read_history(model::Timeline timeline) {
  if (timeline <= 1) co_return model::History{};
  const auto dir = config_->pg.data_dir;
  auto history = co_await runtime::in_pool(pool_, [dir, timeline]() -> Result<model::History> {
    auto text = read_file(history_file(dir, timeline));
    if (!text) return fail(text.error());
    auto entries = model::parse_history_file(*text);
    if (!entries) return entries;
    // A timeline ended when the history file of the one after it was written.
    for (std::size_t i = 0; i < entries->size(); ++i) {
      const auto next = i + 1 < entries->size() ? (*entries)[i + 1].timeline : timeline;
      struct stat info{};
      if (::stat(history_file(dir, next).c_str(), &info) == 0)
        (*entries)[i].time = model::iso8601(
            WallTime{info.st_mtim.tv_sec * std::int64_t{1'000'000} + info.st_mtim.tv_nsec / 1000});
    }
    return entries;
  });
  co_return history;
}

}  // namespace aurum::pg
