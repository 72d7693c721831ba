#include <algorithm>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/config.h"
#include "model/value.h"
#include "runtime/clock.h"
#include "stack/cluster.h"
#include "stack/nap.h"

namespace aurum::stack {

using json = nlohmann::json;

namespace {

constexpr Duration kPollEvery = milliseconds(100);

bool streaming(const json& row) { return row.is_object() && row.value("state", "") == "streaming"; }

/// PATRONI_COMPAT §2.2; members of other ages leave fields out.
void read_status(const json& doc, NodeView& view) {
  view.role = doc.value("role", "");
  if (view.role == "master") view.role = "primary";
  view.state = doc.value("state", "");
  view.timeline = doc.value("timeline", 0);
  if (auto xlog = doc.find("xlog"); xlog != doc.end() && xlog->is_object()) {
    view.lsn = xlog->contains("location") ? xlog->value("location", std::uint64_t{0})
                                          : xlog->value("replayed_location", std::uint64_t{0});
  }
  view.streaming = doc.value("replication_state", "") == "streaming";
  view.sync = doc.value("sync_standby", false) || doc.value("quorum_standby", false);
  if (auto rows = doc.find("replication"); rows != doc.end() && rows->is_array()) {
    for (const auto& row : *rows) view.senders += streaming(row) ? 1U : 0U;
  }
  if (doc.value("pending_restart", false)) view.tag = "pending restart";
  if (doc.value("pause", false)) view.tag = "paused";
}

/// Of the answer to GET /config.
bool is_synchronous(const std::string& config) {
  const auto value = model::parse_json(config);
  return value && model::read_dynamic_config(*value).synchronous_mode != model::SyncMode::off;
}

std::string trouble_of(const View& view) {
  for (const auto& e : view.etcds) {
    if (!e.healthy) return fmt::format("{} is {}", e.name, e.alive ? "not healthy" : "down");
  }
  std::size_t agents = 0, primaries = 0;
  for (const auto& n : view.nodes) agents += n.agent_alive ? 1U : 0U;
  if (agents == 0) return "all agents are down";
  for (const auto& n : view.nodes)
    primaries += n.role == "primary" && n.state == "running" ? 1U : 0U;
  if (primaries != 1)
    return primaries == 0 ? "no primary yet" : fmt::format("{} primaries", primaries);
  if (!view.leader) return "no leader yet";
  const NodeView& leader = view.nodes[*view.leader];
  for (const auto& n : view.nodes) {
    if (!n.answers)
      return fmt::format("{} {}", n.name, n.agent_alive ? "does not answer yet" : "is down");
    if (&n == &leader) continue;
    // Older agents do not report replication_state; then the primary's list of senders decides
    // below.
    const bool up = n.role == "replica" && (n.state == "running" || n.state == "streaming");
    if (!up)
      return fmt::format("{} is {} ({})", n.name, n.role.empty() ? "unknown" : n.role, n.state);
    if (n.timeline != leader.timeline) {
      return fmt::format("{} is on timeline {}, not {}", n.name, n.timeline, leader.timeline);
    }
  }
  if (leader.senders + 1 < view.nodes.size()) {
    return fmt::format("{} of {} replicas stream", leader.senders, view.nodes.size() - 1);
  }
  const bool has_sync = std::any_of(view.nodes.begin(), view.nodes.end(),
                                    [](const NodeView& node) { return node.sync; });
  if (view.synchronous && !has_sync && view.nodes.size() > 1)
    return "no replica is a synchronous standby yet";
  for (const auto& door : view.doors) {
    if (!door.alive) return door.name + " is down";
    if (door.name == "haproxy" && door.primary != leader.name)
      return fmt::format("haproxy sends writes {}",
                         door.primary.empty() ? "nowhere yet" : "to " + door.primary + " still");
  }
  return {};
}

}  // namespace

bool View::anything_alive() const {
  for (const auto& n : nodes) {
    if (n.agent_alive || n.postgres_alive) return true;
  }
  for (const auto& e : etcds) {
    if (e.alive) return true;
  }
  return std::any_of(doors.begin(), doors.end(), [](const DoorView& d) { return d.alive; });
}

NodeView Cluster::look_at(std::size_t node, Duration timeout) const {
  NodeView view;
  view.name = plan_.nodes[node].name;
  view.agent_alive = agent(node).has_value();
  view.postgres_alive = postmaster(node).has_value();
  if (!view.agent_alive) return view;
  auto reply = rest(node, "GET", "/patroni", {}, timeout);
  if (!reply) return view;
  const json doc = json::parse(reply->body, nullptr, false);
  if (!doc.is_object()) return view;
  view.answers = true;
  try {
    read_status(doc, view);
  } catch (const json::exception& e) {
    view.tag = fmt::format("odd status document: {}", e.what());
  }
  return view;
}

EtcdView Cluster::look_at_etcd(std::size_t member, Duration timeout) const {
  const EtcdPlan& me = plan_.etcds[member];
  EtcdView view;
  view.name = me.name;
  view.alive = etcd(member).has_value();
  if (!view.alive) return view;
  auto health =
      rest_call({me.host, me.client_port, "GET", "/health", {}, {}, timeout, client_tls()});
  view.healthy =
      health && health->status == 200 && health->body.find("\"true\"") != std::string::npos;
  auto status = rest_call(
      {me.host, me.client_port, "POST", "/v3/maintenance/status", "{}", {}, timeout, client_tls()});
  if (!status) return view;
  const json doc = json::parse(status->body, nullptr, false);
  if (!doc.is_object()) return view;
  // 64-bit numbers are strings in etcd's JSON (protobuf's JSON mapping).
  view.version = doc.value("version", "");
  const auto header = doc.find("header");
  view.leader = header != doc.end() && header->value("member_id", "a") == doc.value("leader", "b");
  return view;
}

View Cluster::observe(Duration timeout) const {
  View view;
  for (std::size_t i = 0; i < plan_.etcds.size(); ++i)
    view.etcds.push_back(look_at_etcd(i, timeout));
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) view.nodes.push_back(look_at(i, timeout));
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    if (view.nodes[i].role != "primary") continue;
    auto holds_lock = rest(i, "GET", "/leader", {}, timeout);
    if (!holds_lock || holds_lock->status != 200) continue;
    // The founder writes the configuration last, when its roles are made: before that it leads, but
    // nobody can log in.
    auto founded = rest(i, "GET", "/config", {}, timeout);
    if (!founded || founded->status != 200) continue;
    view.leader = i;
    view.synchronous = is_synchronous(founded->body);
  }
  for (const auto& name : doors()) view.doors.push_back(look_at_door(name, timeout));
  view.trouble = trouble_of(view);
  return view;
}

