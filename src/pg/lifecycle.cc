#include <algorithm>
#include <cstring>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>

#include "pg/control_data.h"
#include "pg/files.h"
#include "pg/postgres.h"
#include "pg/programs.h"
#include "pg/render.h"
#include "pg/timelines.h"
#include "pg/wal_status.h"
#include "runtime/port.h"
#include "runtime/process.h"

/// Start, stop, restart, promote, checkpoint.
namespace aurum::pg {

namespace asio = runtime::asio;

namespace {

constexpr auto kPoll = milliseconds(10);
constexpr auto kImmediateTimeout = seconds(5);
constexpr auto kKillTimeout = seconds(10);
constexpr auto kHookTimeout = std::chrono::hours(1);
constexpr auto kMarkTimeout = seconds(30);
constexpr auto kArchivePoll = milliseconds(100);

Task<void> pause_for(Duration time) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(time));
  auto [ec] = co_await timer.async_wait(runtime::use_task);
  static_cast<void>(ec);
}

int signal_of(model::StopMode mode) {
  switch (mode) {
    case model::StopMode::smart:
      return SIGTERM;
    case model::StopMode::fast:
      return SIGINT;
    case model::StopMode::immediate:
      return SIGQUIT;
  }
  return SIGINT;
}

/// Copies that survive in a backup of the data directory alone, when the configuration stands
/// elsewhere.
void back_up_configuration(const fs::path& data_dir, const fs::path& config_dir,
                           const std::string& base_name) {
  for (const std::string& name : {base_name + ".conf", base_name + ".base.conf",
                                  std::string("pg_hba.conf"), std::string("pg_ident.conf")})
    if (auto text = read_file(config_dir / name))
      static_cast<void>(write_file(data_dir / (name + ".backup"), *text, file_mode(data_dir)));
}

}  // namespace

Task<Result<int>> Postgres::version_of(std::string tool) {
  runtime::ProcessSpec spec;
  spec.argv = {std::move(tool), "--version"};
  spec.env = child_environment();
  spec.timeout = seconds(10);
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) co_return fail(end.error());
  co_return parse_version(end->out);
}

Task<Status> Postgres::check_startable() {
  const auto& pg = config_->pg;
  auto tool = co_await program("postgres");
  if (!tool) co_return fail(tool.error());
  auto version = co_await version_of(*tool);
  if (!version) co_return fail(version.error());
  auto checked =
      co_await runtime::in_pool(pool_, [&pg, tool = *tool, version = *version]() -> Status {
        if (inspect_data_dir(pg.data_dir) != model::DataDir::ready)
          return fail(Code::not_found, pg.data_dir.string() + " is no complete data directory");
        auto major = major_version(pg.data_dir);
        if (!major) return fail(major.error());
        if (*major != version)
          return fail(Code::invalid,
                      "data directory " + pg.data_dir.string() + " was made by PostgreSQL " +
                          std::to_string(*major) + ", but " + tool + " is version " +
                          std::to_string(version),
                      "Set postgresql.bin_dir to the programs of version " +
                          std::to_string(*major) + ", or upgrade the data with pg_upgrade.");
        return {};
      });
  co_return checked;
}

/// Backends outlive a killed postmaster for a moment, a stopped one for longer: no new server may
/// run beside them.
Task<Status> Postgres::end_orphans(Duration timeout) {
  const Instant begin = runtime::now();
  const auto dir = config_->pg.data_dir;
  for (;;) {
    auto pids = co_await runtime::in_pool(pool_, [dir] { return processes_in(dir); });
    if (pids.empty()) co_return Status{};
    if (runtime::now() - begin > timeout)
      co_return fail(Code::unavailable,
                     "process " + std::to_string(pids.front()) +
                         " of a former server still works in " + dir.string(),
                     "It hangs in the kernel; the disk may be stuck.");
    if (runtime::now() - begin > timeout / 2)
      for (int pid : pids) ::kill(pid, SIGKILL);
    co_await pause_for(kPoll);
  }
}

