#include "backup/restore_trial.h"

#include <algorithm>
#include <fstream>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "backup/scratch_cluster.h"
#include "model/decode.h"
#include "pg/programs.h"
#include "pg/render.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace {

constexpr Duration kLongCheck = std::chrono::hours(24);
constexpr int kNicest = 19;
constexpr int kIoWhoProcess = 1, kIoIdle = 3 << 13;
constexpr std::string_view kFirstToGo = "1000";  ///< for /proc/self/oom_score_adj
constexpr std::uintmax_t kMostReserve = std::uintmax_t{5} << 30;
constexpr auto kRoomLook = std::chrono::seconds(1);
/// The user's answers can be long; the store is no place for them.
constexpr std::size_t kToldLength = 200;

using model::flag_at, model::text_at;

double number_at(const model::Value& tree, std::string_view key) {
  const auto* value = tree.find(key);
  return value != nullptr && value->is_number() ? value->as_real() : 0;
}

double round_s(Duration span) { return static_cast<double>(to_ms(span)) / 1000; }

/// Of a server that was stopped cleanly.
Task<std::string> check_pages(ScratchCluster& copy, bool enabled) {
  if (!enabled) co_return "off";
  auto end = co_await copy.tool("pg_checksums", {"--check", "-D", copy.dir().string()}, kLongCheck);
  if (!end) co_return end.error().message;
  co_return end->ok() ? "ok" : pg::tool_reason(*end);
}

Task<std::string> check_relations(ScratchCluster& copy, const std::string& user) {
  auto end = co_await copy.tool("pg_amcheck",
                                {"--all", "--install-missing", "-h", copy.socket_dir(), "-p",
                                 "5432", "-U", user, "--no-password"},
                                kLongCheck);
  if (!end) co_return end.error().code == Code::not_found ? "not available" : end.error().message;
  if (end->ok()) co_return "ok";
  if (end->err.find("extension \"amcheck\" is not available") != std::string::npos ||
      end->err.find("extension control file") != std::string::npos)
    co_return "not available";
  // What it found stands on its standard output, one line for each.
  co_return end->out.empty() ? pg::tool_reason(*end) : end->out.substr(0, end->out.find('\n'));
}

bool is_bad(const std::string& verdict) {
  return verdict != "ok" && verdict != "off" && verdict != "not available";
}

Task<Status> run_checks(ScratchCluster& copy, const model::LocalConfig& config,
                        const RestoreTrialOptions& options, RestoreTrial& trial) {
  for (const auto& sql : options.checks) {
    auto rows = co_await copy.query(options.database, sql, kLongCheck);
    const std::string told = rows ? rows->text(0, std::size_t{0}) : rows.error().message;
    trial.checks.push_back({sql, rows && told == "t", told.substr(0, kToldLength)});
  }
  trial.amcheck = co_await check_relations(copy, config.pg.superuser.username);
  auto known = co_await copy.control();
  if (!known) co_return fail(known.error());
  auto stopped = co_await copy.stop();
  if (!stopped) co_return stopped;
  trial.checksums = co_await check_pages(copy, known->data_checksums);
  if (is_bad(trial.checksums)) co_return fail(Code::io, "page checksums: " + trial.checksums);
  if (is_bad(trial.amcheck)) co_return fail(Code::io, "pg_amcheck: " + trial.amcheck);
  for (const auto& check : trial.checks)
    if (!check.ok)
      co_return fail(Code::io, fmt::format("check \"{}\" said {}", check.sql,
                                           check.told.empty() ? "nothing" : check.told));
  co_return Status{};
}

Status has_room(const std::filesystem::path& dir, std::int64_t size) {
  std::error_code ec;
  const auto space = std::filesystem::space(dir, ec);
  if (ec) return fail(Code::io, fmt::format("{}: {}", dir.string(), ec.message()));
  const auto wanted = static_cast<std::uintmax_t>(size) + static_cast<std::uintmax_t>(size) / 20 +
                      reserve_of(space.capacity);
  if (space.available >= wanted) return {};
  return fail(Code::rejected,
              fmt::format("{} has {} free, and a restore test there wants {}", dir.string(),
                          pg::human_bytes(static_cast<double>(space.available)),
                          pg::human_bytes(static_cast<double>(wanted))),
              "Name a folder on another disk: aurum.backup.restore_test_dir, or --dir.");
}

