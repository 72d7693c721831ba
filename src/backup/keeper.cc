#include "backup/keeper.h"

#include <algorithm>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "backup/locked_run.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace asio = boost::asio;
using runtime::use_task;

namespace {

constexpr auto kTick = std::chrono::seconds(2);
constexpr auto kLook = std::chrono::milliseconds(200);
constexpr Duration kCall = seconds(3);

std::string host_of(const model::LocalConfig& config) {
  const auto& backup = *config.aurum.backup;
  if (backup.tls_cert_file.empty()) return {};
  if (!backup.tls_host.empty()) return backup.tls_host;
  const auto address = model::parse_url_host(config.pg.connect_address);
  return address ? address->host : std::string();
}

BackupNode own_node(const model::LocalConfig& config) {
  const auto node = conf_node(config);
  return {.host = host_of(config),
          .tls_port = config.aurum.backup->tls_port,
          .data_dir = node.data_dir,
          .socket_dir = node.socket_dir,
          .user = node.user,
          .port = node.port};
}

bool has_repository_host(const model::BackupConfig& backup) {
  return std::ranges::any_of(backup.repositories, [](const auto& r) { return !r.host.empty(); });
}

}  // namespace

Keeper::Keeper(KeeperSetting setting, dcs::Store& store, runtime::Logger& log)
    : setting_(std::move(setting)),
      store_(store),
      log_(log),
      timer_(setting_.executor),
      server_(setting_.executor, setting_.program, log),
      trials_(setting_, store, log) {}

void Keeper::spawn(const std::string& name, Task<void> task) {
  if (!busy_.emplace(name, true).second) return;
  asio::co_spawn(setting_.executor, std::move(task), [this, name](std::exception_ptr error) {
    busy_.erase(name);
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      log_.error("backup", fmt::format("unexpected, in {}: {}", name, e.what()));
    }
  });
}

Task<void> Keeper::run() {
  while (!stopped_) {
    tick();
    timer_.expires_after(kTick);
    auto [ec] = co_await timer_.async_wait(use_task);
    (void)ec;  // hurried or not: look
  }
}

void Keeper::reconfigure() {
  conf_stale_ = true;
  published_.clear();
  timer_.cancel();
}

void Keeper::stop() {
  stopped_ = true;
  if (run_cancel_) run_cancel_->emit(asio::cancellation_type::terminal);
  trials_.stop();
  server_.stop();
}

void Keeper::tick() {
  const AgentView view = setting_.look();
  if (view.config == nullptr || !view.config->aurum.backup) return;
  if (view.cluster == nullptr) return;
  publish_node(view);
  follow_topology(view);
  watch(view);
  // What runs under one leader cannot end under another: begin anew at once instead of failing
  // hours later.
  const auto leader = view.cluster->leader_name();
  if (run_cancel_ && view.fresh &&
      (view.keys.restoring || (!leader.empty() && leader != run_leader_)))
    run_cancel_->emit(asio::cancellation_type::terminal);
  consider_run(view);
  trials_.consider(view, sources(view, RunKind::restore_test));
}

// pgbackrest.conf as the roles are
// --------------------------------------------------------------------------------------------

void Keeper::publish_node(const AgentView& view) {
  const auto node = own_node(*view.config);
  const auto known = view.keys.nodes.find(view.config->name);
  if (known != view.keys.nodes.end() && known->second == node) return;
  if (!view.fresh) return;
  spawn("publish", publish(std::string(kNodesKey) + view.config->name, encode(node)));
}

Task<void> Keeper::publish(std::string key, std::string value) {
  model::Txn txn;
  txn.then.push_back({.key = std::move(key), .value = std::move(value)});
  const auto done = co_await store_.txn(std::move(txn), kCall);
  if (!done) log_.debug("backup", "cannot publish this node: " + done.error().text());
}

void Keeper::follow_topology(const AgentView& view) {
  std::vector<ConfPeer> peers;
  const auto leader = view.cluster->leader_name();
  for (const auto& [name, node] : view.keys.nodes) {
    if (name == view.config->name || node.host.empty() || view.cluster->member(name) == nullptr)
      continue;
    peers.push_back({.host = node.host,
                     .data_dir = node.data_dir,
                     .port = node.port,
                     .socket_dir = node.socket_dir,
                     .user = node.user,
                     .tls_port = node.tls_port,
                     .is_source = name == leader && !view.leads});
  }
  const bool has_tls = !view.config->aurum.backup->tls_cert_file.empty();
  if (!has_tls) peers.clear();
  // A moment without a leader changes nothing: nobody makes a backup then.
  const bool known = peers_ && leader.empty() && peers.size() == peers_->size();
  if (conf_stale_ || (!known && peers_ != peers)) spawn("conf", write_conf(std::move(peers)));
  if (has_tls && peers_) server_.keep(*view.config);
}

Task<void> Keeper::write_conf(std::vector<ConfPeer> peers) {
  const model::LocalConfig config = *setting_.look().config;
  conf_stale_ = false;
  auto written = co_await runtime::in_pool(
      pool_, [&config, &peers] { return write_pgbackrest_conf(config, peers); });
  const std::string error = written ? "" : written.error().text();
  if (!error.empty() && error != conf_error_) log_.error("backup.conf", error);
  conf_error_ = error;
  if (written) peers_ = std::move(peers);
}

// The scheduler
// --------------------------------------------------------------------------------------------

