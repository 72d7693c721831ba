#include "backup/trial_keeper.h"

#include <algorithm>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "backup/scratch_sweep.h"
#include "backup/trial_schedule.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace asio = boost::asio;
using runtime::use_task;

namespace {

constexpr Duration kSweepEvery = seconds(10);
/// A test of a large database takes days with what others leave it.
constexpr Duration kLongest = std::chrono::hours(168);
constexpr int kKilled = 128;  ///< and above: by a signal, or by backup-run
constexpr std::string_view kDoing = "progress: ";

/// The result that `aurum backup test --scheduled` prints, on the last line of its output.
std::optional<RestoreTrial> result_of(const runtime::ProcessEnd& end) {
  std::string_view out = end.out;
  while (out.ends_with('\n')) out.remove_suffix(1);
  const auto at = out.rfind('\n');
  auto trial = parse_restore_trial(at == out.npos ? out : out.substr(at + 1));
  if (!trial || begun_at(*trial) == 0) return std::nullopt;
  return std::move(*trial);
}

/// What it said of its failure, without the hint.
std::string error_of(const runtime::ProcessEnd& end) {
  constexpr std::string_view kError = "error: ";
  const auto at = end.err.rfind(kError);
  if (at == std::string::npos) return end.reason();
  const auto begin = at + kError.size();
  return end.err.substr(begin, end.err.find('\n', begin) - begin);
}

model::Write put(std::string_view key, std::string value) {
  return {.key = std::string(key), .value = std::move(value)};
}

}  // namespace

void TrialKeeper::consider(const AgentView& view, std::vector<Source> sources) {
  if (stopped_) return;
  if (busy_) {
    const bool joined = view.cluster->members.size() > 1;
    if (view.fresh && view.keys.restoring) end_test("the cluster is being restored");
    if (view.leads && joined) end_test("this node leads now, and has better things to do");
    return;
  }
  sweep();
  if (view.fresh && is_my_turn(view, std::move(sources))) begin(view);
}

void TrialKeeper::stop() {
  stopped_ = true;
  end_test("the agent was stopped");
}

/// Backups go first, and a test begins behind one; later they go on side by side.
bool TrialKeeper::is_my_turn(const AgentView& view, std::vector<Source> sources) {
  const auto& backup = *view.config->aurum.backup;
  const auto& keys = view.keys;
  const bool due =
      trial_due(backup.schedule, view.config->scope, keys.state, keys.trials, runtime::wall_now_s())
          .has_value();
  if (!due || keys.trial_lock || keys.restoring) {
    due_since_.reset();
    return false;
  }
  const Instant now = runtime::now();
  if (!due_since_) due_since_ = now;
  if (keys.lock) return false;
  const auto waited = std::chrono::duration_cast<seconds>(now - *due_since_).count();
  const bool others = std::ranges::any_of(
      keys.nodes, [&](const auto& node) { return node.first != view.config->name; });
  const auto order =
      trial_order(backup.restore_test.on, std::move(sources), keys.trials, others, waited);
  const auto me = std::ranges::find(order, view.config->name);
  return me != order.end() && waited >= (me - order.begin()) * kTurn_s;
}

void TrialKeeper::end_test(std::string why) {
  if (!deadline_ || !end_why_.empty()) return;
  end_why_ = std::move(why);
  deadline_->move_to({});
}

void TrialKeeper::begin(const AgentView& view) {
  busy_ = true;
  due_since_.reset();
  asio::co_spawn(setting_.executor,
                 do_test(view.keys.trials, std::max<Duration>(view.ttl, kLeastLockTtl)),
                 [this](std::exception_ptr error) {
                   busy_ = false;
                   deadline_.reset();
                   if (!error) return;
                   try {
                     std::rethrow_exception(error);
                   } catch (const std::exception& e) {
                     log_.error("backup.test", std::string("unexpected: ") + e.what());
                   }
                 });
}

Task<void> TrialKeeper::do_test(TrialState seen, Duration ttl) {
  const std::string node = setting_.look().config->name;
  auto deadline = RunDeadline::create(setting_.run_dir, "test");
  if (!deadline) {
    log_.error("backup.test", deadline.error().text());
    co_return;
  }
  TrialState state = std::move(seen);
  if (state.running) {
    state.running->error = kHolderLost;
    state.running->cut_off = true;
    state.add_failure(std::move(*state.running));
  }
  const TrialTry own{.node = node, .started = runtime::wall_now_s()};
  state.running = own;
  const std::string key = kRestoreTestKey;
  LeaseLock::Wanted wanted{
      .key = std::string(kTrialLockKey),
      .value = encode(LockHolder{node, RunKind::restore_test, own.started}),
      .what = "the lock for restore tests",
      .ttl = ttl,
      .with = {.when = {model::unchanged(key, state.revision)}, .then = {put(key, encode(state))}}};
  auto lock = co_await LeaseLock::take(store_, std::move(wanted));
  if (!lock) {
    log_.debug("backup.test", "no restore test: " + lock.error().text());
    co_return;
  }
  deadline_.emplace(std::move(*deadline));
  deadline_->move_to(lock->deadline());
  end_why_.clear();
  doing_.clear();
  if (stopped_) end_test("the agent was stopped");
  state = co_await test_under(*lock, std::move(state), own);
  const auto written = co_await lock->finish({put(key, encode(state))});
  if (!written) log_.warn("backup.test", written.error().within("its result is lost").text());
}

