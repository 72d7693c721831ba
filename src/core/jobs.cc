// How a job ended, and what that changes.

#include <fmt/format.h>

#include "core/core.h"

namespace aurum::core {

namespace {

/// Restarting a server that can not start: 1 s, 2 s, … 30 s.
constexpr Duration kStartFirst = seconds(1);
constexpr Duration kStartMost = seconds(30);

}  // namespace

void Core::job_ended(const Running& ended, const Result<JobResult>& result) {
  const std::string why = result ? std::string() : result.error().text();
  const std::string_view name = name_of(ended.job);
  if (!result && result.error().code != Code::cancelled) {
    note(Note::Level::error, fmt::format("{}.failed", name),
         fmt::format("{} failed: {}", name, why));
  }

  if (std::holds_alternative<InitDb>(ended.job)) {
    if (result) {
      info("bootstrap.initdb", "initdb made a new data directory");
    } else {
      s_.parked = "initdb failed: " + why;
      s_.bootstrapping = false;
      model::Txn undo{
          .when = {{.key = "initialize", .what = model::Compare::What::value, .text = ""}},
          .then = {{.what = model::Write::What::erase, .key = "initialize"}}};
      write("give up bootstrap", std::move(undo));
      emit(Exit{1, "bootstrap failed: " + why});
    }
  } else if (std::holds_alternative<PostBootstrap>(ended.job)) {
    if (!result) {
      s_.parked = "post_bootstrap failed: " + why;
      emit(Exit{1, s_.parked});
    } else {
      finish_bootstrap();
    }
  } else if (std::holds_alternative<Clone>(ended.job)) {
    if (result) {
      s_.clone_backoff.reset();
      s_.rejoin_checked = false;
      if (const auto* done = std::get_if<CloneDone>(&*result)) {
        info("clone.done",
             fmt::format("bootstrapped from {} '{}' by {}",
                         done->source.name == s_.view->leader_name() ? "leader" : "replica",
                         done->source.name, done->method));
      }
    } else {
      s_.clone_backoff.failed(now_, seconds(2), seconds(30));
    }
  } else if (const auto* start = std::get_if<StartPg>(&ended.job)) {
    if (result) {
      s_.start_failed = s_.crashed = false;
      s_.start_backoff.reset();
      s_.applied = start->target;
      s_.applied_dynamic = s_.dynamic_tree;
      if (!s_.bootstrapping) {
        const bool was_demoted = s_.role == model::Role::demoted;
        emit(Callback{was_demoted ? "on_role_change" : "on_start",
                      start->target.primary ? model::Role::primary : model::Role::replica});
      }
    } else {
      s_.start_failed = true;
      s_.start_backoff.failed(now_, kStartFirst, kStartMost);
    }
  } else if (const auto* restart = std::get_if<RestartPg>(&ended.job)) {
    if (result) {
      s_.applied = restart->target;
      s_.applied_dynamic = s_.dynamic_tree;
      s_.start_failed = s_.crashed = false;
      info("restarted", "PostgreSQL was restarted");
      emit(Callback{"on_restart",
                    restart->target.primary ? model::Role::primary : model::Role::replica});
    } else {
      s_.start_failed = !running();
    }
    if (s_.restart_waiting) {
      reply(s_.restart_waiting->id, result ? 200 : 503,
            result ? "restarted successfully" : "restart failed");
      s_.restart_waiting.reset();
    }
  } else if (std::holds_alternative<StopPg>(ended.job)) {
    s_.applied.reset();
    s_.crashed = false;
    if (result && !s_.lead.held) emit(SetLeasePage{PageState::idle, 0, {}});
    if (result && !s_.stopping) {
      emit(Callback{"on_stop", s_.demoting ? model::Role::demoted : s_.role});
    } else if (result) {
      emit(Callback{"on_stop", s_.role});
    }
  } else if (std::holds_alternative<Promote>(ended.job)) {
    if (result) {
      s_.lead.promoted = true;
      s_.checkpoint_pending = true;
      s_.promote_backoff.reset();
      s_.applied = primary_target();
      info("promoted", "promoted self to leader by acquiring session lock");
    } else {
      s_.promote_backoff.failed(now_, seconds(1), seconds(10));
      s_.no_race_before = now_ + s_.timing.ttl;
      if (result.error().code == Code::cancelled || !running()) {
        release_leader("promotion failed: " + why);
      } else {
        // The request may still be on its way: only a stopped server surely will not become
        // writable.
        s_.demoting = true;
        start_job(StopPg{model::StopMode::immediate, seconds(10), false});
      }
    }
  } else if (const auto* configure = std::get_if<Configure>(&ended.job)) {
    if (result) {
      const bool names_changed = !s_.applied || s_.applied->synchronous_standby_names !=
                                                    configure->target.synchronous_standby_names;
      s_.applied = configure->target;
      s_.applied_dynamic = s_.dynamic_tree;
      if (names_changed) s_.sync_setting_since = model::Lsn{};  // the next probe fills it in
      emit(Callback{"on_reload", s_.role});
    } else {
      s_.start_backoff.failed(now_, kStartFirst, kStartMost);
    }
  } else if (std::holds_alternative<Checkpoint>(ended.job)) {
    if (result) s_.checkpoint_pending = false;
  } else if (const auto* inspect = std::get_if<Inspect>(&ended.job)) {
    const auto* state = result ? std::get_if<model::UpstreamState>(&*result) : nullptr;
    if (state != nullptr) {
      s_.upstream_state = *state;
      s_.upstream_name = inspect->upstream.name;
      s_.inspect_backoff.reset();
    } else {
      s_.inspect_backoff.failed(now_, milliseconds(200), seconds(5));
    }
  } else if (const auto* rewind = std::get_if<Rewind>(&ended.job)) {
    s_.upstream_state.reset();
    if (result) {
      s_.rejoin_checked = true;
      s_.rejoin_leader = s_.view ? s_.view->leader_name() : "";
      info("rejoin.rewound", fmt::format("pg_rewind from {} succeeded", rewind->source.name));
    } else {
      ++s_.rewind_failures;
      s_.inspect_backoff.failed(now_, seconds(1), seconds(10));
    }
  } else if (const auto* history = std::get_if<ReadHistory>(&ended.job)) {
    const auto* read = result ? std::get_if<model::History>(&*result) : nullptr;
    if (read == nullptr || !s_.lead.held || !s_.view) return;
    model::History merged = *read;
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
    (void)history;
    write("history",
          {.when = {{.key = "leader", .what = model::Compare::What::value, .text = s_.name()}},
           .then = {{.key = "history", .value = model::encode_history(merged)}}});
  }
}

}  // namespace aurum::core
