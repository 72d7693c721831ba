#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/effect.h"
#include "core/event.h"
#include "core/slots.h"
#include "core/state.h"

namespace aurum::core {

/// What identifies this program to others.
struct Identity {
  std::string aurum_version;
  std::string patroni_version;  ///< the compatible version, in `version` of the member key
};

/// The decision core of one node: events in, effects out (DESIGN §3).
///
/// Pure: no I/O, thread, wall clock or randomness; the same inputs give the same effects, so a run
/// can be replayed and simulated. One step() takes in one event, then looks at the whole state and
/// decides what to begin. Nothing here waits: what takes time is a job whose end is an event.
///
/// The files: core.cc takes events in and chooses who decides; bootstrap.cc an empty directory;
/// recover.cc a server that does not run; follow.cc a replica; elect.cc a race; lead.cc the leader;
/// spoiled_lock.cc rubbish in the lock's key; heartbeat.cc how others know that it is there;
/// demote.cc every way of giving up leadership; failsafe.cc leading without the store; pause.cc
/// maintenance mode; restore.cc the restore of the cluster from a backup; standby_cluster.cc a
/// cluster that follows another one; watchdog.cc the machine's watchdog; requests.cc operators;
/// member_key.cc what others see of us.
class Core {
 public:
  Core(model::LocalConfig config, Identity identity);

  std::vector<Effect> step(const Input& input);
  const State& state() const { return s_; }
  /// The store is done without: this node leads by the members' promises, or has promised.
  bool in_failsafe() const {
    return s_.lead.held ? s_.lead.deadline > s_.lead.renewed_until : promised_away();
  }
  std::string watchdog_trouble() const;
  /// The long action of §2.6.1 under way; "" if none, or one that takes milliseconds only.
  std::string running_action() const;

 private:
  // Events (core.cc, jobs.cc).
  void take(const Event& event);
  void take_dynamic(const model::Value& tree);
  void see_leader(std::optional<model::Leader> leader);
  void on(const Tick&) {}
  void on(const DcsSnapshot&);
  void on(const DcsFailed&);
  void on(const DcsWritten&);
  void on(const LeaseGranted&);
  void on(const LeaseKept&);
  void on(const LeaseGone&);
  void on(const LeaderRenewed&);
  void on(const LeaderLost&);
  void on(const KeptConfig&);
  void on(const PgProbed&);
  void on(const PgExited&);
  void on(const LastRecordWritten&);
  void on(const JobProgress&);
  void on(const JobDone&);
  void on(const PeerAnswered&);
  void on(const PeerConsented&);
  void on(const WatchdogAnswered&);
  void on(const DiskSeen&);
  void on(const Request&);
  void on(const ConfigReloaded&);
  void on(const StopRequested&);
  void job_ended(const Running& job, const Result<JobResult>& result);
  void ended(const InitDb&, const Result<JobResult>&);
  void ended(const PostBootstrap&, const Result<JobResult>&);
  void ended(const Clone&, const Result<JobResult>&);
  void ended(const StartPg&, const Result<JobResult>&);
  void ended(const StopPg&, const Result<JobResult>&);
  void ended(const RestartPg&, const Result<JobResult>&);
  void ended(const Configure&, const Result<JobResult>&);
  void ended(const Promote&, const Result<JobResult>&);
  void ended(const Checkpoint&, const Result<JobResult>&);
  void ended(const Inspect&, const Result<JobResult>&);
  void ended(const CrashRecovery&, const Result<JobResult>&);
  void ended(const Rewind&, const Result<JobResult>&);
  void ended(const ClearData&, const Result<JobResult>&);
  void ended(const ChangeSlots&, const Result<JobResult>&);
  void ended(const CopySlots&, const Result<JobResult>&);
  void ended(const FindWalEnd&, const Result<JobResult>&);
  void ended(const ReadHistory&, const Result<JobResult>&);
  void ended(const RestoreWork&, const Result<JobResult>&);
  void promotion_failed(const Error& error);
  void give_up_leader_writes();
  void write_ended(const Pending& write, const Result<model::TxnDone>& result);