std::optional<std::size_t> Cluster::leader() const {
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) {
    if (!agent(i)) continue;
    auto reply = rest(i, "GET", "/primary", {}, milliseconds(700));
    if (reply && reply->status == 200) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> Cluster::etcd_leader() const {
  for (std::size_t i = 0; i < plan_.etcds.size(); ++i) {
    if (look_at_etcd(i, milliseconds(500)).leader) return i;
  }
  return std::nullopt;
}

Result<LeaderKey> Cluster::leader_key(Duration timeout) const {
  const std::string key = base64(fmt::format("/service/{}/leader", plan_.scope));
  Result<LeaderKey> answer = fail(Code::unavailable, "no etcd member answers");
  for (const auto& me : plan_.etcds) {
    auto reply = rest_call({me.host,
                            me.client_port,
                            "POST",
                            "/v3/kv/range",
                            fmt::format(R"({{"key":"{}","serializable":true}})", key),
                            {},
                            timeout,
                            client_tls()});
    if (!reply || reply->status != 200) continue;
    const json doc = json::parse(reply->body, nullptr, false);
    if (!doc.is_object()) continue;
    const auto kvs = doc.find("kvs");
    if (kvs == doc.end() || !kvs->is_array() || kvs->empty()) return LeaderKey{};
    auto value = from_base64(kvs->at(0).value("value", ""));
    if (!value) return fail(value.error());
    return LeaderKey{std::move(*value), std::atoll(kvs->at(0).value("mod_revision", "0").c_str())};
  }
  return answer;
}

Status Cluster::wait_etcd_healthy(Duration timeout) const {
  const Instant until = runtime::now() + timeout;
  for (;;) {
    std::string bad;
    for (std::size_t i = 0; i < plan_.etcds.size(); ++i) {
      const auto view = look_at_etcd(i, milliseconds(700));
      if (!view.healthy && bad.empty()) {
        bad = fmt::format("{} {}", view.name, view.alive ? "is not healthy" : "has ended");
      }
      if (!view.alive) {
        return fail(Code::unavailable, fmt::format("{} has ended", view.name),
                    fmt::format("See {}.", log_of(view.name).string()));
      }
    }
    if (bad.empty()) return {};
    if (runtime::now() >= until) {
      return fail(Code::timeout, fmt::format("{} after {:.0f} s", bad, to_seconds(timeout)),
                  fmt::format("See {}.", (plan_.dir / "log").string()));
    }
    nap(kPollEvery);
  }
}

Status Cluster::wait_healthy(Duration timeout, const std::function<void(const View&)>& each) const {
  const Instant until = runtime::now() + timeout;
  for (;;) {
    const View view = observe();
    if (each) each(view);
    if (view.healthy()) return {};
    const auto lives = [](const NodeView& n) { return n.agent_alive; };
    if (std::none_of(view.nodes.begin(), view.nodes.end(), lives)) {
      return fail(Code::unavailable, "all agents have ended",
                  fmt::format("See {}.", (plan_.dir / "log").string()));
    }
    if (runtime::now() >= until) {
      return fail(Code::timeout,
                  fmt::format("not healthy after {:.0f} s: {}", to_seconds(timeout), view.trouble),
                  fmt::format("See {}.", (plan_.dir / "log").string()));
    }
    nap(kPollEvery);
  }
}

}  // namespace aurum::stack
