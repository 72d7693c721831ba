#include "backup/cluster_lock.h"

#include <cmath>

namespace aurum::backup {

namespace {

const std::string kState(kStateKey);

}  // namespace

Task<Result<ClusterLock>> ClusterLock::take(dcs::Store& store, LockHolder holder,
                                            ClusterBackups seen, Duration ttl) {
  ClusterBackups state = std::move(seen);
  if (state.running) {
    Run lost = *state.running;
    lost.ended = holder.started;
    lost.error = kHolderLost;
    lost.interrupted = true;
    state.add(std::move(lost));
  }
  state.running = Run{.kind = holder.kind, .node = holder.node, .started = holder.started};
  LeaseLock::Wanted wanted{
      .key = std::string(kLockKey), .value = encode(holder), .what = "the backup lock", .ttl = ttl};
  wanted.with.when.push_back(model::unchanged(kState, state.revision));
  wanted.with.then.push_back({.key = kState, .value = encode(state)});
  auto lock = co_await LeaseLock::take(store, std::move(wanted));
  if (!lock) co_return fail(lock.error());
  co_return ClusterLock(std::move(*lock), std::move(holder), std::move(state));
}

Task<Error> ClusterLock::keep(std::function<void(Instant)> moved, std::function<double()> percent) {
  const auto value = [this, &percent] {
    holder_.percent = std::floor(percent());
    return encode(holder_);
  };
  auto lost = co_await lock_.keep(std::move(moved), value);
  co_return lost;
}

Task<Status> ClusterLock::finish(std::optional<Run> run, bool stopped) {
  state_.running.reset();
  if (run && stopped)
    state_.add_stopped(std::move(*run));
  else if (run)
    state_.add(std::move(*run));
  auto done = co_await lock_.finish({{.key = kState, .value = encode(state_)}});
  co_return done;
}

}  // namespace aurum::backup
