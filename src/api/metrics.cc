#include "api/metrics.h"

#include <fmt/format.h>

#include "api/status_document.h"

namespace aurum::api {
namespace {

using model::PgState;

/// Prometheus label values: backslash, quote and newline are escaped.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

/// "4.1.4" → "040104"
std::string version_digits(std::string_view version) {
  std::string out, part;
  const auto flush = [&] {
    out += std::string(part.size() < 2 ? 2 - part.size() : 0, '0') + part;
    part.clear();
  };
  for (char c : version) {
    if (c == '.')
      flush();
    else
      part += c;
  }
  flush();
  return out;
}

std::string state_legend() {
  std::string out = "# Values:";
  for (int i = static_cast<int>(PgState::initdb); i <= static_cast<int>(PgState::crashed); ++i)
    out += fmt::format("{} {}={}", i == 0 ? "" : ",", i, identifier(static_cast<PgState>(i)));
  return out + "\n";
}

class Page {
 public:
  explicit Page(std::string labels) : labels_(std::move(labels)) {}

  template <class T>
  void gauge(std::string_view name, std::string_view help, const T& value) {
    sample(name, "gauge", help, fmt::format("{}", value));
  }
  void flag(std::string_view name, std::string_view help, bool value) {
    sample(name, "gauge", help, value ? "1" : "0");
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    sample(name, "counter", help, std::to_string(value));
  }
  void sample(std::string_view name, std::string_view type, std::string_view help,
              std::string_view value, std::string_view comment = {},
              std::string_view more_labels = {}) {
    out_ += fmt::format("# HELP {0} {1}\n{2}# TYPE {0} {3}\n{0}{{{4}{5}}} {6}\n", name, help,
                        comment, type, labels_, more_labels, value);
  }
  /// For series that differ in a label.
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  }
  template <class T>
  void series(std::string_view name, std::string_view more_labels, const T& value) {
    out_ += fmt::format("{}{{{}{}}} {}\n", name, labels_, more_labels, value);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string labels_;
  std::string out_;
};

void write_locations(Page& page, const NodeView& view, const std::string& role) {
  const auto& facts = view.facts;
  const bool standby = facts.accepting && facts.in_recovery;
  const model::Lsn replayed = standby ? facts.replayed_lsn.value_or(model::Lsn{}) : model::Lsn{};
  const model::Lsn received = standby ? facts.received_lsn.value_or(replayed) : model::Lsn{};
  const model::Lsn location =
      facts.accepting && !facts.in_recovery ? facts.flush_lsn : model::Lsn{};
  page.counter(
      "patroni_xlog_location",
      "Current location of the Postgres transaction log, 0 if this node is not the leader.",
      location.value);
  page.flag("patroni_standby_leader", "Value is 1 if this node is the standby_leader, 0 otherwise.",
            role == "standby_leader");
  page.flag("patroni_replica", "Value is 1 if this node is a replica, 0 otherwise.",
            role == "replica");
  const auto sync = sync_standing(view);
  page.flag("patroni_sync_standby",
            "Value is 1 if this node is a sync standby replica, 0 otherwise.",
            sync == SyncStanding::sync);
  page.flag("patroni_quorum_standby",
            "Value is 1 if this node is a quorum standby replica, 0 otherwise.",
            sync == SyncStanding::quorum);
  page.counter("patroni_xlog_received_location",
               "Current location of the received Postgres transaction log, 0 if this node is not a "
               "replica.",
               received.value);
  page.counter("patroni_xlog_replayed_location",
               "Current location of the replayed Postgres transaction log, 0 if this node is not a "
               "replica.",
               replayed.value);
  page.gauge("patroni_xlog_replayed_timestamp",
             "Current timestamp of the replayed Postgres transaction log, 0 if null.",
             standby ? facts.replayed_timestamp_epoch : 0.0);
  page.flag("patroni_xlog_paused", "Value is 1 if the Postgres xlog is paused, 0 otherwise.",
            standby && facts.replay_paused);
}

void write_server(Page& page, const NodeView& view) {
  const auto& facts = view.facts;
  const int version = facts.accepting ? facts.server_version : 0;
  if (version != 0) {
    page.flag("patroni_postgres_streaming", "Value is 1 if Postgres is streaming, 0 otherwise.",
              facts.in_recovery && facts.replication_state == "streaming");
    page.flag("patroni_postgres_in_archive_recovery",
              "Value is 1 if Postgres is replicating from archive, 0 otherwise.",
              facts.in_recovery && facts.replication_state == "in archive recovery");
  }
  page.gauge("patroni_postgres_server_version", "Version of Postgres (if running), 0 otherwise.",
             version);
}

void write_cluster(Page& page, const NodeView& view) {
  page.flag("patroni_cluster_unlocked", "Value is 1 if the cluster is unlocked, 0 if locked.",
            view.cluster_unlocked);
  page.flag("patroni_failsafe_mode_is_active",
            "Value is 1 if failsafe mode is active, 0 if inactive.", view.failsafe_active);
  page.gauge("patroni_postgres_timeline",
             "Postgres timeline of this node (if running), 0 otherwise.",
             view.facts.accepting ? view.facts.timeline : 0);
  page.gauge("patroni_dcs_last_seen",
             "Epoch timestamp when DCS was last contacted successfully by Patroni.",
             view.dcs_last_seen_epoch_s);
  page.flag("patroni_pending_restart", "Value is 1 if the node needs a restart, 0 otherwise.",
            !view.facts.pending_restart_reason.empty());
  page.flag("patroni_is_paused", "Value is 1 if auto failover is disabled, 0 otherwise.",
            view.paused);
  page.sample("patroni_postgres_state", "gauge", "Numeric representation of Postgres state.",
              std::to_string(static_cast<int>(shown_state(view))), state_legend());
}

/// One series for each, under one head.
void write_certificates(Page& page, const NodeView& view) {
  if (view.certificates.empty()) return;
  page.head("aurum_certificate_expiry_timestamp_seconds", "gauge",
            "When a certificate of this node ends, in seconds since 1970.");
  for (const auto& certificate : view.certificates)
    page.series("aurum_certificate_expiry_timestamp_seconds",
                fmt::format(",use=\"{}\"", escaped(certificate.use)), certificate.not_after_s);
}

void write_disks(Page& page, const NodeView& view) {
  if (view.disk.data.capacity == 0) return;
  const auto volumes = [&](std::string_view name, std::string_view help,
                           std::uint64_t model::Volume::* what) {
    page.head(name, "gauge", help);
    page.series(name, ",volume=\"data\"", view.disk.data.*what);
    if (view.disk.wal) page.series(name, ",volume=\"wal\"", *view.disk.wal.*what);
  };
  volumes("aurum_disk_available_bytes", "Bytes that are left on a volume of PostgreSQL's.",
          &model::Volume::available);
  volumes("aurum_disk_capacity_bytes", "Size of the volume.", &model::Volume::capacity);
  volumes("aurum_disk_ballast_bytes", "Bytes held back on the volume, given up when it is full.",
          &model::Volume::ballast);
  page.gauge("aurum_disk_level", "0: room enough, 1: low, 2: PostgreSQL will stop soon.",
             static_cast<int>(view.disk_level));
}

/// Buckets count all that is not above their bound (Prometheus exposition format).
void write_phases(Page& page, const core::PhaseTimes& times) {
  using Times = core::PhaseTimes;
  constexpr std::string_view name = "aurum_failover_phase_seconds";
  page.head(name, "histogram",
            "How long each part took of the times that this node followed another leader.");
  for (std::size_t i = 0; i < Times::kPhases; ++i) {
    const auto& phase = times.phases[i];
    const std::string label = fmt::format(",phase=\"{}\"", Times::kNames[i]);
    for (std::size_t b = 0; b < Times::kBounds.size(); ++b)
      page.series("aurum_failover_phase_seconds_bucket",
                  fmt::format("{},le=\"{:g}\"", label, to_seconds(Times::kBounds[b])),
                  phase.within[b]);
    page.series("aurum_failover_phase_seconds_bucket", label + ",le=\"+Inf\"", phase.count);
    page.series("aurum_failover_phase_seconds_sum", label, to_seconds(phase.sum));
    page.series("aurum_failover_phase_seconds_count", label, phase.count);
  }
}

void write_own(Page& page, const NodeView& view, const core::Identity& identity) {
  page.sample("aurum_build_info", "gauge", "Version of Aurum as a label; the value is always 1.",
              "1", {}, fmt::format(",version=\"{}\"", escaped(identity.aurum_version)));
  page.gauge("aurum_lease_remaining_seconds",
             "Seconds until the leader lease of this node ends unless renewed, 0 if it is not the "
             "leader.",
             view.is_leader ? view.lease_remaining_s : 0.0);
  page.gauge("aurum_lease_span_seconds",
             "Seconds that each renewal or heartbeat gives the leader, 0 if it is not the leader.",
             view.is_leader ? view.lease_span_s : 0.0);
  page.gauge("aurum_peers_linked", "Members to whom a connection for questions is open.",
             view.peers_linked);
  page.gauge("aurum_leader_epoch", "Epoch of the leadership this node holds or last held.",
             view.epoch);
  page.flag("aurum_development",
            "Value is 1 if AURUM_DEVELOPMENT=1 allows passwords that everybody knows, 0 otherwise.",
            view.development);
  write_certificates(page, view);
  write_disks(page, view);
  write_phases(page, view.phases);
}

}  // namespace

std::string render_metrics(const NodeView& view, const core::Identity& identity) {
  const std::string scope = view.config == nullptr ? "" : view.config->scope;
  const std::string name = view.config == nullptr ? "" : view.config->name;
  Page page(fmt::format("scope=\"{}\",name=\"{}\"", escaped(scope), escaped(name)));
  const std::string role = shown_role(view);
  constexpr std::string_view kLeaderHelp = "Value is 1 if this node is the leader, 0 otherwise.";

  page.gauge("patroni_version", "Patroni semver without periods.",
             version_digits(identity.patroni_version));
  page.flag("patroni_postgres_running", "Value is 1 if Postgres is running, 0 otherwise.",
            shown_state(view) == PgState::running);
  page.gauge("patroni_postmaster_start_time", "Epoch seconds since Postgres started.",
             view.facts.accepting ? view.facts.postmaster_start_epoch : 0.0);
  page.flag("patroni_primary", kLeaderHelp, role == "primary");
  write_locations(page, view, role);
  write_server(page, view);
  write_cluster(page, view);
  page.flag("patroni_master", kLeaderHelp, role == "primary");
  write_own(page, view, identity);
  return page.take();
}

}  // namespace aurum::api