ClusterNow Keeper::cluster_now(const AgentView& view) const {
  const auto& facts = *view.facts;
  ClusterNow out{.now = runtime::wall_now_s()};
  // Nothing is known of a cluster that is being made.
  if (!facts.accepting || !view.cluster->initialize ||
      *view.cluster->initialize != facts.system_identifier)
    return out;
  out.system_identifier = facts.system_identifier;
  out.version = std::to_string(facts.server_version / 10'000);
  return out;
}

std::vector<Source> Keeper::sources(const AgentView& view, RunKind kind) const {
  std::vector<Source> out;
  const auto& cluster = *view.cluster;
  const auto* leader = cluster.leader_member();
  if (leader == nullptr) return out;
  const auto leader_node = view.keys.nodes.find(leader->name);
  const bool leader_reached =
      leader_node != view.keys.nodes.end() && !leader_node->second.host.empty();
  for (const auto& [name, member] : cluster.members) {
    Source source{.name = name, .leader = name == leader->name};
    source.position = member.xlog_location.value_or(model::Lsn{});
    source.synchronous =
        std::ranges::find(cluster.sync.members, name) != cluster.sync.members.end();
    const auto node = view.keys.nodes.find(name);
    const bool running = member.state == model::PgState::running;
    const bool ours = node != view.keys.nodes.end() && running;
    const bool follows =
        member.replication_state == "streaming" && member.timeline == leader->timeline;
    const bool reaches =
        leader_reached && node != view.keys.nodes.end() && !node->second.host.empty();
    source.able = ours && (source.leader || !is_backup(kind) || (follows && reaches));
    source.comes = !source.able && !source.leader && reaches;
    out.push_back(std::move(source));
  }
  return out;
}

/// What is due when it is this node's turn.
std::optional<Due> Keeper::due_here(const AgentView& view) {
  const auto& schedule = view.config->aurum.backup->schedule;
  const auto due = due_run(schedule, view.config->scope, view.keys.state, cluster_now(view));
  if (!due || view.keys.lock || view.keys.restoring) {
    due_since_.reset();
    return std::nullopt;
  }
  const Instant now = runtime::now();
  if (!due_since_ || due_kind_ != due->kind) due_since_ = now;
  due_kind_ = due->kind;
  const auto waited = std::chrono::duration_cast<seconds>(now - *due_since_).count();
  const auto order =
      source_order(schedule, sources(view, due->kind), due->kind, view.keys.state, waited);
  const auto me = std::ranges::find(order, view.config->name);
  if (me == order.end() || waited < (me - order.begin()) * kTurn_s) return std::nullopt;
  return due;
}

void Keeper::consider_run(const AgentView& view) {
  if (stopped_ || is_busy("run") || !view.fresh || view.facts == nullptr || !peers_) return;
  if (has_repository_host(*view.config->aurum.backup)) {
    if (!std::exchange(host_told_, true))
      log_.info("backup", "backups are made on the repository's host, by its own schedule");
    return;
  }
  if (const auto due = due_here(view)) begin_run(view, *due);
}

void Keeper::begin_run(const AgentView& view, Due due) {
  run_leader_ = view.cluster->leader_name();
  run_cancel_ = std::make_shared<asio::cancellation_signal>();
  busy_.emplace("run", true);
  // The signal lives as long as the coroutine that may look at its slot.
  auto ended = [this, cancel = run_cancel_](std::exception_ptr) {
    busy_.erase("run");
    run_cancel_.reset();
  };
  asio::co_spawn(setting_.executor, do_run(due, view.keys.state),
                 asio::bind_cancellation_slot(run_cancel_->slot(), ended));
}

Task<void> Keeper::until_no_run() {
  asio::steady_timer timer(setting_.executor);
  for (;;) {
    const AgentView view = setting_.look();
    if (stopped_ || (view.fresh && !view.keys.lock && !is_busy("run"))) co_return;
    timer.expires_after(kLook);
    auto [ec] = co_await timer.async_wait(use_task);
    if (ec) co_return;
  }
}

Task<void> Keeper::do_run(Due due, ClusterBackups seen) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const AgentView view = setting_.look();
  const model::LocalConfig config = *view.config;
  const std::string name(to_string(due.kind));
  LockedRun what{.kind = due.kind,
                 .node = config.name,
                 .program = setting_.program,
                 .folder = setting_.run_dir,
                 .ttl = std::max<Duration>(view.ttl, kLeastLockTtl)};
  const auto cluster = cluster_now(view);
  if (is_backup(due.kind))
    what.still_due = [&, kind = due.kind](const ClusterBackups& state) {
      ClusterBackups without = state;  // this run itself is no reason
      without.running.reset();
      without.failures = 0;
      if (!state.recent.empty() && state.recent.back().interrupted) return true;
      const auto again = due_run(config.aurum.backup->schedule, config.scope, without, cluster);
      return again && again->kind <= kind;
    };
  what.on_begin = [&] { log_.info("backup", fmt::format("backup: {} begins on this node", name)); };
  auto run = co_await run_locked(store_, config, std::move(seen), std::move(what));
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  due_since_.reset();
  if (!run) {
    log_.debug("backup", fmt::format("backup: no {}: {}", name, run.error().text()));
  } else if (!run->ok()) {
    log_.error("backup", fmt::format("backup: {} FAILED: {}", name, run->error));
  } else {
    log_.info("backup", fmt::format("backup: {} {} done in {} s", name, run->label,
                                    run->ended - run->started));
  }
}

}  // namespace aurum::backup
