#include "api/health.h"

#include <algorithm>
#include <cctype>

#include "api/status_document.h"

namespace aurum::api {
namespace {

using model::Lsn;
using model::PgState;
using model::Role;

std::optional<std::string> parameter(const net::Headers& query, std::string_view name) {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

std::optional<std::int64_t> lag_limit(const net::Headers& query) {
  const auto text = parameter(query, "lag");
  return text ? model::read_bytes(model::Value(*text)) : std::nullopt;
}

/// The end of the leader's WAL as far as this node knows; 0 if it does not.
Lsn leader_position(const NodeView& view) {
  Lsn known = view.facts.latest_end_lsn.value_or(Lsn{});
  if (view.cluster != nullptr) known = std::max(known, view.cluster->status.optime.value_or(Lsn{}));
  return known;
}

bool behind_by_more_than(Lsn leader, Lsn own, std::int64_t bytes) {
  if (leader <= own) return false;
  return leader.value - own.value > static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0));
}

/// The words of §2.3.
struct Standing {
  bool leader = false;
  bool primary_ok = false;
  bool sl_ok = false;  ///< leader of a standby cluster
  bool replica_ok = false;
  SyncStanding sync = SyncStanding::none;
};

Standing standing(const NodeView& view, const net::Headers& query) {
  Standing s;
  const bool standby_cluster = is_standby_cluster(view);
  const bool running = view.state == PgState::running;
  const std::string role = shown_role(view);
  s.leader = view.is_leader;
  s.sl_ok = s.leader && standby_cluster && (role == "replica" || role == "standby_leader");
  // The lock alone is not enough: a client sent to a primary that is down or still promoting fails
  // (FAILURES F37).
  const bool writable = running && !(view.facts.accepting && view.facts.in_recovery);
  s.primary_ok = s.leader && !standby_cluster && writable;
  if (!view.dcs_fresh && view.paused) {
    s.primary_ok = role == "primary";
    s.sl_ok = role == "standby_leader";
    s.leader = s.primary_ok || s.sl_ok;
  }
  model::Member self;
  self.tags = view.effective_tags;
  const auto limit = lag_limit(query);
  const bool lagging =
      limit &&
      behind_by_more_than(leader_position(view), view.facts.replayed_lsn.value_or(Lsn{}), *limit);
  s.replica_ok = running && role == "replica" && !lagging && !tag_noloadbalance(self) &&
                 !(standby_cluster && s.leader);
  s.sync = sync_standing(view);
  return s;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool tags_match(const NodeView& view, const net::Headers& query) {
  for (const auto& [key, wanted] : query) {
    if (!key.starts_with("tag_")) continue;
    const model::Value* own =
        view.config == nullptr ? nullptr : view.config->tags.find(key.substr(4));
    if (own == nullptr) return false;
    if (own->is_string() ? own->as_string() != wanted : lower(own->text()) != wanted) return false;
  }
  return true;
}

struct Verdict {
  bool ok = false;
  bool tags_count = true;
};

Verdict by_exact_path(const NodeView& view, const Standing& s, std::string_view path) {
  if (!view.dcs_fresh) return {};
  const bool any_leader = s.primary_ok || s.sl_ok;
  const bool sync = s.sync == SyncStanding::sync && s.replica_ok;
  const bool quorum = s.sync == SyncStanding::quorum && s.replica_ok;
  if (path == "/sync" || path == "/synchronous") return {sync};
  if (path == "/quorum") return {quorum};
  if (path == "/async" || path == "/asynchronous")
    return {s.sync == SyncStanding::none && s.replica_ok};
  if (path == "/read-only-quorum") return {any_leader || quorum};
  if (path == "/read-only-sync" || path == "/read-only-synchronous") return {any_leader || sync};
  return {};
}

Verdict verdict(const NodeView& view, const Standing& s, std::string_view path) {
  const auto has = [path](std::string_view part) { return path.contains(part); };
  if (has("standby_leader") || has("standby-leader")) return {s.sl_ok, false};
  if (has("leader")) return {s.leader, false};
  if (path == "/" || has("master") || has("primary") || has("read-write"))
    return {s.primary_ok, false};
  if (has("replica")) return {s.replica_ok};
  if (has("read-only") && !has("sync") && !has("quorum"))
    return {s.primary_ok || s.sl_ok || s.replica_ok};
  if (has("health")) return {shown_state(view) == PgState::running};
  return by_exact_path(view, s, path);
}

}  // namespace

int health_status(const NodeView& view, std::string_view path, const net::Headers& query) {
  const auto v = verdict(view, standing(view, query), path);
  return v.ok && (!v.tags_count || tags_match(view, query)) ? 200 : 503;
}

int liveness_status(const NodeView& view) { return view.paused || view.loop_alive ? 200 : 503; }

int readiness_status(const NodeView& view, const net::Headers& query) {
  if (view.is_leader) return 200;
  if (shown_state(view) != PgState::running || view.facts.replication_state != "streaming")
    return 503;
  const Lsn leader = leader_position(view);
  if (!leader && !view.failsafe_active) return 503;
  const std::int64_t fallback = view.dynamic == nullptr
                                    ? model::DynamicConfig{}.maximum_lag_on_failover
                                    : view.dynamic->maximum_lag_on_failover;
  const bool write = parameter(query, "mode").value_or("apply") == "write";
  const Lsn replayed = view.facts.replayed_lsn.value_or(Lsn{});
  const Lsn own = write ? view.facts.received_lsn.value_or(replayed) : replayed;
  return behind_by_more_than(leader, own, lag_limit(query).value_or(fallback)) ? 503 : 200;
}

}  // namespace aurum::api
