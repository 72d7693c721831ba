// Carrying out what the core decided.

#include <chrono>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include "agent/agent.h"
#include "agent/guard_launcher.h"
#include "agent/jobs.h"
#include "backup/promotion_mark.h"
#include "runtime/clock.h"

namespace aurum::agent {

namespace asio = boost::asio;
using runtime::Task;
using runtime::use_task;

namespace {
/// A copy of a few files on the disk of the data directory: a replica waits for it, nobody else.
constexpr Duration kLeftWalKept = seconds(30);
}  // namespace

void Agent::run(const core::ReadDcs&) {
  asio::co_spawn(io_, watcher_->refresh(seconds(5)), asio::detached);
}

void Agent::run(const core::WriteDcs& what) {
  ++writes_;
  asio::co_spawn(io_, write_dcs(what), asio::detached);
}

Task<void> Agent::write_dcs(core::WriteDcs what) {
  const Duration limit = std::min<Duration>(core_.state().timing.ttl / 2, seconds(5));
  auto done = co_await store_->txn(std::move(what.txn), limit);
  --writes_;
  post(core::DcsWritten{what.id, std::move(done)});
  if (exit_ && writes_ == 0) leave();
}

void Agent::run(const core::HoldLease& what) { keeper_->hold(what.ttl); }
void Agent::run(const core::StartRenewing& what) { keeper_->start(what); }
void Agent::run(const core::StopRenewing&) { keeper_->stop(); }
void Agent::run(const core::SetLeasePage& what) { keeper_->set_page(what); }
void Agent::run(const core::ShortenLeasePage& what) { keeper_->shorten_page(what.deadline); }

void Agent::run(const core::ExtendLeasePage& what) {
  keeper_->extend_page(what.epoch, what.deadline);
}

void Agent::run(const core::ProbePg&) { asio::co_spawn(io_, probe_once(), asio::detached); }

void Agent::run(const core::ArmWatchdog& what) {
  if (what.timeout != Duration{0}) watchdog_asked_ = what;
  asio::co_spawn(io_, arm_watchdog(what), asio::detached);
}

Task<void> Agent::arm_watchdog(core::ArmWatchdog what) {
  const auto& config = config_.watchdog;
  auto done = co_await launcher_->watchdog(config.device, config.driver, what.timeout, what.tail);
  const bool armed = done && what.timeout > Duration{0};
  post(core::WatchdogAnswered{done.has_value(), armed, done ? "" : done.error().text()});
}

void Agent::run(const core::StartJob& what) {
  auto cancel = std::make_unique<asio::cancellation_signal>();
  auto slot = cancel->slot();
  jobs_[what.id] = std::move(cancel);
  // The signal must live as long as the coroutine that may look at its slot.
  const core::JobId id = what.id;
  auto ended = [this, id](std::exception_ptr) { jobs_.erase(id); };
  asio::co_spawn(io_, do_job(what), asio::bind_cancellation_slot(slot, ended));
}

Task<void> Agent::do_job(core::StartJob what) {
  // The job itself may be cancelled; what comes after it may not.
  co_await asio::this_coro::throw_if_cancelled(false);
  const core::JobId id = what.id;
  const auto* restore_work = std::get_if<core::RestoreWork>(&what.job);
  const bool restoring = restore_work != nullptr;
  const bool backs_up = restoring && restore_work->what == core::RestoreWork::What::backup;
  auto progress = [this, id, restoring](std::string text) {
    if (restoring) tell_restore_progress(text);
    post(core::JobProgress{id, std::move(text)});
  };
  auto last_record = [this, id](model::Lsn begin) { post(core::LastRecordWritten{id, begin}); };
  const Instant begun = runtime::now();
  const std::string name(core::name_of(what.job));
  const model::Value tree = core_.state().dynamic_tree;
  if (backups_ && (name == "rewind" || name == "clear data"))
    co_await backups_->keep_left_within(kLeftWalKept);
  if (backups_ && backs_up) co_await backups_->until_no_run();
  std::optional<backup::PromotionMark> mark;
  auto promotion = [&] {
    if (backups_) mark.emplace(run_dir_, config_.pg.data_dir);
  };
  auto result = co_await run_job(*postgres_, backup::Restorer(config_, pool_), std::move(what.job),
                                 core_.state().dynamic, {progress, last_record, promotion});
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  log_->debug("job", fmt::format("{} took {} ms", name, to_ms(runtime::now() - begun)));
  // Fresh facts first, so that the core never judges the end of a job by what was before it.
  co_await probe_once();
  const bool configured = name == "start" || name == "restart" || name == "configure";
  if (result && configured) {
    auto kept = co_await postgres_->save_dynamic_config(tree);
    if (!kept) log_->warn("config.keep", kept.error().text());
  }
  post(core::JobDone{id, std::move(result)});
}

/// For the operator who waits at `aurum restore`; nobody decides by it.
void Agent::tell_restore_progress(const std::string& text) {
  if (runtime::now() - progress_told_ < seconds(1)) return;
  progress_told_ = runtime::now();
  asio::co_spawn(io_,
                 store_->txn({.then = {{.key = "aurum_restore_progress",
                                        .value = config_.name + ": " + text,
                                        .lease = core_.state().lease}}},
                             seconds(3)),
                 asio::detached);
}

void Agent::run(const core::CancelJob& what) {
  const auto job = jobs_.find(what.id);
  if (job != jobs_.end()) job->second->emit(asio::cancellation_type::terminal);
}

void Agent::run(const core::AskPeers& what) {
  for (const auto& peer : what.peers) {
    asio::co_spawn(io_, ask_one(what.round, peer, what.timeout), asio::detached);
  }
}

Task<void> Agent::ask_one(std::uint64_t round, core::PeerUrl peer, Duration timeout) {
  auto status = co_await peers_.status(peer.api_url, timeout);
  if (!status)
    log_->debug("peer", fmt::format("{} did not answer: {}", peer.name, status.error().text()));
  std::optional<model::PeerStatus> answer;
  if (status) answer = *status;
  post(core::PeerAnswered{round, peer.name, std::move(answer)});
}

void Agent::run(const core::AskConsent& what) {
  for (const auto& peer : what.peers)
    asio::co_spawn(io_, ask_consent_of(peer, what), asio::detached);
}

Task<void> Agent::ask_consent_of(core::PeerUrl peer, core::AskConsent what) {
  auto promised = co_await peers_.consent(peer, what);
  post(core::PeerConsented{what.round, peer.name, promised.has_value(),
                           promised ? "" : promised.error().text()});
}

void Agent::run(const core::Reply& what) {
  const auto waiting = waiting_.find(what.request);
  if (waiting == waiting_.end()) return;
  waiting->second->answer = {what.status, what.text};
  waiting->second->timer.cancel();
}

void Agent::run(const core::Callback& what) {
  callbacks_->fire(what.action, std::string(model::to_string(what.role)));
}

void Agent::run(const core::KillPg&) {
  const int pid = core_.state().facts ? core_.state().facts->pid : 0;
  asio::co_spawn(io_, kill_pg(pid), asio::detached);
}

Task<void> Agent::kill_pg(int pid) {
  auto killed = co_await launcher_->kill_all(pid, seconds(10));
  if (!killed) log_->error("pg.kill", "could not kill PostgreSQL: " + killed.error().text());
  co_await probe_once();
}

void Agent::run(const core::Note& what) {
  using Level = core::Note::Level;
  const runtime::Level level = what.level == Level::debug     ? runtime::Level::debug
                               : what.level == Level::info    ? runtime::Level::info
                               : what.level == Level::warning ? runtime::Level::warning
                                                              : runtime::Level::error;
  log_->log(level, what.event, what.text);
}

void Agent::run(const core::WakeAt& what) {
  wake_timer_.expires_after(std::max<Duration>(what.at - runtime::now(), Duration{0}));
  wake_timer_.async_wait([this](boost::system::error_code ec) {
    if (!ec) step(core::Tick{runtime::wall_now()});
  });
}

/// What was to be written before the end is written, or its time runs out.
void Agent::run(const core::Exit& what) {
  exit_ = what;
  asio::post(io_, [this] {
    if (writes_ == 0) leave();
  });
}

}  // namespace aurum::agent
