#include "pg/postgres.h"

#include <algorithm>
#include <cstdlib>
#include <sys/stat.h>

#include "pg/control_data.h"
#include "pg/files.h"
#include "pg/programs.h"
#include "pg/volumes.h"
#include "runtime/process.h"

/// Observing: the probe, the disk probe, pg_controldata.
namespace aurum::pg {

namespace asio = runtime::asio;

namespace {

/// How often the restart-only settings are compared when nothing happened.
constexpr auto kPendingCheckEvery = seconds(60);
/// A reload reaches the heartbeat's backend some time after it was asked for.
constexpr auto kReloadTakes = seconds(3);
/// WAL that stays unflushed for this long, and for longer than the probe's own time, calls for a
/// proof.
constexpr auto kFlushPatience = seconds(1);

/// After these numbers of time-outs in a row the heartbeat connection is given up for a fresh one.
/// The gaps grow, so that a server frozen for hours finds a handful of dead connections when it
/// thaws and not thousands.
bool give_up_connection(int timeouts) { return timeouts >= 4 && (timeouts & (timeouts - 1)) == 0; }

}  // namespace

Postgres::Postgres(asio::any_io_executor executor, runtime::Pool& pool,
                   const model::LocalConfig& config, Launcher& launcher, runtime::Logger& log)
    : executor_(executor),
      pool_(pool),
      config_(&config),
      launcher_(launcher),
      log_(log),
      names_(executor, pool),
      looks_(executor),
      disk_probes_(executor),
      volume_looks_(executor) {}

Task<model::PgFacts> Postgres::probe(Duration timeout, Duration hang_limit) {
  const Instant deadline = runtime::now() + timeout;
  model::PgFacts facts;
  const auto dir = config_->pg.data_dir;
  auto look = co_await looks_.run(
      pool_,
      [dir, checkpointer = checkpointer_.pid()] {
        Look out;
        out.data_dir = inspect_data_dir(dir);
        out.founding = is_founding(dir);
        out.postmaster = find_postmaster(dir);
        out.control_changed_ns = control_changed_ns(dir);
        if (checkpointer != 0) out.checkpointer = read_activity(checkpointer);
        struct stat info{};
        out.backup_label = ::stat((dir / "backup_label").c_str(), &info) == 0 ||
                           ::stat((dir / "recovery.signal").c_str(), &info) == 0;
        return out;
      },
      deadline);
  if (!look) {
    if (last_look_) {
      facts.data_dir = last_look_->data_dir;
      facts.founding = last_look_->founding;
      facts.process_alive = last_look_->postmaster.has_value();
      facts.pid = last_look_->postmaster ? last_look_->postmaster->file.pid : 0;
    }
    facts.probe_timed_out = true;
    facts.probe_error = "the file system of " + dir.string() + " does not answer";
    co_return facts;
  }
  last_look_ = *look;
  facts.data_dir = look->data_dir;
  facts.founding = look->founding;
  if (look->postmaster) {
    facts.process_alive = true;
    facts.pid = look->postmaster->file.pid;
    checkpointer_.observe(look->checkpointer, facts.pid, runtime::now());
    co_await ask_server(facts, *look->postmaster, deadline, hang_limit);
    co_return facts;
  }
  heartbeat_.reset();
  timeouts_in_a_row_ = 0;
  flush_watch_.reset();
  checkpointer_ = {};
  pending_checked_ = Instant{};
  co_await add_control_data(facts, *look, deadline);
  co_return facts;
}

Task<void> Postgres::ask_server(model::PgFacts& facts, const LivePostmaster& server,
                                Instant deadline, Duration hang_limit) {
  auto session = std::move(heartbeat_);
  if (!session || heartbeat_pid_ != server.file.pid) {
    session = std::make_unique<Session>(executor_);
    heartbeat_pid_ = server.file.pid;
    pending_checked_ = Instant{};
  }
  Status asked;
  // A connection that stood idle may turn out to be dead only now, and a promotion may cross the
  // query: once more.
  for (int tries = 0; tries < 2; ++tries) {
    const bool fresh = session->phase() == Session::Phase::closed;
    if (fresh) {
      asked = co_await connect_local(*session, Purpose::heartbeat, server.file,
                                     deadline - runtime::now());
    } else if (session->phase() != Session::Phase::idle) {
      auto old_answer = co_await session->resume(deadline - runtime::now());
      asked = Status{};
      // An old statement that failed is of no interest; a connection that is still silent is.
      if (!old_answer && session->phase() != Session::Phase::idle) asked = fail(old_answer.error());
    }
    if (asked) asked = co_await ask_once(*session, facts, deadline);
    if (asked || asked.error().code == Code::timeout || asked.error().code == Code::permission)
      break;
    const bool crossed_promotion = session->last_sqlstate() == "55000";
    if (!crossed_promotion && (fresh || session->phase() != Session::Phase::closed)) break;
    asked = Status{};
  }
  const bool stopped = server.process.state == 'T' || server.process.state == 't';
  if (asked && stopped)
    asked =
        fail(Code::timeout, "the postmaster is stopped by a signal and takes no new connections");
  // Commits go on without it, but no WAL is ever given back, and no stop would end in order.
  if (asked && !facts.in_recovery) asked = checkpointer_.judge(hang_limit);
  facts.accepting = asked.has_value();
  if (!asked) {
    facts.probe_error = asked.error().text();
    facts.probe_timed_out = asked.error().code == Code::timeout;
    facts.login_refused = asked.error().code == Code::permission;
  }
  timeouts_in_a_row_ = facts.probe_timed_out ? timeouts_in_a_row_ + 1 : 0;
  if (facts.probe_timed_out && give_up_connection(timeouts_in_a_row_)) session.reset();
  if (session && session->phase() != Session::Phase::closed && !heartbeat_)
    heartbeat_ = std::move(session);
}

Task<Status> Postgres::ask_once(Session& session, model::PgFacts& facts, Instant deadline) {
  const Instant now = runtime::now();
  const bool with_settings =
      wanted_ && (pending_checked_.ns == 0 || now - pending_checked_ > kPendingCheckEvery ||
                  now - reloaded_ < kReloadTakes);
  auto answer = co_await session.query_all(probe_sql(session.server_version(), with_settings),
                                           deadline - runtime::now());
  if (!answer) co_return fail(answer.error());
  model::PgFacts observed = facts;
  auto read = read_probe(*answer, observed);
  if (!read) co_return fail(read.error());
  if (with_settings && wanted_) {
    pending_restart_ = pending_restart_reason(read->settings, *wanted_);
    pending_checked_ = runtime::now();
  }
  observed.pending_restart_reason = pending_restart_;
  if (!observed.in_recovery) {
    auto flushed = co_await prove_flush(session, observed, read->insert_lsn, deadline);
    if (!flushed) co_return flushed;
    if (checkpointer_.pid() == 0) co_await find_checkpointer(session, deadline);
  }
  facts = std::move(observed);
  co_return Status{};
}

Task<Status> Postgres::prove_flush(Session& session, const model::PgFacts& facts, model::Lsn insert,
                                   Instant deadline) {
  const bool doubtful =
      flush_watch_.observe(insert, facts.flush_lsn, runtime::now(), kFlushPatience);
  if (!doubtful) co_return Status{};
  auto proof = co_await session.query_all(kFlushProofSql, deadline - runtime::now());
  if (!proof && proof.error().code == Code::timeout)
    co_return fail(Code::timeout,
                   "WAL up to " + to_string(insert) + " is not flushed beyond " +
                       to_string(facts.flush_lsn) + " for " +
                       std::to_string(to_ms(flush_watch_.stuck_for(runtime::now()))) + " ms",
                   "Look at the disk that holds pg_wal.");
  flush_watch_.reset();
  if (!proof)
    log_.debug("probe.flush", "the proof of a flush was refused: " + proof.error().text());
  co_return Status{};
}

/// Once per start of the server, and after a crash of a backend, which starts all of them anew.
Task<void> Postgres::find_checkpointer(Session& session, Instant deadline) {
  auto found = co_await session.query_all(
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
      deadline - runtime::now());
  if (!found || found->empty() || found->front().rows.empty()) co_return;  // the next probe asks
  checkpointer_.found(std::atoi(found->front().text(0, "pid").c_str()));
}

Task<void> Postgres::add_control_data(model::PgFacts& facts, const Look& look, Instant deadline) {
  if (look.data_dir != model::DataDir::ready) co_return;
  if (!control_ || control_of_ns_ != look.control_changed_ns) {
    auto control = co_await control_data(deadline - runtime::now());
    if (!control) {
      facts.probe_error = control.error().text();
      co_return;
    }
    control_ = *control;
    control_of_ns_ = look.control_changed_ns;
  }
  facts.control = control_;
  facts.copied = look.backup_label;
  facts.system_identifier = control_->system_identifier;
}

Task<Result<Room>> Postgres::disk_probe(Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  const auto dir = config_->pg.data_dir;
  auto written = co_await disk_probes_.run(pool_, [dir] { return probe_writes(dir); }, deadline);
  if (!written)
    co_return fail(Code::timeout, "the disk of " + dir.string() + " or its WAL did not take a " +
                                      "write in " + std::to_string(to_ms(timeout)) + " ms");
  co_return *written;
}

Task<Result<model::DiskFacts>> Postgres::volumes(Duration timeout) {
  const auto dir = config_->pg.data_dir;
  auto seen = co_await volume_looks_.run(
      pool_, [dir] { return look_at_volumes(dir); }, runtime::now() + timeout);
  if (!seen) co_return fail(Code::timeout, "the disk of " + dir.string() + " does not answer");
  co_return *seen;
}

Task<Status> Postgres::hold_ballast(std::uint64_t data, std::uint64_t wal) {
  const auto dir = config_->pg.data_dir;
  auto held = co_await runtime::in_pool(
      pool_, [dir, data, wal] { return pg::hold_ballast(dir, data, wal); });
  co_return held;
}

Task<model::DataDir> Postgres::data_dir() {
  const auto dir = config_->pg.data_dir;
  auto what = co_await runtime::in_pool(pool_, [dir] { return inspect_data_dir(dir); });
  co_return what;
}

Task<Result<std::string>> Postgres::program(std::string name) {
  const auto& pg = config_->pg;
  auto found = co_await runtime::in_pool(pool_, [&pg, name] {
    auto major = major_version(pg.data_dir);
    if (!major) major = major_version(pg.data_dir / kStaging);
    return find_pg_program(pg, name, major ? *major : 0);
  });
  co_return found;
}

Task<Result<model::ControlData>> Postgres::control_data(Duration timeout) {
  auto tool = co_await program("pg_controldata");
  if (!tool) co_return fail(tool.error());
  const auto dir = config_->pg.data_dir;
  runtime::ProcessSpec spec;
  spec.argv = {*tool, dir.string()};
  spec.env = child_environment();
  spec.timeout = timeout;
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) co_return fail(end.error().within("pg_controldata"));
  if (!end->ok()) co_return fail(Code::io, "pg_controldata: " + end->reason());
  auto control = parse_control_data(end->out + end->err);
  if (!control) co_return fail(control.error());
  auto major = co_await runtime::in_pool(pool_, [dir] { return major_version(dir); });
  if (major) control->pg_version = *major;
  co_return control;
}

}  // namespace aurum::pg
