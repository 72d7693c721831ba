#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "core/effect.h"
#include "core/event.h"
#include "core/job.h"
#include "core/phase_times.h"
#include "core/race.h"
#include "core/rejoin.h"
#include "core/timing.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/postgres.h"

namespace aurum::core {

/// A job under way.
struct Running {
  JobId id = 0;
  Job job;
  Instant since;
  std::string progress;
  model::Value dynamic = {};  ///< the dynamic configuration it was begun with
};

/// A write to the store whose answer has not come.
struct Pending {
  std::string what;
  Instant since;
  bool given_up = false;  ///< of the lock, which was released since: its answer gives no leadership
};

/// Tries of something that fails, and when the next one may begin.
struct Backoff {
  int failures = 0;
  Instant not_before;
  void failed(Instant now, Duration first, Duration most);
  void reset() { *this = {}; }
  bool may_try(Instant now) const { return now >= not_before; }
};

/// Of a leader that asks the members instead of the store (failsafe.cc).
struct Consent {
  Instant until;                         ///< all of them have promised to take no lock before
  bool asked = false;                    ///< in this leadership: promises may be kept still
  std::uint64_t round = 0;               ///< under way; 0: none
  Instant since;                         ///< it was asked
  Duration warranted{};                  ///< from then on, if all promise
  std::map<std::string, bool> promised;  ///< in it, by the members that are asked
  Instant not_before;                    ///< for the next round
  bool told = false;                     ///< of this outage
  bool is_asked_for() const { return round != 0; }
};

/// Leadership as this node believes it; true only while `now < deadline`.
struct Leadership {
  bool held = false;
  std::uint64_t epoch = 0;      ///< mod_revision of the `leader` key when it became ours
  model::Revision created = 0;  ///< create_revision of that key
  model::LeaseId lease = 0;     ///< the key is bound to it
  Duration valid_for{};   ///< of that lease, which may be older and shorter than the present ttl
  Instant renewed_until;  ///< by lease and heartbeat; deadline also by consent
  Instant deadline;
  Instant since;
  bool promoted = false;          ///< the server has been writable in this leadership
  bool taken_on_request = false;  ///< as the candidate of a manual request
  Duration proof_asked{};         ///< proof_max_age the lease thread was told last
  std::optional<BeatRate> beat;   ///< of the heartbeats of this epoch, which may be in the store
  bool moving = false;  ///< to another lease: until that is answered it may hang on either
  Consent consent;
  /// The leases of the members that were told that they are bound by no promise of before.
  std::map<std::string, model::LeaseId> freed;
  bool keyless = false;  ///< the lock is gone from the store, and only consent is left
  /// Of a standby cluster: the lock makes nobody writable, and the lease page stays idle.
  bool standby = false;
};

/// A change of leader that this node takes part in (succession.cc).
struct SuccessionSeen {
  Instant sign;   ///< the last one of the former leader
  Instant raced;  ///< the first race began
  std::optional<Instant> acquired, promoted;
  model::Succession told = {};
};

/// One question to the peers.
struct Poll {
  enum class Why { race, switchover, crash, hand_over };
  std::uint64_t round = 0;
  Why why = Why::race;
  Instant since;
  model::Revision sync_revision = 0;  ///< of the `sync` key, by which the answers are judged
  std::map<std::string, bool> asked;  ///< name → answered (or failed) already
  PeerAnswers answers;
  /// An answer has not come yet.
  bool open() const {
    return std::ranges::any_of(asked, [](const auto& one) { return !one.second; });
  }
};

/// A crashed primary looks for a standby that has all of its WAL (recover.cc).
struct CrashLook {
  bool begun = false;
  bool over = false;   ///< there is none, or no telling
  model::Lsn flushed;  ///< of the server, as it said last
  std::optional<model::Lsn> end;
};

/// A server that was stopped to hand the leadership over, from its last record on (hand_over.cc).
struct LastRecord {
  model::Lsn begin;
  Instant seen_at;
  std::optional<Instant> ended_at;  ///< nothing runs of it any more
};

/// A scheduled restart (§2.6.1).
struct ScheduledRestart {
  RestartRequest request;
  std::string postmaster_start_time;
};

/// Given to a leader that does not reach the store: this node takes no lock before `until`.
struct Promise {
  std::string to;
  std::uint64_t epoch = 0;
  Instant until;
  std::map<std::string, model::Lsn> slots;  ///< of the leader, when it asked
};

/// All that the core knows. Read by api/ through const access; changed by Core::step only.
struct State {
  model::LocalConfig config;
  model::DynamicConfig dynamic;
  model::Value dynamic_tree;
  Timing timing;
  model::Value tags;  ///< effective