Task<Status> Postgres::start(model::PgTarget target, model::DynamicConfig dynamic,
                             Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  auto running = co_await live_postmaster();
  if (running)
    co_return fail(Code::exists,
                   "PostgreSQL runs already with pid " + std::to_string(running->file.pid));
  auto startable = co_await check_startable();
  if (!startable) co_return startable;
  auto alone = co_await end_orphans(seconds(10));
  if (!alone) co_return alone;
  const Settings recovery = recovery_arguments(target);
  if (target.recovery) {
    auto reserved = co_await runtime::in_pool(
        pool_, [dir = config_->pg.data_dir, own = target.recovery->timeline,
                above = target.recovery->above] { return reserve_timelines(dir, own, above); });
    if (!reserved) co_return reserved;
  }
  auto written = co_await write_configuration(std::move(target), std::move(dynamic), true);
  if (!written) co_return fail(written.error());
  auto free = runtime::port_is_free(config_->pg.listen_addresses(), config_->pg.port());
  if (!free) co_return fail(free.error().within("postgresql.listen"));
  auto server = co_await program("postgres");
  if (!server) co_return fail(server.error());

  const auto dir = config_->pg.data_dir;
  // With nobody working here a lock file is a dead server's. Its pid may belong to another process
  // by now, and then PostgreSQL would refuse to start.
  co_await runtime::in_pool(pool_, [dir] { return ::unlink((dir / "postmaster.pid").c_str()); });
  auto argv = postmaster_arguments(dir.string(), config_file().string(), written->wanted);
  argv.insert(argv.begin(), *server);
  for (const auto& [name, value] : recovery) argv.push_back("--" + name + "=" + value);
  auto pid = co_await launcher_.launch(std::move(argv), postmaster_environment(), dir.string());
  if (!pid) co_return fail(pid.error().within("cannot start PostgreSQL"));
  auto accepting = co_await await_connections(*pid, deadline - runtime::now());
  if (!accepting) co_return accepting;
  co_await runtime::in_pool(pool_, [dir, conf = config_dir(), base = config_->pg.config_base_name] {
    back_up_configuration(dir, conf, base);
    return 0;
  });
  co_return Status{};
}

Task<Status> Postgres::await_connections(int pid, Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  Error last{Code::timeout, "PostgreSQL is still starting", {}};
  for (;;) {
    auto process = read_process(pid);
    if (!process || process->state == 'Z') {
      auto why = co_await why_it_ended(pid);
      co_return fail(std::move(why));
    }
    auto server = co_await live_postmaster();
    if (server && server->file.pid == pid && server->file.status == "ready") {
      auto session = std::make_unique<Session>(executor_);
      auto connected =
          co_await connect_local(*session, Purpose::heartbeat, server->file,
                                 std::min<Duration>(deadline - runtime::now(), seconds(3)));
      if (connected) {
        heartbeat_ = std::move(session);
        heartbeat_pid_ = pid;
        co_return Status{};
      }
      if (connected.error().code == Code::permission)
        co_return fail(connected.error().within("PostgreSQL runs, but the agent cannot log in"));
      last = Error{Code::timeout, connected.error().message, {}};
    } else if (server && server->file.status == "standby") {
      last.message = "PostgreSQL is in recovery and not yet consistent";
    }
    if (runtime::now() >= deadline) co_return fail(last);
    co_await pause_for(kPoll);
  }
}

/// The server's own words are with whoever holds its standard error; else ask the program to read
/// its configuration.
Task<Error> Postgres::why_it_ended(int pid) {
  Error out{Code::io, "PostgreSQL ended while it was starting", "Look at PostgreSQL's log."};
  if (auto words = launcher_.last_words(pid); !words.empty()) {
    out.message += ": " + words;
    co_return out;
  }
  auto tool = co_await program("postgres");
  if (!tool) co_return out;
  runtime::ProcessSpec spec;
  spec.argv = {
      *tool, "-D",  config_->pg.data_dir.string(), "--config-file=" + config_file().string(),
      "-C",  "port"};
  spec.env = child_environment();
  spec.timeout = seconds(5);
  auto end = co_await runtime::run_process(std::move(spec));
  if (end && !end->ok()) out.message += ": " + tool_reason(*end);
  co_return out;
}

Task<Status> Postgres::run_hook(std::string name, std::string command,
                                std::vector<std::string> more, std::vector<std::string> environment,
                                Duration timeout) {
  auto words = runtime::split_words(command);
  if (!words) co_return fail(words.error().within(name));
  if (words->empty()) co_return fail(Code::invalid, name + " is an empty command");
  runtime::ProcessSpec spec;
  spec.argv = std::move(*words);
  for (auto& word : more) spec.argv.push_back(std::move(word));
  spec.env = plain_environment(std::move(environment));
  spec.timeout = timeout;
  spec.on_line = [&log = log_, name](std::string_view line) {
    log.info("hook.output", name + ": " + std::string(line));
  };
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) co_return fail(end.error().within(name));
  if (!end->ok()) co_return fail(Code::rejected, name + " failed: " + end->reason());
  co_return Status{};
}

