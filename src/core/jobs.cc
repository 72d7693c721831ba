// How a job ended, and what that changes.

#include <algorithm>

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

namespace {

/// Restarting a server that can not start: 1 s, 2 s, … 30 s.
constexpr Duration kStartFirst = seconds(1);
constexpr Duration kStartMost = seconds(30);

/// From the third failed promotion on an operator should look; until then others get their turn.
constexpr int kPromotionsUntilParked = 3;
constexpr Duration kPromotePauseMost = seconds(300);

}  // namespace

void Core::job_ended(const Running& job, const Result<JobResult>& result) {
  if (!result && result.error().code != Code::cancelled) {
    const std::string_view name = name_of(job.job);
    note(Note::Level::error, fmt::format("{}.failed", name),
         fmt::format("{} failed: {}", name, result.error().text()));
  }
  job_dynamic_ = job.dynamic;
  std::visit([&](const auto& j) { ended(j, result); }, job.job);
}

void Core::ended(const InitDb&, const Result<JobResult>& result) {
  if (result) {
    s_.initdb_here = true;
    return info("bootstrap.initdb", "initdb made a new data directory");
  }
  release_initialize();
  if (s_.stopping) return;
  give_up("bootstrap failed: " + result.error().text());
}

void Core::ended(const PostBootstrap& job, const Result<JobResult>& result) {
  if (job.only_mark) {
    if (!result) s_.bootstrap_backoff.failed(now_, seconds(1), seconds(30));
    return;
  }
  if (result) {
    s_.post_bootstrapped = true;
    return finish_bootstrap();
  }
  // Without its roles this cluster is of no use to anybody: nobody shall find it half-made.
  if (result.error().code != Code::cancelled)
    s_.bootstrap_failed = "post_bootstrap failed: " + result.error().text();
}

void Core::ended(const Clone&, const Result<JobResult>& result) {
  if (!result) {
    if (s_.bootstrapping)
      release_initialize();  // of a standby cluster: another may reach the remote
    return s_.clone_backoff.failed(now_, seconds(2), seconds(30));
  }
  s_.clone_backoff.reset();
  s_.fresh_copy = true;
  s_.data_was_primary = false;
  s_.newest_timeline = 0;
  // pg_control of a copy says what its source was ("in production"); it is no crashed primary.
  s_.rejoin_checked = true;
  s_.rejoin_leader = s_.lead.standby || !s_.view ? "" : s_.view->leader_name();
  if (const auto* done = std::get_if<CloneDone>(&*result)) {
    const bool of_leader = done->source.name == s_.rejoin_leader || done->source.name.empty();
    info("clone.done",
         fmt::format("bootstrapped from {} '{}' by {}", of_leader ? "leader" : "replica",
                     done->source.name.empty() ? done->source.host : done->source.name,
                     done->method));
  }
}

void Core::ended(const StartPg& start, const Result<JobResult>& result) {
  if (!result) {
    s_.start_failed = true;
    return s_.start_backoff.failed(now_, kStartFirst, kStartMost);
  }
  s_.start_failed = s_.crashed = s_.fresh_copy = s_.handed_over = false;
  s_.start_backoff.reset();
  s_.applied = start.target;
  s_.applied_dynamic = job_dynamic_;
  s_.sync_setting_since = model::Lsn{};
  if (s_.bootstrapping) return;
  call_back("on_start", role_of(start.target));
}

void Core::ended(const StopPg&, const Result<JobResult>& result) {
  s_.applied.reset();
  s_.crashed = false;
  if (!result) return;
  s_.adopted = false;
  if (!s_.lead.held) set_page(PageState::idle);
  emit(Callback{"on_stop", s_.demoting && !s_.stopping ? model::Role::demoted : s_.role});
}

void Core::ended(const RestartPg& restart, const Result<JobResult>& result) {
  if (result) {
    s_.applied = restart.target;
    s_.applied_dynamic = job_dynamic_;
    s_.sync_setting_since = model::Lsn{};
    s_.start_failed = s_.crashed = s_.fresh_copy = s_.adopted = false;
    info("restarted", "PostgreSQL was restarted");
    call_back("on_restart", role_of(restart.target));
  } else {
    s_.start_failed = !running();
  }
  if (!s_.restart_waiting) return;
  reply(s_.restart_waiting->id, result ? 200 : 503,
        result ? "restarted successfully" : "restart failed");
  s_.restart_waiting.reset();
}

void Core::ended(const Configure& configure, const Result<JobResult>& result) {
  if (!result) {
    s_.reload_asked |= configure.reload;
    return s_.start_backoff.failed(now_, kStartFirst, kStartMost);
  }
  const bool names_changed = !s_.applied || s_.applied->synchronous_standby_names !=
                                                configure.target.synchronous_standby_names;
  s_.applied = configure.target;
  s_.applied_dynamic = job_dynamic_;
  if (names_changed) s_.sync_setting_since = model::Lsn{};  // the next probe fills it in
  const auto* done = std::get_if<Configured>(&*result);
  if (done != nullptr && done->reloaded) emit(Callback{"on_reload", s_.role});
}

void Core::ended(const Promote&, const Result<JobResult>& result) {
  if (!result) return promotion_failed(result.error());
  s_.promote_backoff.reset();
  if (!s_.lead.held) return;
  s_.lead.promoted = true;
  s_.checkpoint_pending = true;
  s_.data_was_primary = true;
  // What could wait for a standby's next turn cannot now: the former leader has no slot here yet
  // (live_changes_scenario_test: a_new_leader_keeps_wal_for_the_former_one_from_the_beginning).
  slots_at_ = Instant{};
  // A standby's setting is in force until the leader's own is; primary_target() makes that one.
  s_.sync_setting_since = model::Lsn{};
  if (s_.succession) s_.succession->promoted = now_;
  info("promoted", "promoted self to leader by acquiring session lock");
  call_back("on_role_change", model::Role::primary);
}

