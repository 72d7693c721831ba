#include "backup/scratch_cluster.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "backup/archive.h"
#include "backup/pgbackrest_conf.h"
#include "pg/control_data.h"
#include "pg/files.h"
#include "pg/postmaster.h"
#include "pg/programs.h"
#include "pg/render.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

constexpr const char* kHba = "aurum.scratch.hba";
constexpr const char* kLog = "aurum.scratch.log";
constexpr const char* kWork = "aurum.scratch";  ///< of pgBackRest
constexpr auto kLook = std::chrono::milliseconds(200);
constexpr Duration kLongest = std::chrono::hours(72);

std::string own_program() {
  std::error_code ec;
  return fs::read_symlink("/proc/self/exe", ec).string();
}

}  // namespace

ScratchCluster::ScratchCluster(const model::LocalConfig& config, std::filesystem::path dir,
                               CopyUse use, std::string program)
    : config_(config),
      dir_(std::move(dir)),
      use_(use),
      program_(program.empty() ? own_program() : std::move(program)) {}

Task<Status> ScratchCluster::begin() {
  std::error_code ec;
  // Before the marker is there: beside a data directory it would tell of a clone that did not end.
  if (fs::exists(dir_, ec) && !fs::is_empty(dir_, ec) && !is_left_scratch(dir_))
    co_return fail(Code::exists, dir_.string() + " is not empty", "Name an empty folder.");
  auto held = ScratchHold::take(dir_);
  if (!held) co_return fail(held.error());
  hold_.emplace(std::move(*held));
  auto ended = end_work_in(dir_);
  if (!ended) co_return ended;
  auto made = pg::make_data_dir(dir_);
  if (!made) co_return made;
  for (const auto& entry : fs::directory_iterator(dir_, ec)) fs::remove_all(entry.path(), ec);
  co_return Status{};
}

Task<Status> ScratchCluster::fetch(std::string label, Percent percent) {
  Pgbackrest pgbackrest(config_);
  pgbackrest.guard_with({program_, ""});  // it ends with us
  auto fetched = co_await pgbackrest.restore(std::move(label), dir_, std::move(percent));
  if (!fetched) co_return fetched;
  std::error_code ec;
  for (const char* name :
       {"standby.signal", "postmaster.pid", "patroni.dynamic.json", pg::kProbeFile, pg::kFounding})
    fs::remove(dir_ / name, ec);
  auto text = pg::read_file(dir_ / "postgresql.auto.conf");
  if (text) {
    const auto cleaned = pg::without_recovery_settings(*text);
    auto written = pg::write_file(dir_ / "postgresql.auto.conf", cleaned ? *cleaned : *text, 0600);
    if (!written) co_return fail(written.error());
  }
  auto signal = pg::write_file(dir_ / "recovery.signal", "", 0600);
  if (!signal) co_return fail(signal.error());
  co_return Status{};
}

/// A configuration of our own, so that nothing of the cluster's is in force: no archiving, no
/// upstream, no preloaded library, no address.
Task<Status> ScratchCluster::write_conf(std::string recovery) {
  auto known = co_await control();
  if (!known) co_return fail(known.error());
  // pgBackRest fetches WAL only for the data directory that its configuration names.
  model::LocalConfig own = config_;
  own.pg.data_dir = dir_;
  own.aurum.backup->work_dir = dir_ / kWork;
  auto conf_written = write_pgbackrest_conf(own, {});
  if (!conf_written) co_return fail(conf_written.error());
  const fs::path sockets = socket_dir();
  if (sockets != dir_) ::mkdir(sockets.c_str(), 0700);
  std::string conf = "# Of a scratch restore by aurum.\n";
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"listen_addresses", ""},
           {"unix_socket_directories", sockets.string()},
           {"hba_file", (dir_ / kHba).string()},
           // On, without a command: its files wait, marked, for the agent's archiver. Without the
           // history file of the timeline that begins here no later recovery could come over it.
           {"archive_mode", use_ == CopyUse::same_cluster ? "on" : "off"},
           {"archive_command", ""},
           {"autovacuum", "off"},
           {"fsync", use_ == CopyUse::test ? "off" : "on"},
           {"hot_standby", "on"},
           {"logging_collector", "off"},
           {"shared_buffers", "64MB"},
           {"restore_command",
            archive_commands(*own.aurum.backup, program_, own.aurum.backup->work_dir)
                .restore_command}})
    conf += pg::conf_line(name, value);
  for (const auto& [name, value] : known->limits)
    conf += pg::conf_line(name, std::to_string(value));
  auto written = pg::write_file(dir_ / kScratchConf, conf + recovery, 0600);
  if (!written) co_return fail(written.error());
  auto hba = pg::write_file(dir_ / kHba, "local all all trust\n", 0600);
  if (!hba) co_return fail(hba.error());
  co_return Status{};
}