  // The store.
  model::SharedView view;  ///< null: not known yet
  Instant view_at;         ///< sent_at of the last proof that `view` is what the store holds
  std::string dcs_error;   ///< "" while the store answers
  model::Revision revision_min = 0;  ///< older snapshots are from before a write of ours
  model::LeaseId lease = 0;
  Instant lease_sent_at;
  Duration lease_ttl{};
  std::map<std::uint64_t, Pending> pending;
  Backoff write_backoff;  ///< of writes that only tell others something
  Leadership lead;
  /// The newest heartbeat of whoever leads, by our clock: when it was received, not sent.
  struct Heard {
    model::Revision revision = 0;
    Instant at;
  } heard;
  /// `leader` as rubbish was written over it, and since when we see it; 0: it is a lock.
  struct Spoiled {
    model::Revision revision = 0;
    Instant since;
  } spoiled;
  Duration longest_ttl{};  ///< that was in force here
  Promise promise;
  std::optional<Instant> begun;     ///< the first event; a former agent may have promised before
  bool before_cluster = false;      ///< unless there was no cluster yet
  model::Revision first_write = 0;  ///< of this agent, by the store's answer; 0: none yet
  bool freed = false;               ///< a leader has told that it lives by none of those
  /// Members of writes of the map that may still come true, and the revision those compare.
  std::map<std::string, std::string> failsafe_asked;
  model::Revision failsafe_asked_at = 0;

  // PostgreSQL.
  std::optional<model::PgFacts> facts;
  Instant answered_at;        ///< last probe that was answered
  bool disk_refuses = false;  ///< its disk took no writes when it answered last
  std::optional<Instant> hung_since;
  /// It ended, and nobody looked at what it left: `facts` says nothing of its data yet.
  bool end_unseen = false;
  bool adopted = false;  ///< found running: a former agent may have told it to be promoted
  bool start_failed = false;
  bool crashed = false;  ///< it ended without being asked to, and nobody dealt with it yet
  std::optional<model::PgTarget> applied;  ///< the configuration in force
  model::Value applied_dynamic;
  bool reload_asked = false;        ///< SIGHUP or POST /reload: write anew, and reload in any case
  bool checkpoint_pending = false;  ///< since promotion (§1.2 checkpoint_after_promote)
  /// Flush LSN since which the present synchronous_standby_names is in force; 0 = the next probe
  /// tells.
  std::optional<model::Lsn> sync_setting_since;
  std::optional<model::SyncKey> former_sync;  ///< as it was before this leadership, until promoted
  /// Members of the last `sync` write: until it is settled the key may say so at any moment.
  std::vector<std::string> sync_asked;
  bool sync_unsettled = false;  ///< a `sync` write got no answer and may still be on its way
  std::optional<Instant> primary_since;  ///< answers as a primary, without a break