  // Decisions.
  void decide();
  void decide_ready();      ///< the data directory is good
  void check_deadline();    ///< leadership ends when its deadline comes (demote.cc)
  bool check_identity();    ///< false: this data belongs to another cluster
  void decide_bootstrap();  ///< bootstrap.cc
  void found_cluster();
  bool founding_unfinished() const;
  void take_back_bootstrap();
  void release_initialize();
  void finish_bootstrap();
  void decide_clone();
  void decide_stopped();  ///< recover.cc: PostgreSQL does not run
  void start_as_replica();
  void lead_stopped();  ///< this node leads, and its server is down
  bool hand_over_crashed();
  bool conclude_crash_look();
  void decide_silent();
  void decide_running();
  void decide_follow();  ///< follow.cc
  bool proved() const;
  bool prove();
  void decide_rejoin(const model::Upstream& upstream);
  void run_rejoin(const RejoinPlan& plan, const model::Upstream& upstream);
  void stop_to_rejoin(const std::string& what, const std::string& why);
  void ask_members(Poll::Why why, const std::string& only = {});  ///< "" = all
  void decide_race();                                             ///< elect.cc
  void conclude_race();
  /// `all_follow`: every other member of the failsafe map has said so a moment ago.
  void acquire(const std::string& why, bool all_follow = false);
  void begin_succession();  ///< succession.cc
  void note_positions(const Poll& poll);
  void tell_succession();
  void claim_lock(model::Txn& txn) const;
  void claim_identity(model::Txn& txn);
  void claim_maintenance(model::Txn& txn);
  void claim_sync(model::Txn& txn);
  void claim_timeline(model::Txn& txn);
  void reclaim();
  void bind_leader_to_lease();
  void look_at_lock();  ///< spoiled_lock.cc
  bool lock_is_spoiled() const;
  bool may_mend_lock() const;
  void mend_lock();
  Instant spoiled_lock_ends() const;
  bool lock_is_void() const;
  bool may_take_anew() const;  ///< the lock, which is ours, in a write of now
  void move_to_new_lease();
  void become_leader(std::uint64_t epoch);
  void decide_lead();  ///< lead.cc
  bool sync_claimed();
  void promote();
  model::Txn as_leader(std::vector<model::Write> then) const;
  void lead_store();
  void lead_sync();
  void write_sync_key(const std::optional<model::SyncKey>& key);  ///< none: erase
  void lead_failover_request();
  void conclude_switchover();
  void write_failover_key(const model::FailoverRequest& request);
  std::vector<std::string> retained_members() const;
  void lead_slots();
  bool settled() const;  ///< a primary of ours that has to prove that it is alive
  void keep_renewing();
  std::optional<BeatRate> beat_wanted() const;  ///< heartbeat.cc
  bool beats_otherwise() const;
  Instant begin_beating(BeatRate rate);  ///< the deadline from then on
  void hear_heartbeat();
  const model::Heartbeat* heartbeat_of_leader() const;
  bool leader_is_silent();
  Instant may_take_over_at() const;
  void lead_failsafe_map();  ///< failsafe.cc
  void free_restarted();
  bool consented() const;
  bool may_seek_consent() const;
  void seek_consent();
  void take_consent();
  bool fall_back_to_consent(const std::string& why);  ///< false: there is none
  void regain_lock();
  void claim_failsafe(model::Txn& txn) const;
  void end_promises(model::Txn& txn, model::Revision epoch) const;
  bool promised_away() const;
  void end_promise();
  void hear_unpromised();
  bool may_have_promised() const;
  bool all_follow(const PeerAnswers& answers) const;
  void promise(const ConsentRequest& request, RequestId id);
  bool in_standby_cluster() const { return s_.dynamic.standby_cluster.has_value(); }
  model::Upstream remote() const;  ///< standby_cluster.cc
  std::optional<model::Upstream> followed() const;
  std::string followed_text() const;
  void wrong_remote(const model::UpstreamState& state);
  void claim_config(model::Txn& txn);
  void clone_remote();
  void found_standby_cluster();
  void lead_standby();
  void become_standby_leader();
  void lead_as_standby();
  void promote_cluster();
  void lead_standby_store();
  void lead_standby_stopped();
  void lead_standby_paused();
  void tell_standby_role();
  void drop_sync_key();
  void note_remote_timeline();
  void lose_leadership(const std::string& why);  ///< demote.cc: somebody else may lead already
  bool can_not_write() const;
  void demote_gracefully(const std::string& why);
  void stop_cleanly(bool leading);  ///< with a checkpoint ahead while this node leads
  bool hands_over() const;          ///< hand_over.cc
  void hand_over_early();
  void warm_up();  ///< follow.cc
  bool hand_over_stopped();
  std::string who_has_last_record();
  void release_leader(const std::string& why);
  void let_go_hung();
  void decide_shutdown();
  bool watchdog_required() const;  ///< watchdog.cc
  void arm_watchdog();
  void look_at_watchdog();
  bool watched();
  void decide_ballast();  ///< disk.cc
  const model::Member* member_with_room() const;
  void hand_over_to_room();
  void decide_paused();  ///< pause.cc
  void lead_paused();
  void enter_maintenance();
  void leave_maintenance();
  bool decide_restore();  ///< restore.cc; true: nothing else is to be decided
  void interrupt_for_restore();
  bool held_by_restore() const;  ///< the cluster is down for it
  void stop_for_restore();
  bool end_wal_for_restore();
  bool waits_for_a_paused_server();
  void take_lock_for_restore(const std::string& why);
  void fetch_backup();
  void open_restored();
  bool keep_old_data();
  void lead_restored();
  void end_restore();
  void undo_restore();
  void restore_work(RestoreWork::What what, bool beside);
  const std::string* restore_result(RestoreWork::What what) const;
  void next_restore_step(model::RestoreStep step);
  void fail_restore(const std::string& why);
  void write_restore(model::Restore next, std::vector<model::Compare> more);
  void erase_restore();
  void require_same_restore(model::Txn& txn) const;
  bool data_before_restore() const;
  void settle_maintenance();
  void decide_hung();
  void decide_requests();  ///< requests.cc
  void start_restart(const RestartRequest& request, RequestId waiting);
  void configure_if_needed();
  void configure(const model::PgTarget& target);
  void replica_slots();
  bool copy_logical_slots(const SlotView& view);
  std::vector<std::string> slots_kept_for() const;  ///< members whose slot a replica keeps