/// A recovery to a time ends at the first commit behind it, and there may be none for hours.
Task<Status> Postgres::mark_end_of_wal() {
  const Instant deadline = runtime::now() + kMarkTimeout;
  auto session = co_await open_local(seconds(5));
  if (!session) co_return fail(session.error());
  auto marked = co_await (*session)->query(
      "SET synchronous_commit TO local; SELECT pg_catalog.txid_current()", seconds(5));
  if (!marked) co_return fail(marked.error());
  auto ended = co_await (*session)->query(
      "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal()),"
      " pg_catalog.current_setting('archive_mode')",
      seconds(5));
  if (!ended) co_return fail(ended.error());
  if (ended->text(0, std::size_t{1}) == "off") co_return Status{};
  const std::string file(ended->text(0, std::size_t{0}));
  const auto dir = config_->pg.data_dir;
  for (;;) {
    // A gap before it would end a recovery before this end.
    const bool archived = co_await runtime::in_pool(pool_, [dir, file] {
      announce_wal(dir);
      return is_archived_up_to(dir, file);
    });
    if (archived) co_return Status{};
    if (runtime::now() >= deadline) co_return fail(Code::timeout, file + " is not archived yet");
    co_await pause_for(kArchivePoll);
  }
}

/// Whether the server has ended in time. Each change of pg_control is looked at for the end of a
/// clean shutdown: PostgreSQL writes that state behind its last record, and only then lets its
/// archiver and walsenders finish (postmaster.c, PM_SHUTDOWN_2).
Task<bool> Postgres::await_end(int pid, Duration timeout,
                               std::function<void(model::Lsn)> last_record) {
  const Instant deadline = runtime::now() + timeout;
  const auto dir = config_->pg.data_dir;
  std::int64_t seen = 0;
  while (last_record) {
    const Duration left = deadline - runtime::now();
    if (left <= Duration{0}) co_return false;
    const bool ended = co_await wait_process_end(pid, std::min<Duration>(left, kPoll));
    if (ended) co_return true;
    const auto changed =
        co_await runtime::in_pool(pool_, [dir] { return control_changed_ns(dir); });
    if (changed == seen) continue;
    seen = changed;
    const auto control = co_await control_data(std::max<Duration>(left, kPoll));
    if (!control || control->state != "shut down") continue;
    last_record(control->checkpoint);
    last_record = {};
  }
  const bool ended = co_await wait_process_end(pid, deadline - runtime::now());
  co_return ended;
}

Task<Status> Postgres::stop(model::StopMode mode, Duration timeout, bool checkpoint_first,
                            bool mark_end, std::function<void(model::Lsn)> last_record) {
  auto server = co_await live_postmaster();
  heartbeat_.reset();
  if (!server) co_return Status{};
  const int pid = server->file.pid;
  if (!config_->pg.before_stop.empty()) {
    auto done =
        co_await run_hook("postgresql.before_stop", config_->pg.before_stop, {}, {}, kHookTimeout);
    if (!done) log_.warn("hook.failed", done.error().text());
  }
  if (mark_end) {
    auto marked = co_await mark_end_of_wal();
    if (!marked) log_.warn("stop.mark", "the end of the WAL: " + marked.error().text());
  }
  if (checkpoint_first) {
    auto done = co_await checkpoint(timeout);
    if (!done)
      log_.warn("stop.checkpoint", "the checkpoint before the stop failed: " + done.error().text());
    if (before_clean_stop_) co_await before_clean_stop_();
  }
  auto told = launcher_.signal(pid, signal_of(mode));
  bool ended = false;
  if (told) ended = co_await await_end(pid, timeout, std::move(last_record));
  if (!ended && mode != model::StopMode::immediate) {
    log_.warn("stop.immediate", "PostgreSQL did not stop in " + std::to_string(to_ms(timeout)) +
                                    " ms in mode " + std::string(to_string(mode)) +
                                    ", it is stopped immediately");
    told = launcher_.signal(pid, SIGQUIT);
    if (told) ended = co_await wait_process_end(pid, kImmediateTimeout);
  }
  if (!ended) {
    log_.warn("stop.kill", "PostgreSQL did not stop immediately, it is killed");
    auto killed = co_await launcher_.kill_all(pid, kKillTimeout);
    if (!killed) co_return fail(killed.error().within("PostgreSQL cannot be stopped"));
  }
  co_return Status{};
}