Task<TrialState> TrialKeeper::test_under(LeaseLock& lock, TrialState state, TrialTry own) {
  using namespace asio::experimental::awaitable_operators;
  log_.info("backup.test", "a restore test begins on this node");
  auto ended = co_await (run_program() || keep(lock));
  auto& end = std::get<0>(ended);
  auto trial = end ? result_of(*end) : std::nullopt;
  // Whoever was to remove it may have been killed as well.
  const auto dir = setting_.look().config->aurum.backup->restore_test.dir;
  auto swept = co_await runtime::in_pool(pool_, [dir] { return sweep_scratch(dir); });
  if (!swept) log_.error("backup.test", swept.error().text());

  state.running.reset();
  own.ended = runtime::wall_now_s();
  own.cut_off = !trial && (!end || !end_why_.empty() || end->exit_code > kKilled);
  own.error = trial               ? trial->error
              : !end_why_.empty() ? end_why_
              : end               ? error_of(*end)
                                  : end.error().text();
  const bool good = trial && trial->ok;
  if (trial) state.add(std::move(*trial));
  if (!good) state.add_failure(std::move(own));
  tell(state);
  co_return state;
}

Task<Result<runtime::ProcessEnd>> TrialKeeper::run_program() {
  const auto view = setting_.look();
  const auto& test = view.config->aurum.backup->restore_test;
  runtime::ProcessSpec spec{.timeout = kLongest};
  spec.argv = {setting_.program, "backup-run",
               "--parent",       std::to_string(::getpid()),
               "--until",        deadline_->file().string(),
               "--scratch",      test.dir.string(),
               setting_.program, "backup"};
  if (!setting_.config_file.empty()) {
    spec.argv.emplace_back("-c");
    spec.argv.push_back(setting_.config_file.string());
  }
  spec.argv.emplace_back("test");
  spec.argv.emplace_back("--scheduled");
  spec.argv.emplace_back("--dir");
  spec.argv.push_back(test.dir.string());
  spec.on_line = [this](std::string_view line) {
    if (line.starts_with(kDoing)) doing_ = line.substr(kDoing.size());
  };
  auto end = co_await runtime::run_process(std::move(spec));
  co_return end;
}

/// Until it is cancelled: without the lock the program ends by its deadline.
Task<void> TrialKeeper::keep(LeaseLock& lock) {
  LockHolder holder{setting_.look().config->name, RunKind::restore_test, runtime::wall_now_s()};
  const auto moved = [this](Instant until) {
    if (end_why_.empty()) deadline_->move_to(until);
  };
  const auto value = [this, &holder] {
    holder.doing = doing_;
    return encode(holder);
  };
  const auto lost = co_await lock.keep(moved, value);
  end_test(lost.text());
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await timer.async_wait(use_task);
}

void TrialKeeper::tell(const TrialState& state) {
  if (!state.failed.empty())
    log_.error("backup.test", fmt::format("the restore test {}: {}",
                                          state.failed.back().cut_off ? "was cut off" : "FAILED",
                                          state.failed.back().error));
  else if (state.last)
    log_.info("backup.test", restore_trial_line(*state.last));
}

/// What a test by hand, or one of an agent before us, has left.
void TrialKeeper::sweep() {
  const Instant now = runtime::now();
  if (sweeping_ || (swept_.ns != 0 && now - swept_ < kSweepEvery)) return;
  swept_ = now;
  sweeping_ = true;
  const auto dir = setting_.look().config->aurum.backup->restore_test.dir;
  asio::co_spawn(
      setting_.executor,
      [](TrialKeeper& self, std::filesystem::path what) -> Task<void> {
        auto swept = co_await runtime::in_pool(self.pool_, [what] { return sweep_scratch(what); });
        if (!swept) self.log_.error("backup.test", swept.error().text());
      }(*this, dir),
      [this](std::exception_ptr) { sweeping_ = false; });
}

}  // namespace aurum::backup