/// Ends when the room does.
Task<Error> out_of_room(std::filesystem::path dir) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (;;) {
    timer.expires_after(kRoomLook);
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
    std::error_code unknown;
    const auto space = std::filesystem::space(dir, unknown);
    if (!unknown && space.available < reserve_of(space.capacity))
      co_return Error{
          Code::io,
          fmt::format("the disk of {} fills up: {} are left, so the test was ended", dir.string(),
                      pg::human_bytes(static_cast<double>(space.available))),
          "Make room, or name a folder on another disk."};
  }
}

Task<Status> restore_and_check(ScratchCluster& copy, const model::LocalConfig& config,
                               const RestoreTrialOptions& options, RestoreTrial& trial) {
  const auto tell = [&](std::string text) {
    if (options.progress) options.progress(std::move(text));
  };
  auto begun = co_await copy.begin();
  if (!begun) co_return begun;
  auto room = has_room(copy.dir(), options.plan.backup.size);
  if (!room) co_return room;
  const Instant at = runtime::now();
  auto fetched = co_await copy.fetch(options.plan.backup.label, [&](double percent) {
    tell(fmt::format("restored {:.0f} %", percent));
  });
  if (!fetched) co_return fetched;
  trial.fetch_s = round_s(runtime::now() - at);
  tell("replaying WAL");
  auto recovered = co_await copy.recover(options.plan.target, options.plan.timeline);
  if (!recovered) co_return recovered;
  trial.rto_s = round_s(runtime::now() - at);
  trial.recover_s = trial.rto_s - trial.fetch_s;
  auto newest = co_await copy.query(
      "postgres",
      "SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00'), "
      "extract(epoch FROM now() - t) FROM pg_catalog.pg_last_xact_replay_timestamp() t",
      seconds(30));
  if (!newest) co_return fail(newest.error());
  trial.newest = newest->text(0, std::size_t{0});
  if (!trial.newest.empty()) trial.rpo_s = std::stod(newest->text(0, std::size_t{1})) - trial.rto_s;
  tell("checking");
  const Instant checking = runtime::now();
  auto checked = co_await run_checks(copy, config, options, trial);
  trial.check_s = round_s(runtime::now() - checking);
  co_return checked;
}

}  // namespace

std::int64_t begun_at(const RestoreTrial& trial) {
  const auto at = model::parse_iso8601(trial.at);
  return at ? at->us / 1'000'000 : 0;
}

Status yield_to_others(const std::filesystem::path& cgroup) {
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, kNicest));
  static_cast<void>(::syscall(SYS_ioprio_set, kIoWhoProcess, 0, kIoIdle));
  std::ofstream("/proc/self/oom_score_adj") << kFirstToGo;
  if (cgroup.empty()) return {};
  std::ofstream procs(cgroup / "cgroup.procs");
  procs << ::getpid() << std::flush;
  if (procs) return {};
  return fail(Code::permission, "cannot enter the control group " + cgroup.string(),
              "Make it, and give its cgroup.procs to the owner of the data directory.");
}

std::uintmax_t reserve_of(std::uintmax_t capacity) { return std::min(capacity / 20, kMostReserve); }

Task<RestoreTrial> try_restore(const model::LocalConfig& config, RestoreTrialOptions options) {
  RestoreTrial trial{.at = model::iso8601(runtime::wall_now()),
                     .node = options.node,
                     .backup = options.plan.backup.label,
                     .target = model::describe(options.plan.target),
                     .bytes = options.plan.backup.size};
  ScratchCluster copy(config, options.dir, CopyUse::test, options.program);
  using namespace boost::asio::experimental::awaitable_operators;
  auto ended =
      co_await (restore_and_check(copy, config, options, trial) || out_of_room(options.dir));
  auto good = ended.index() == 0 ? std::get<0>(ended) : Status(fail(std::get<1>(ended)));
  auto stopped = co_await copy.stop();
  if (good && !stopped) good = stopped;
  trial.ok = good.has_value();
  if (!good) trial.error = good.error().text();
  // Nothing of a folder that is somebody else's is touched.
  if (good || good.error().code != Code::exists) copy.remove();
  co_return trial;
}