Task<Status> Postgres::restart(model::PgTarget target, model::DynamicConfig dynamic,
                               Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  auto stopped = co_await stop(model::StopMode::fast, timeout, true);
  if (!stopped) co_return stopped;
  const Duration left = std::max<Duration>(deadline - runtime::now(), seconds(5));
  auto started = co_await start(std::move(target), std::move(dynamic), left);
  co_return started;
}

Task<Status> Postgres::checkpoint(Duration timeout) {
  auto session = co_await open_local(std::min<Duration>(timeout, seconds(5)));
  if (!session) co_return fail(session.error());
  auto done = co_await (*session)->query("CHECKPOINT", timeout);
  if (!done) co_return fail(done.error().within("CHECKPOINT"));
  co_return Status{};
}

/// The timelines between the server's own and `above` are taken out of its way. They are counted
/// from its last checkpoint's: it may have followed newer ones since, and has their history files.
Task<Status> Postgres::reserve_timelines_up_to(model::Timeline above, Session& session,
                                               Duration timeout) {
  if (above <= 1) co_return Status{};
  auto rows =
      co_await session.query("SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()", timeout);
  model::Timeline own = 0;
  if (rows) {
    own = static_cast<model::Timeline>(std::stoul(rows->text(0, std::size_t{0})));
  } else {
    auto control = co_await control_data();
    if (!control) co_return fail(control.error());
    own = control->timeline;
  }
  auto reserved = co_await runtime::in_pool(pool_, [dir = config_->pg.data_dir, own, above] {
    return reserve_timelines(dir, own, above);
  });
  if (reserved || reserved.error().code != Code::invalid) co_return reserved;
  // A number like that was written by hand. A cluster without a leader would be worse.
  log_.warn("promote.timeline", reserved.error().text());
  co_return Status{};
}

Task<Status> Postgres::promote(model::Timeline above, std::function<void()> begins,
                               Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  if (!config_->pg.pre_promote.empty()) {
    auto allowed =
        co_await run_hook("postgresql.pre_promote", config_->pg.pre_promote, {}, {}, kHookTimeout);
    if (!allowed) co_return fail(Code::cancelled, allowed.error().message);
  }
  // The heartbeat's connection is there already, which saves a login; without it, one of our own.
  auto session = std::move(heartbeat_);
  if (!session || session->phase() != Session::Phase::idle) {
    auto opened = co_await open_local(std::min<Duration>(timeout, seconds(5)));
    if (!opened) co_return fail(opened.error().within("cannot promote"));
    session = std::move(*opened);
  }
  auto reserved = co_await reserve_timelines_up_to(above, *session, deadline - runtime::now());
  if (!reserved) co_return fail(reserved.error().within("cannot promote"));
  if (begins) begins();
  auto told =
      co_await session->query("SELECT pg_catalog.pg_promote(false)", deadline - runtime::now());
  if (!told &&
      session->last_sqlstate() != "55000") {  // 55000: not in recovery, so it is promoted already
    log_.warn("promote.sql",
              "pg_promote failed: " + told.error().text() + ", pg_ctl promote is tried");
    auto tool = co_await program("pg_ctl");
    if (!tool) co_return fail(tool.error());
    runtime::ProcessSpec spec;
    spec.argv = {*tool, "promote", "-W", "-D", config_->pg.data_dir.string()};
    spec.env = child_environment();
    auto end = co_await runtime::run_process(std::move(spec));
    if (!end) co_return fail(end.error().within("pg_ctl promote"));
    if (!end->ok()) co_return fail(Code::io, "pg_ctl promote: " + tool_reason(*end));
  }
  for (;;) {
    if (session->phase() != Session::Phase::idle) {
      auto opened = co_await open_local(deadline - runtime::now());
      if (!opened) co_return fail(opened.error().within("promotion"));
      session = std::move(*opened);
    }
    auto rows =
        co_await session->query("SELECT pg_catalog.pg_is_in_recovery()", deadline - runtime::now());
    if (rows && rows->text(0, std::size_t{0}) == "f") break;
    if (runtime::now() >= deadline)
      co_return fail(Code::timeout, "PostgreSQL did not leave recovery in " +
                                        std::to_string(to_ms(timeout)) + " ms");
    auto server = co_await live_postmaster();
    if (!server) co_return fail(Code::unavailable, "PostgreSQL ended while it was promoted");
    co_await pause_for(kPoll);
  }
  co_return Status{};
}

}  // namespace aurum::pg