Task<Status> ScratchCluster::start() {
  auto started = co_await tool(
      "pg_ctl",
      {"start", "-s", "-w", "-t", "259200", "-D", dir_.string(), "-l", (dir_ / kLog).string(), "-o",
       fmt::format("-c config_file={}", (dir_ / kScratchConf).string())},
      kLongest);
  if (!started) co_return fail(started.error());
  if (!started->ok()) co_return fail(Code::io, "the copy does not start: " + last_words());
  co_return Status{};
}

Task<Status> ScratchCluster::recover(model::RecoveryTarget target, model::Timeline timeline) {
  model::PgTarget to;
  to.recovery = model::PgRecovery{std::move(target), timeline, 0};
  std::string recovery;
  for (const auto& [name, value] : pg::recovery_arguments(to))
    recovery += pg::conf_line(name, value);
  auto written = co_await write_conf(std::move(recovery));
  if (!written) co_return written;
  auto started = co_await start();
  if (!started) co_return started;
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (;;) {
    auto rows = co_await query("postgres", "SELECT pg_catalog.pg_is_in_recovery()", seconds(10));
    if (rows && rows->text(0, std::size_t{0}) == "f") break;
    if (!rows && !pg::find_postmaster(dir_))
      co_return fail(Code::not_found, "the target was not reached: " + last_words());
    timer.expires_after(kLook);
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
  }
  // It is open: no restart shall look for the target again.
  auto plain = co_await write_conf("");
  co_return plain;
}

Task<Result<pg::Rows>> ScratchCluster::query(std::string database, std::string sql,
                                             Duration timeout) {
  pg::Session session(co_await boost::asio::this_coro::executor);
  auto connected = co_await session.connect({{"host", socket_dir()},
                                             {"port", "5432"},
                                             {"dbname", database},
                                             {"user", config_.pg.superuser.username}},
                                            seconds(10));
  if (!connected) co_return fail(connected.error());
  auto rows = co_await session.query(std::move(sql), timeout);
  co_return rows;
}

Task<Status> ScratchCluster::stop() {
  if (!pg::find_postmaster(dir_)) co_return Status{};
  auto stopped = co_await tool(
      "pg_ctl", {"stop", "-s", "-w", "-t", "3600", "-m", "fast", "-D", dir_.string()}, kLongest);
  if (!stopped) co_return fail(stopped.error());
  if (!stopped->ok()) co_return fail(Code::io, "the copy does not stop: " + last_words());
  co_return Status{};
}

Task<Result<runtime::ProcessEnd>> ScratchCluster::tool(std::string name,
                                                       std::vector<std::string> arguments,
                                                       Duration timeout) {
  const auto major = pg::major_version(dir_);
  if (!major) co_return fail(major.error());
  const auto program = pg::find_pg_program(config_.pg, name, *major);
  if (!program) co_return fail(program.error());
  runtime::ProcessSpec spec;
  spec.argv = {*program};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  spec.env = pg::child_environment();
  spec.working_dir = dir_.string();
  spec.timeout = timeout;
  auto end = co_await runtime::run_process(std::move(spec));
  co_return end;
}

Task<Result<model::ControlData>> ScratchCluster::control() {
  auto end = co_await tool("pg_controldata", {dir_.string()}, seconds(30));
  if (!end) co_return fail(end.error());
  if (!end->ok()) co_return fail(Code::io, "pg_controldata failed: " + pg::tool_reason(*end));
  co_return pg::parse_control_data(end->out);
}

/// The server's own, newest last.
std::string ScratchCluster::last_words() const {
  const auto text = pg::read_file(dir_ / kLog);
  if (!text) return "it left no log";
  const auto at = text->rfind("FATAL:");
  if (at == std::string::npos) return "see " + (dir_ / kLog).string();
  const auto begin = text->find_first_not_of(' ', at + 6);
  return text->substr(begin, text->find('\n', begin) - begin);
}

void ScratchCluster::remove() {
  std::error_code ec;
  if (!end_work_in(dir_)) return release(false);
  if (const fs::path sockets = socket_dir(); sockets != dir_) fs::remove_all(sockets, ec);
  fs::remove_all(dir_, ec);
  release(!ec);
}

void ScratchCluster::leave_for_agent() {
  std::error_code ec;
  for (const char* name : {kScratchConf, kHba, kLog, kWork}) fs::remove_all(dir_ / name, ec);
  if (const fs::path sockets = socket_dir(); sockets != dir_) fs::remove_all(sockets, ec);
  release(true);
}

/// Else the marker stays for who sweeps the folder.
void ScratchCluster::release(bool done) {
  if (hold_ && done) hold_->forget();
  hold_.reset();
}

}  // namespace aurum::backup