void Core::promotion_failed(const Error& error) {
  if (!s_.lead.held) return;  // leadership was lost meanwhile: the server is being killed
  // Others first, and longer each time: every try may burn a timeline (F35). Unless nobody else
  // may: `sync` will name this member alone (sync_scenario_test:
  // a_failed_promotion_is_tried_again_soon_…).
  const model::SyncKey key = s_.former_sync ? *s_.former_sync
                             : s_.view      ? s_.view->sync
                                            : model::SyncKey{};
  const bool sole = key.leader == s_.name() && key.members.empty();
  const bool alone = !s_.view || s_.view->members.size() <= 1 || sole;
  const Duration pause = std::min<Duration>(
      s_.timing.ttl * (std::int64_t{1} << std::min(s_.promote_backoff.failures, 8)),
      alone ? seconds(10) : kPromotePauseMost);
  s_.promote_backoff.failed(now_, seconds(1), seconds(10));
  s_.no_race_before = now_ + pause;
  if (s_.promote_backoff.failures >= kPromotionsUntilParked) {
    s_.parked =
        fmt::format("promotion failed {} times: {}", s_.promote_backoff.failures, error.message);
    note(Note::Level::error, "promote.parked",
         s_.parked + fmt::format("; not trying again for {} s", to_seconds(pause)));
  }
  if (error.code == Code::cancelled || !running()) {
    return release_leader("promotion failed: " + error.text());
  }
  // The request may still be on its way: only a stopped server surely will not become writable.
  s_.demoting = true;
  start_job(StopPg{model::StopMode::immediate, seconds(10), false});
}

void Core::ended(const Checkpoint& checkpoint, const Result<JobResult>& result) {
  if (result && !checkpoint.ahead) s_.checkpoint_pending = false;
}

void Core::ended(const Inspect& inspect, const Result<JobResult>& result) {
  const auto* inspected = result ? std::get_if<Inspected>(&*result) : nullptr;
  if (inspected == nullptr) return s_.inspect_backoff.failed(now_, milliseconds(200), seconds(5));
  s_.inspected = *inspected;
  s_.inspected_of = inspect;
  s_.inspect_backoff.reset();
}

void Core::ended(const CrashRecovery&, const Result<JobResult>&) {}

void Core::ended(const Rewind& rewind, const Result<JobResult>& result) {
  s_.inspected.reset();
  if (!result) {
    ++s_.rewind_failures;
    return s_.inspect_backoff.failed(now_, seconds(1), seconds(10));
  }
  s_.rejoin_checked = true;
  s_.data_was_primary = false;
  s_.newest_timeline = 0;
  s_.rejoin_leader = rewind.source.name;
  info("rejoin.rewound",
       fmt::format("pg_rewind from {} succeeded",
                   rewind.source.name.empty() ? rewind.source.host : rewind.source.name));
}

void Core::ended(const ClearData&, const Result<JobResult>& result) {
  if (!result) return s_.clone_backoff.failed(now_, seconds(2), seconds(30));
  s_.data_was_primary = s_.initdb_here = s_.fresh_copy = false;
}

void Core::ended(const ChangeSlots&, const Result<JobResult>& result) {
  if (!result) slots_at_ = now_ + s_.timing.loop_wait;
}

void Core::ended(const CopySlots& copy, const Result<JobResult>& result) {
  const auto* done = result ? std::get_if<SlotsCopied>(&*result) : nullptr;
  if (done == nullptr || !done->copied) {
    s_.start_failed = !running();
    return s_.copy_backoff.failed(now_, seconds(2), seconds(60));
  }
  s_.copy_backoff.reset();
  s_.applied = copy.target;
  s_.applied_dynamic = job_dynamic_;
  s_.sync_setting_since = model::Lsn{};
  s_.start_failed = s_.crashed = s_.fresh_copy = s_.adopted = false;
  info("slots.copied", fmt::format("copied logical slots from {}, by a restart", copy.leader.name));
  call_back("on_restart", role_of(copy.target));
}

void Core::ended(const FindWalEnd&, const Result<JobResult>& result) {
  if (const auto* found = result ? std::get_if<WalEnd>(&*result) : nullptr)
    s_.crash_look.end = found->lsn;
  else
    s_.crash_look.over = true;
}

void Core::ended(const ReadHistory& job, const Result<JobResult>& result) {
  const auto* read = result ? std::get_if<model::History>(&*result) : nullptr;
  if (read == nullptr) {
    s_.write_backoff.failed(now_, milliseconds(100), seconds(2));
    return;
  }
  if (!s_.lead.held || !s_.view) return;
  model::History merged = *read;
  if (!merged.empty()) history_read_ = {job.timeline, merged.back().timeline};
  for (auto& entry : merged) {
    for (const auto& known : s_.view->history) {
      if (known.timeline == entry.timeline && known.lsn == entry.lsn) {
        entry.time = known.time;
        entry.new_leader = known.new_leader;
      }
    }
  }
  if (!merged.empty() && merged.back().new_leader.empty()) {
    if (merged.back().time.empty()) merged.back().time = model::iso8601(wall_);
    merged.back().new_leader = s_.name();
  }
  const auto most = static_cast<std::size_t>(s_.dynamic.max_timelines_history);
  if (most > 0 && merged.size() > most)
    merged.erase(merged.begin(), merged.end() - static_cast<std::ptrdiff_t>(most));
  write("history", as_leader({{.key = "history", .value = model::encode_history(merged)}}));
}

}  // namespace aurum::core
