#include "backup/locked_run.h"

#include <exception>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include "backup/run_deadline.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace asio = boost::asio;

namespace {

constexpr const char* kStopped = "it was stopped";

/// What pgBackRest does in one run.
class Work {
 public:
  Work(Pgbackrest& pgbackrest, const LockedRun& what, ClusterLock& lock, double& percent)
      : pgbackrest_(pgbackrest), what_(what), lock_(lock), percent_(percent) {}

  /// Nothing when it turned out to be needless.
  Task<std::optional<Run>> operator()() {
    Run run{.kind = what_.kind, .node = what_.node, .started = lock_.state().running->started};
    auto done = co_await by_kind(run);
    if (needless_) co_return std::nullopt;
    if (!done) run.error = done.error().text();
    co_return run;
  }

 private:
  Task<Status> by_kind(Run& run) {
    auto found = co_await pgbackrest_.catalogue();
    if (!found) co_return fail(found.error());
    if (run.kind == RunKind::stanza) {
      auto made = co_await stanza();
      co_return made;
    }
    adopt_catalogue(lock_.state(), *found);
    needless_ = what_.still_due && !what_.still_due(lock_.state());
    if (needless_) co_return Status{};
    if (what_.on_begin) what_.on_begin();
    if (run.kind == RunKind::verify) {
      auto verified = co_await pgbackrest_.verify();
      co_return verified;
    }
    auto made = co_await pgbackrest_.take(std::string(to_string(run.kind)), [this](const auto& p) {
      percent_ = p.percent;
      if (what_.on_progress) what_.on_progress(p);
    });
    if (!made) co_return fail(made.error());
    run.label = made->label;
    run.added = made->repository_delta;
    // An incr without a full before it is a full.
    if (const auto kind = parse_run_kind(made->type)) run.kind = *kind;
    co_return Status{};
  }

  Task<Status> stanza() {
    if (what_.on_begin) what_.on_begin();
    auto ready = co_await pgbackrest_.ensure_stanza();
    if (!ready) co_return ready;
    auto found = co_await pgbackrest_.catalogue();
    if (!found) co_return fail(found.error());
    auto& state = lock_.state();
    if (!found->databases.empty()) {
      const auto& newest = found->databases.back();
      // Backups of the former cluster are no start for those of the one it was upgraded to.
      if (state.system_identifier != newest.system_identifier) state.good.clear();
      state.system_identifier = newest.system_identifier;
      state.version = newest.version;
    }
    adopt_catalogue(state, *found);
    auto checked = co_await pgbackrest_.check();
    co_return checked;
  }

  Pgbackrest& pgbackrest_;
  const LockedRun& what_;
  ClusterLock& lock_;
  double& percent_;
  bool needless_ = false;
};

}  // namespace

void adopt_catalogue(ClusterBackups& state, const Catalogue& catalogue) {
  for (const auto& backup : catalogue.backups) {
    const auto kind = parse_run_kind(backup.type);
    const bool former =
        !catalogue.databases.empty() && backup.database_id != catalogue.databases.back().id;
    if (!kind || backup.error || former) continue;
    auto& known = state.good[*kind];
    if (known.started >= backup.start || known.label == backup.label) continue;
    known = {.kind = *kind,
             .started = backup.start,
             .ended = backup.stop,
             .label = backup.label,
             .added = backup.repository_delta};
  }
}

Task<Result<Run>> run_locked(dcs::Store& store, const model::LocalConfig& config,
                             ClusterBackups seen, LockedRun what) {
  using namespace asio::experimental::awaitable_operators;
  // Cancelled while it works; what comes before and behind that has deadlines of its own.
  co_await asio::this_coro::throw_if_cancelled(false);
  auto deadline = RunDeadline::create(what.folder);
  if (!deadline) co_return fail(deadline.error());
  auto lock = co_await ClusterLock::take(
      store, {.node = what.node, .kind = what.kind, .started = runtime::wall_now_s()},
      std::move(seen), what.ttl);
  if (!lock) co_return fail(lock.error());
  deadline->move_to(lock->deadline());

  Pgbackrest pgbackrest(config);
  pgbackrest.guard_with({what.program, deadline->file()});
  pgbackrest.remember(lock->state().system_identifier);
  double percent = -1;
  Work work(pgbackrest, what, *lock, percent);
  std::optional<Run> run = Run{.kind = what.kind,
                               .node = what.node,
                               .started = lock->state().running->started,
                               .error = kStopped,
                               .interrupted = true};
  try {
    auto end = co_await (work() || lock->keep([&](Instant until) { deadline->move_to(until); },
                                              [&] { return percent; }));
    if (end.index() == 0)
      run = std::get<0>(std::move(end));
    else
      run->error = std::get<1>(end).text();
    if (run && !run->ok() && runtime::now() >= lock->deadline()) run->interrupted = true;
  } catch (const std::exception&) {  // both were cancelled
  }
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const bool stopped =
      run && !run->ok() && cancellation.cancelled() != asio::cancellation_type::none;
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  if (run) run->ended = runtime::wall_now_s();
  if (stopped) {
    run->error = kStopped;
    run->interrupted = true;
  }
  auto finished = co_await lock->finish(run, stopped);
  if (!run) co_return fail(Code::exists, "another backup has made it needless");
  if (!finished && run->ok()) {
    run->error = finished.error().text();
    run->interrupted = true;
  }
  co_return std::move(*run);
}

}  // namespace aurum::backup