  // Derived facts.
  Instant now() const { return now_; }
  bool running() const { return s_.facts && s_.facts->process_alive; }
  bool accepting() const { return s_.facts && s_.facts->process_alive && s_.facts->accepting; }
  bool is_primary() const { return accepting() && !s_.facts->in_recovery; }
  bool leader_is_other() const;
  bool leader_key_is_mine() const;
  bool maintenance_key_is_mine() const;
  bool view_has_our_writes() const { return s_.view && s_.view->revision >= s_.revision_min; }
  Instant lease_end() const;    ///< until when the member's lease, as kept last, warrants writing
  bool lease_is_fresh() const;  ///< it lasts long enough to hang the lock on it
  RaceView race_view() const;
  std::optional<model::Upstream> upstream_of(const std::string& member) const;
  std::optional<model::Upstream> wanted_upstream() const;  ///< replicatefrom, else the leader
  model::Timeline leader_timeline() const;
  model::PgTarget replica_target(const std::optional<model::Upstream>& upstream) const;
  model::PgTarget primary_target() const;
  bool has_successor() const;
  bool data_in_recovery() const;  ///< as pg_control has it
  Duration start_limit() const;
  void derive();          ///< pg_state and role
  void publish_member();  ///< member_key.cc
  void describe_self();
  const model::Member& member_now();

  // Effects.
  template <class E>
  void emit(E effect) {
    out_.emplace_back(std::move(effect));
  }
  void note(Note::Level level, std::string event, std::string text);
  void info(std::string event, std::string text) {
    note(Note::Level::info, std::move(event), std::move(text));
  }
  void warn(std::string event, std::string text) {
    note(Note::Level::warning, std::move(event), std::move(text));
  }
  void result(
      std::string text);  ///< the outcome of a cycle, logged when it changes and once per loop_wait
  /// on_start or on_restart, or on_role_change in its place (§6.1).
  void call_back(const char* action, model::Role role);
  model::Role role_of(const model::PgTarget& target) const;
  void start_job(Job job);
  void start_side(Job job);
  template <class J>
  bool side_running() const {
    for (const Running& side : s_.sides) {
      if (std::holds_alternative<J>(side.job)) return true;
    }
    return false;
  }
  template <class J>
  bool job_is() const {
    return s_.job && std::holds_alternative<J>(s_.job->job);
  }
  void set_page(PageState state, std::uint64_t epoch = 0, Instant deadline = {});
  void give_up(std::string why, const std::string& hint = {});  ///< parks this node and exits
  std::uint64_t write(std::string what, model::Txn txn);
  /// For what can wait: not while the same write is under way, nor before the view shows our last
  /// write, nor soon after writes failed.
  bool may_write(std::string_view what) const {
    return !writing(what) && view_has_our_writes() && s_.write_backoff.may_try(now_);
  }
  bool writing(std::string_view what) const;
  void wake_at(Instant at);
  void reply(RequestId id, int status, std::string text);

  State s_;
  Identity identity_;
  Instant now_;
  WallTime wall_;
  std::vector<Effect> out_;
  Instant wake_ = kNever;
  std::uint64_t next_id_ = 1;
  std::string last_result_;
  Instant last_result_at_;
  /// What the job that has just ended was begun with: a change that came meanwhile is not applied
  /// yet (live_changes_scenario_test:
  /// a_change_during_the_application_of_another_is_applied_as_well).
  model::Value job_dynamic_;
  model::Member self_;                             ///< as others shall see this node now
  std::optional<model::Member> published_member_;  ///< the member key as written last
  model::LeaseId published_lease_ = 0;
  model::Timeline timeline_asked_ = 1;     ///< the number of the next promotion, of that write
  model::LeaseId leader_lease_asked_ = 0;  ///< of the last write of `leader`
  bool maintenance_asked_ = false;         ///< likewise: whether it wrote our maintenance key
  std::uint64_t maintenance_epoch_ = 0;    ///< in which the last such key was asked for
  Instant published_at_;
  Instant status_at_;
  std::optional<std::pair<model::Timeline, model::Timeline>>
      history_read_;  ///< a timeline, and the one before it by its history file
  Instant slots_at_;
  bool identity_seen_ = false;  ///< the store's identifier was ours since this agent began
  bool slots_due_ = true;       ///< PostgreSQL, or the store, was looked at since slots were
  std::map<std::string, Instant> member_seen_;  ///< for member_slots_ttl
  bool standby_asked_ = false;  ///< of the last write of `leader`: for a standby cluster
};

}  // namespace aurum::core