  // Work.
  std::optional<Running> job;  ///< the one that changes what PostgreSQL is
  std::vector<Running> sides;  ///< checkpoint, slots, history: one of each kind
  std::optional<Poll> poll;
  std::optional<Inspected> inspected;  ///< last Inspect
  Inspect inspected_of;                ///< whom it describes
  /// Until when our standby is known to replay the leader's WAL, and no other one under its name:
  /// while it runs on, and no newer timeline is led on.
  struct Proof {
    std::string run;  ///< its postmaster_start_time
    model::Timeline timeline = 0;
  } proof;
  bool rejoin_checked =
      false;  ///< divergence from the present leader is ruled out for this leader term
  std::string rejoin_leader;
  std::optional<Instant> not_streaming_since;
  int rewind_failures = 0;
  Backoff start_backoff, clone_backoff, inspect_backoff, proof_backoff, race_backoff,
      bootstrap_backoff, promote_backoff;
  Backoff crash_backoff, copy_backoff;
  std::optional<Instant>
      crash_since;       ///< first crash of this leadership that is not over yet (F36: cumulative)
  CrashLook crash_look;  ///< of the last end of the server
  std::optional<LastRecord> last_record;  ///< of the stop under way, or over
  Backoff last_record_backoff;            ///< between two rounds of questions about it
  model::Revision warmed_for = 0;         ///< of the request that names this node
  std::string leader_before;              ///< who led last, as far as the store showed
  std::optional<SuccessionSeen> succession;
  PhaseTimes phases;
  std::optional<Instant> leaderless_since;  ///< the `leader` key is absent since
  Instant no_race_before;                   ///< gave leadership away on purpose: let others
  std::string parked;                       ///< "" or why this node can go no further by itself
  bool demoting = false;                    ///< graceful: switchover or shutdown
  std::optional<model::Role> called_as;     ///< the role that callbacks were told last
  bool handed_over = false;                 ///< stopped for a switchover, and not started since
  std::string new_leader_reason;
  bool bootstrapping = false;  ///< this node makes the cluster
  bool initdb_here = false;    ///< the data directory is of an initdb of ours, and not used yet
  bool initialize_unsettled = false;  ///< a write of `initialize` got no answer
  bool post_bootstrapped = false;
  std::string bootstrap_failed;         ///< why the new cluster is taken back
  bool data_was_primary = false;        ///< before its last start here the data was a primary's
  model::Timeline newest_timeline = 0;  ///< seen of this data directory
  bool fresh_copy = false;              ///< copied, and not started since
  bool drop_request = false;            ///< a manual request brought us here: it is done

  /// This node's part of a restore of the cluster.
  struct RestorePart {
    std::string at;  ///< id, step and error it is about
    std::string id;
    std::map<RestoreWork::What, std::string> done;  ///< what each told, of this id
    Backoff backoff;
  };
  RestorePart restore;

  /// The machine's watchdog, as the guard told last.
  struct Watchdog {
    bool looked = false, usable = false, armed = false;
    std::string why;               ///< it is not usable
    std::optional<Instant> asked;  ///< no answer yet
    Instant looked_at;
  };
  Watchdog watchdog;

  // Room on the disk (disk.cc).
  model::DiskFacts disk;
  model::DiskLevel disk_level = model::DiskLevel::ok;
  Instant ballast_at;    ///< the next change of the ballast, at the earliest
  Instant hand_over_at;  ///< likewise of an attempt to hand over

  // Operator.
  std::optional<ScheduledRestart> scheduled_restart;
  struct Waiting {
    RequestId id = 0;
    std::string kind;  ///< restart | reinit
  };
  std::optional<Waiting> restart_waiting;                            ///< a restart job answers it
  std::optional<std::pair<RestartRequest, RequestId>> restart_next;  ///< waits for a short job
  bool reinit_requested = false;
  bool reinit_from_leader = false;
  bool stopping = false;
  bool exiting = false;
  bool last_member_written = false;
  Instant stop_at;
  std::optional<PageState> page;  ///< what the lease page says; unset: as a former agent left it

  // Derived, for member key and REST.
  model::PgState pg_state = model::PgState::stopped;
  model::Role role = model::Role::uninitialized;

  const std::string& name() const { return config.name; }
  bool is_leader_now(Instant now) const { return lead.held && now < lead.deadline; }
  bool dcs_fresh(Instant now) const { return view && now - view_at < timing.ttl; }
};

}  // namespace aurum::core
