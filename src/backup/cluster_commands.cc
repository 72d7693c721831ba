#include "backup/cluster_commands.h"

#include <algorithm>
#include <cmath>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "dcs/etcd_store.h"
#include "pg/render.h"

namespace aurum::backup {

namespace {

constexpr Duration kRead = seconds(2), kWrite = seconds(3), kLockTtl = seconds(30);
/// The agents make and check the stanza of a new cluster; that takes seconds.
constexpr Duration kStanzaTakes = seconds(60), kBetweenLooks = milliseconds(200);

Task<std::unique_ptr<dcs::Store>> open_store(const model::LocalConfig& config) {
  auto executor = co_await boost::asio::this_coro::executor;
  co_return dcs::make_etcd_store(executor, config.etcd, model::base_path(config.ns, config.scope),
                                 runtime::null_logger());
}

Task<Result<BackupKeys>> read_from(dcs::Store& store) {
  auto keys = co_await store.read(kRead);
  if (!keys)
    co_return fail(Error{keys.error().code, "etcd does not answer: " + keys.error().message,
                         "The agents' schedule and lock are kept in etcd: bring it back first."});
  co_return decode_backup_keys(keys->keys);
}

Task<Result<Run>> take_with(dcs::Store& store, const model::LocalConfig& config, RunKind kind,
                            std::string program, OnProgress on_progress) {
  auto keys = co_await read_from(store);
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (Duration waited{};
       keys && keys->lock && keys->lock->kind == RunKind::stanza && waited < kStanzaTakes;
       waited += kBetweenLooks) {
    timer.expires_after(kBetweenLooks);
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ec);
    keys = co_await read_from(store);
  }
  if (!keys) co_return fail(keys.error());
  if (keys->restoring) co_return fail(Code::rejected, "the cluster is being restored");
  if (keys->lock)
    co_return fail(
        Code::exists,
        fmt::format("{} runs on {} already", to_string(keys->lock->kind), keys->lock->node),
        "`aurum backup list` shows how far it is.");
  auto run = co_await run_locked(store, config, keys->state,
                                 {.kind = kind,
                                  .node = config.name,
                                  .program = std::move(program),
                                  .folder = config.aurum.backup->work_dir,
                                  .ttl = kLockTtl,
                                  .on_progress = std::move(on_progress)});
  co_return run;
}

Task<Status> keep_trial_with(dcs::Store& store, RestoreTrial trial) {
  auto keys = co_await read_from(store);
  if (!keys) co_return fail(keys.error());
  keys->trials.add(std::move(trial));
  const std::string key = kRestoreTestKey;
  model::Txn txn;
  txn.when.push_back(model::unchanged(key, keys->trials.revision));
  txn.then.push_back({.key = key, .value = encode(keys->trials)});
  const auto done = co_await store.txn(std::move(txn), kWrite);
  if (!done) co_return fail(done.error());
  if (!done->succeeded) co_return fail(Code::rejected, "another restore test began or ended now");
  co_return Status{};
}

Task<Status> forget_with(dcs::Store& store, const model::LocalConfig& config) {
  auto keys = co_await read_from(store);
  if (!keys) co_return fail(keys.error());
  auto state = keys->state;
  state.system_identifier.clear();
  state.version.clear();
  state.good.clear();
  model::Txn txn;
  if (state.revision != 0) {
    txn.when.push_back(model::unchanged(std::string(kStateKey), state.revision));
    txn.then.push_back({.key = std::string(kStateKey), .value = encode(state)});
    const auto done = co_await store.txn(std::move(txn), kWrite);
    if (!done) co_return fail(done.error());
    if (!done->succeeded)
      co_return fail(Code::rejected, "a run began or ended meanwhile", "Say it again.");
  }
  std::error_code ec;
  std::filesystem::remove(config.aurum.backup->work_dir / "stanza-seen", ec);
  co_return Status{};
}

}  // namespace

Task<Result<BackupKeys>> read_backup_keys(const model::LocalConfig& config) {
  const auto store = co_await open_store(config);
  auto keys = co_await read_from(*store);
  store->close();
  co_return keys;
}

Task<Result<Run>> take_now(const model::LocalConfig& config, RunKind kind, std::string program,
                           OnProgress on_progress) {
  const auto store = co_await open_store(config);
  auto run = co_await take_with(*store, config, kind, std::move(program), std::move(on_progress));
  store->close();
  co_return run;
}

Task<Status> keep_trial(const model::LocalConfig& config, RestoreTrial trial) {
  const auto store = co_await open_store(config);
  auto done = co_await keep_trial_with(*store, std::move(trial));
  store->close();
  co_return done;
}

Task<Status> forget_stanza(const model::LocalConfig& config) {
  const auto store = co_await open_store(config);
  auto done = co_await forget_with(*store, config);
  store->close();
  co_return done;
}

std::string progress_text(const Progress& progress, Duration since) {
  constexpr int kWidth = 30;
  const double percent = std::clamp(progress.percent, 0.0, 100.0);
  const auto filled = static_cast<std::size_t>(percent * kWidth / 100);
  std::string out =
      fmt::format("[{:<{}}] {:3.0f} %  {:>7}", std::string(filled, '#'), kWidth,
                  std::floor(percent), pg::human_bytes(static_cast<double>(progress.bytes)));
  const double passed = to_seconds(since);
  if (percent < 1 || passed < 2 || percent >= 100) return out;
  const double left = passed * (100 - percent) / percent;
  if (left < 120) return out + fmt::format("  {:.0f} s to go", left);
  if (left < 7200) return out + fmt::format("  {:.0f} min to go", left / 60);
  return out + fmt::format("  {:.1f} h to go", left / 3600);
}

}  // namespace aurum::backup