model::Value to_value(const RestoreTrial& trial) {
  model::Value out = model::Value::object();
  out.set("at", trial.at);
  out.set("node", trial.node);
  out.set("backup", trial.backup);
  out.set("target", trial.target);
  out.set("ok", trial.ok);
  out.set("error", trial.error);
  out.set("bytes", trial.bytes);
  out.set("fetch_s", trial.fetch_s);
  out.set("recover_s", trial.recover_s);
  out.set("check_s", trial.check_s);
  out.set("rto_s", trial.rto_s);
  out.set("newest", trial.newest);
  out.set("rpo_s", trial.rpo_s);
  out.set("checksums", trial.checksums);
  out.set("amcheck", trial.amcheck);
  model::Value checks = model::Value::array();
  for (const auto& check : trial.checks) {
    model::Value row = model::Value::object();
    row.set("sql", check.sql);
    row.set("ok", check.ok);
    row.set("told", check.told);
    checks.push_back(std::move(row));
  }
  out.set("checks", std::move(checks));
  return out;
}

Result<RestoreTrial> parse_restore_trial(std::string_view text) {
  const auto tree = model::parse_json(text);
  if (!tree) return fail(tree.error());
  if (!tree->is_object()) return fail(Code::protocol, "no result of a restore test");
  RestoreTrial out{.at = text_at(*tree, "at"),
                   .node = text_at(*tree, "node"),
                   .backup = text_at(*tree, "backup"),
                   .target = text_at(*tree, "target"),
                   .ok = flag_at(*tree, "ok"),
                   .error = text_at(*tree, "error"),
                   .bytes = static_cast<std::int64_t>(number_at(*tree, "bytes")),
                   .fetch_s = number_at(*tree, "fetch_s"),
                   .recover_s = number_at(*tree, "recover_s"),
                   .check_s = number_at(*tree, "check_s"),
                   .rto_s = number_at(*tree, "rto_s"),
                   .newest = text_at(*tree, "newest"),
                   .rpo_s = number_at(*tree, "rpo_s"),
                   .checksums = text_at(*tree, "checksums"),
                   .amcheck = text_at(*tree, "amcheck")};
  if (const auto* checks = tree->find("checks"); checks != nullptr && checks->is_array())
    for (const auto& row : checks->as_array())
      out.checks.push_back({text_at(row, "sql"), flag_at(row, "ok"), text_at(row, "told")});
  return out;
}

std::string restore_trial_line(const RestoreTrial& trial) {
  const std::string when = trial.at.substr(0, 10) + " " +
                           (trial.at.size() > 16 ? trial.at.substr(11, 5) : std::string());
  return trial.ok
             ? fmt::format("restore test: {} UTC on {}: ok, RTO {:.0f} s, RPO {:.0f} s", when,
                           trial.node, trial.rto_s, trial.rpo_s)
             : fmt::format("restore test: {} UTC on {}: FAILED: {}", when, trial.node, trial.error);
}

std::string render_restore_trial(const RestoreTrial& trial) {
  std::string out = restore_trial_line(trial) + "\n";
  out += fmt::format("  backup       {}, {}\n", trial.backup,
                     pg::human_bytes(static_cast<double>(trial.bytes)));
  out += fmt::format("  target       {}\n", trial.target);
  out += fmt::format("  time         {:.1f} s restored, {:.1f} s replayed, {:.1f} s checked\n",
                     trial.fetch_s, trial.recover_s, trial.check_s);
  if (!trial.newest.empty())
    out += fmt::format("  newest row   {}, {:.0f} s old\n", trial.newest, trial.rpo_s);
  if (!trial.checksums.empty()) out += fmt::format("  checksums    {}\n", trial.checksums);
  if (!trial.amcheck.empty()) out += fmt::format("  pg_amcheck   {}\n", trial.amcheck);
  for (const auto& check : trial.checks)
    out += fmt::format("  check        {}: {}\n", check.ok ? "ok" : "FAILED", check.sql);
  return out;
}

}  // namespace aurum::backup
