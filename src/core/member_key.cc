// What other members and tools see of this node: its key under members/.

#include <tuple>

#include "core/core.h"

namespace aurum::core {

namespace {

/// What its agent tells at once: all but the positions.
auto told_at_once(const model::Member& m) {
  return std::tie(m.name, m.conn_url, m.api_url, m.proxy_url, m.state, m.role, m.version,
                  m.aurum_version, m.checkpoint_after_promote_pending, m.tags, m.pending_restart,
                  m.pending_restart_reason, m.replication_state, m.timeline, m.scheduled_restart,
                  m.pause, m.disk);
}

}  // namespace

/// What only a reload of the configuration changes.
void Core::describe_self() {
  const model::LocalConfig& c = s_.config;
  const std::string scheme = c.rest.tls.certfile.empty() ? "http" : "https";
  self_ = {};
  self_.name = c.name;
  self_.conn_url = "postgres://" + c.pg.connect_address + "/" + c.pg.database;
  self_.api_url = scheme + "://" + c.rest.connect_address + "/patroni";
  if (!c.pg.proxy_address.empty())
    self_.proxy_url = "postgres://" + c.pg.proxy_address + "/" + c.pg.database;
  self_.version = identity_.patroni_version;
  self_.aurum_version = identity_.aurum_version;
  self_.tags = s_.tags = model::effective_tags(c.tags);
}

/// In place: it is looked at after every event, and changes seldom.
const model::Member& Core::member_now() {
  model::Member& m = self_;
  m.state = s_.pg_state;
  m.role = s_.role;
  // What a former leadership owed, a standby leader never writes, and others would wait for it
  // (standby_cluster_scenario_test: a_checkpoint_that_a_former_primary_owed_is_not_waited_for).
  m.checkpoint_after_promote_pending = s_.lead.held && !s_.lead.standby && s_.checkpoint_pending;
  // Of a leader it is in force when its page says so: `ctl pause --wait` waits for that.
  m.disk = s_.disk_level;
  m.pause =
      s_.dynamic.pause && (!s_.lead.held || s_.lead.standby || s_.page == PageState::maintenance);
  m.pending_restart = false;
  m.pending_restart_reason = {};
  m.scheduled_restart = {};
  m.xlog_location = m.replay_lsn = m.receive_lsn = std::nullopt;
  m.replication_state.clear();
  m.timeline.reset();
  if (!s_.facts) return m;
  const model::PgFacts& f = *s_.facts;
  if (!f.pending_restart_reason.is_null() && f.accepting) {
    m.pending_restart = true;
    m.pending_restart_reason = f.pending_restart_reason;
  }
  if (s_.scheduled_restart) {
    m.scheduled_restart = s_.scheduled_restart->request.raw;
    if (m.scheduled_restart.is_object()) {
      if (m.scheduled_restart.find("schedule") == nullptr)
        m.scheduled_restart.set("schedule", model::iso8601(*s_.scheduled_restart->request.at));
      m.scheduled_restart.set("postmaster_start_time", s_.scheduled_restart->postmaster_start_time);
    }
  }
  const bool busy = s_.job && !std::holds_alternative<Promote>(s_.job->job) &&
                    !std::holds_alternative<Configure>(s_.job->job) &&
                    !std::holds_alternative<Inspect>(s_.job->job);
  if (f.accepting && !busy) {
    m.xlog_location = f.position();
    if (f.in_recovery) {
      m.replay_lsn = f.replayed_lsn;
      m.receive_lsn = f.received_lsn;
      m.replication_state = f.replication_state;
    }
    if (f.timeline != 0) m.timeline = f.timeline;
  }
  return m;
}

void Core::publish_member() {
  if (s_.lease == 0 || !s_.view || !s_.facts || !may_write("member") || s_.exiting) return;
  const model::Member& member = member_now();
  // A late write of a former agent can have bound the key to a lease that has ended since; who is
  // not known as a member is asked by nobody (store_failures_scenario_test: a_member_whose_key_…).
  const bool fresh = s_.view->revision >= s_.revision_min;
  const model::Member* there = s_.view->member(s_.name());
  const bool gone = fresh && there == nullptr;
  // Positions alone are told once per loop_wait; everything else at once.
  const bool due = now_ - published_at_ >= s_.timing.loop_wait;
  // A late write of its own may stand there too, and whoever is stopped has no news that would
  // replace it: a restore waits for all to be stopped (restore_scenario_test: a_late_word_…).
  const bool old =
      fresh && due && there != nullptr && published_member_ &&
      (there->state != published_member_->state || there->role != published_member_->role);
  const bool told = published_member_ && published_lease_ == s_.lease && !gone && !old;
  if (told && (member == *published_member_ ||
               (!due && told_at_once(member) == told_at_once(*published_member_))))
    return;
  published_member_ = member;
  published_lease_ = s_.lease;
  published_at_ = now_;
  write("member", {.when = {},
                   .then = {{.key = "members/" + s_.name(),
                             .value = model::encode_member(member),
                             .lease = s_.lease}}});
}

}  // namespace aurum::core
