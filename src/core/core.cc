#include "core/core.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/ensure.h"
#include "model/unreadable.h"

namespace aurum::core {

using model::DataDir;

void Backoff::failed(Instant now, Duration first, Duration most) {
  Duration wait = first;
  for (int i = 0; i < failures && wait < most; ++i) wait *= 2;
  ++failures;
  not_before = now + std::min(wait, most);
}

std::string_view name_of(const Job& job) {
  struct Namer {
    std::string_view operator()(const InitDb&) const { return "bootstrap"; }
    std::string_view operator()(const PostBootstrap&) const { return "post_bootstrap"; }
    std::string_view operator()(const Clone&) const { return "clone"; }
    std::string_view operator()(const StartPg&) const { return "start"; }
    std::string_view operator()(const StopPg&) const { return "stop"; }
    std::string_view operator()(const RestartPg&) const { return "restart"; }
    std::string_view operator()(const Configure&) const { return "configure"; }
    std::string_view operator()(const Promote&) const { return "promote"; }
    std::string_view operator()(const Checkpoint&) const { return "checkpoint"; }
    std::string_view operator()(const Inspect&) const { return "inspect"; }
    std::string_view operator()(const CrashRecovery&) const { return "crash recovery"; }
    std::string_view operator()(const Rewind&) const { return "rewind"; }
    std::string_view operator()(const ClearData&) const { return "clear data"; }
    std::string_view operator()(const ChangeSlots&) const { return "slots"; }
    std::string_view operator()(const CopySlots&) const { return "copy_logical_slots"; }
    std::string_view operator()(const FindWalEnd&) const { return "end of WAL"; }
    std::string_view operator()(const ReadHistory&) const { return "history"; }
    std::string_view operator()(const RestoreWork& work) const {
      switch (work.what) {
        case RestoreWork::What::check:
          return "restore check";
        case RestoreWork::What::fetch:
          return "restore";
        case RestoreWork::What::keep:
          return "keep old data";
        case RestoreWork::What::take_back:
          return "take back old data";
        case RestoreWork::What::forget:
          return "remove old data";
        case RestoreWork::What::backup:
          return "backup";
      }
      return "restore";
    }
  };
  return std::visit(Namer{}, job);
}

Core::Core(model::LocalConfig config, Identity identity) : identity_(std::move(identity)) {
  s_.config = std::move(config);
  describe_self();
  s_.dynamic_tree = s_.config.bootstrap.dcs;
  s_.dynamic = model::read_dynamic_config(s_.dynamic_tree);
  s_.timing = make_timing(s_.dynamic, s_.config.aurum.profile);
  s_.longest_ttl = s_.timing.ttl;
}

std::vector<Effect> Core::step(const Input& input) {
  ensure(input.now >= now_, "time handed to the core never goes back");
  now_ = input.now;
  if (!s_.begun) s_.begun = now_;
  wall_ = input.wall;
  out_.clear();
  wake_ = kNever;
  take(input.event);
  check_deadline();
  decide();
  settle_maintenance();
  derive();
  publish_member();
  wake_at(now_ + std::min<Duration>(s_.timing.loop_wait, seconds(1)));
  emit(WakeAt{std::max(wake_, now_ + milliseconds(1))});
  return std::exchange(out_, {});
}

void Core::take(const Event& event) {
  std::visit([this](const auto& e) { on(e); }, event);
}

void Core::decide() {
  if (s_.exiting) return;
  hand_over_early();
  if (s_.stopping) return decide_shutdown();
  if (!s_.facts) return;  // the first probe is on its way
  if (!s_.view) {
    if (!s_.dcs_error.empty()) result("waiting for the store (DCS): " + s_.dcs_error);
    return;
  }
  if (s_.facts->data_dir == DataDir::foreign) {
    return give_up(fmt::format("{} is not empty and is no PostgreSQL data directory",
                               s_.config.pg.data_dir.string()),
                   "nothing was changed. hint: empty it, or point postgresql.data_dir elsewhere");
  }
  if (!check_identity()) return;
  look_at_watchdog();
  decide_ballast();
  leave_maintenance();
  decide_hung();
  if (s_.job) return interrupt_for_restore();  // its end will bring us back
  // Once its server is down a page must not name a deadline: whatever is started next would be
  // killed by it.
  if (!running() && !s_.lead.held && s_.page != PageState::idle) set_page(PageState::idle);
  if (s_.view->restore && decide_restore()) return;
  if (may_mend_lock()) return mend_lock();
  // The founding has ended, here or by somebody else: the store has it.
  const bool marked =
      s_.facts->founding && !s_.bootstrapping && s_.facts->data_dir == DataDir::ready;
  if (marked && !founding_unfinished() && s_.bootstrap_backoff.may_try(now_))
    return start_job(PostBootstrap{.only_mark = true});
  if (s_.dynamic.pause) return decide_paused();
  if (s_.bootstrapping || s_.facts->data_dir != DataDir::ready || founding_unfinished())
    return decide_bootstrap();
  decide_ready();
}

void Core::decide_ready() {
  decide_requests();
  if (s_.job) return;
  if (!running()) return decide_stopped();
  if (!accepting()) return decide_silent();
  decide_running();
}

/// It runs and does not talk to us: not yet, or not with our login.
void Core::decide_silent() {
  if (s_.facts->probe_timed_out && leader_key_is_mine() && !s_.lead.held) let_go_hung();
  if (!s_.facts->login_refused) return result("PostgreSQL is starting up");
  const std::string text = fmt::format("PostgreSQL runs, and refuses user \"{}\": {}",
                                       s_.config.pg.superuser.username, s_.facts->probe_error);
  if (last_result_ != text) note(Note::Level::error, "pg.login", text);
  last_result_ = text;
}

void Core::decide_running() {
  configure_if_needed();
  if (s_.job) return;
  if (s_.lead.held) return decide_lead();
  if (leader_key_is_mine()) return reclaim();
  if (leader_is_other()) {
    if (is_primary())
      return lose_leadership(fmt::format("{} is the leader now", s_.view->leader->name));
    if (!leader_is_silent()) return decide_follow();
  }
  decide_race();
}

bool Core::check_identity() {
  const std::string& mine = s_.facts->system_identifier;
  if (mine.empty() || s_.facts->data_dir != DataDir::ready || s_.bootstrapping) return true;
  const auto& initialize = s_.view->initialize;
  if (initialize == mine) identity_seen_ = true;
  if (initialize && model::is_damaged_identifier(*initialize, mine)) {
    // Who was of this cluster before goes on; whose lock it is writes it anew (lead_store). Others
    // may hold another cluster's data (damaged_store_scenario_test).
    if (identity_seen_ || leader_key_is_mine()) return true;
    result("waiting: initialize in the store is no system identifier, and who leads mends it");
    return false;
  }
  if (initialize && !initialize->empty() && *initialize != mine) {
    // An initdb of ours that lost to another one's cluster holds nothing.
    if (s_.initdb_here && !s_.lead.held) {
      if (s_.job) return false;
      if (running())
        start_job(StopPg{model::StopMode::immediate, seconds(10), false});
      else
        start_job(ClearData{.why = "another node made the cluster"});
      return false;
    }
    // Also where its founding did not end: what a former agent began is not ours to remove.
    give_up(fmt::format("system ID mismatch, node {} belongs to a different cluster: {} != {}",
                        s_.name(), *initialize, mine),
            s_.facts->founding ? "hint: this node was making a cluster when it was killed, and "
                                 "another node made one; move its data directory away"
                               : "");
    return false;
  }
  return true;
}

bool Core::leader_is_other() const {
  return s_.view && s_.view->leader && s_.view->leader->name != s_.name() && !lock_is_void();
}

bool Core::leader_key_is_mine() const {
  return s_.view && s_.view->leader && s_.view->leader->name == s_.name();
}

void Core::derive() {
  using model::PgState;
  using model::Role;
  if (!s_.facts) return;
  const model::PgFacts& f = *s_.facts;
  const bool custom = s_.bootstrapping && s_.config.bootstrap.is_custom();
  if (job_is<InitDb>())
    s_.pg_state = custom ? PgState::custom_bootstrap : PgState::initdb;
  else if (job_is<Clone>() || job_is<ClearData>() || s_.reinit_requested)
    s_.pg_state = PgState::creating_replica;
  else if (job_is<RestartPg>() || job_is<CopySlots>())
    s_.pg_state = PgState::restarting;
  else if (job_is<StopPg>())
    s_.pg_state = PgState::stopping;
  else if (job_is<StartPg>())
    s_.pg_state = custom ? PgState::bootstrap_starting : PgState::starting;
  else if (f.process_alive)
    s_.pg_state = f.accepting || f.probe_timed_out ? PgState::running : PgState::starting;
  else if (s_.crashed)
    s_.pg_state = PgState::crashed;
  else if (s_.start_failed)
    s_.pg_state = PgState::start_failed;
  else
    s_.pg_state = PgState::stopped;

  if (f.data_dir != DataDir::ready)
    s_.role = Role::uninitialized;
  else if (f.process_alive && f.accepting)
    s_.role = !f.in_recovery    ? Role::primary
              : s_.lead.standby ? Role::standby_leader
                                : Role::replica;
  else if (s_.demoting)
    s_.role = Role::demoted;
  else if (s_.role == Role::uninitialized)
    s_.role = Role::replica;
  if (s_.role == Role::replica && s_.lead.held && job_is<Promote>()) s_.role = Role::promoted;
}

void Core::note(Note::Level level, std::string event, std::string text) {
  emit(Note{level, std::move(event), std::move(text)});
}

void Core::result(std::string text) {
  if (s_.dynamic.pause) text = "PAUSE: " + text;
  if (text == last_result_) {
    if (now_ - last_result_at_ < s_.timing.loop_wait) return;
    const model::Value* once = s_.config.raw.at({"log", "deduplicate_heartbeat_logs"});
    if (once != nullptr && model::read_bool(*once).value_or(false)) return;
  }
  last_result_ = text;
  last_result_at_ = now_;
  info("cycle", std::move(text));
}

void Core::call_back(const char* action, model::Role role) {
  const bool changed = s_.called_as && *s_.called_as != role;
  s_.called_as = role;
  emit(Callback{changed ? "on_role_change" : action, role});
}

void Core::start_job(Job job) {
  ensure(!s_.job, "one job at a time changes what PostgreSQL is");
  s_.job = Running{next_id_++, job, now_, {}, s_.dynamic_tree};
  s_.last_record.reset();
  emit(StartJob{s_.job->id, std::move(job)});
}

void Core::start_side(Job job) {
  for (const Running& side : s_.sides)
    ensure(side.job.index() != job.index(), "one side job of a kind at a time");
  s_.sides.push_back(Running{next_id_++, job, now_, {}, s_.dynamic_tree});
  emit(StartJob{s_.sides.back().id, std::move(job)});
}

void Core::give_up(std::string why, const std::string& hint) {
  s_.parked = std::move(why);
  s_.exiting = true;
  emit(Exit{1, hint.empty() ? s_.parked : s_.parked + "; " + hint});
}

std::uint64_t Core::write(std::string what, model::Txn txn) {
  const std::uint64_t id = next_id_++;
  s_.pending[id] = Pending{what, now_};
  emit(WriteDcs{id, std::move(what), std::move(txn)});
  return id;
}

bool Core::writing(std::string_view what) const {
  return std::any_of(s_.pending.begin(), s_.pending.end(),
                     [&](const auto& p) { return p.second.what == what; });
}

void Core::wake_at(Instant at) { wake_ = std::min(wake_, at); }

void Core::reply(RequestId id, int status, std::string text) {
  if (id != 0) emit(Reply{id, status, std::move(text)});
}

}  // namespace aurum::core
