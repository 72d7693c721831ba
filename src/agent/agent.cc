#include "agent/agent.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "agent/guard_launcher.h"
#include "agent/preflight.h"
#include "agent/rest_tls.h"
#include "agent/startup.h"
#include "backup/archive.h"
#include "backup/pgbackrest_conf.h"
#include "base/version.h"
#include "dcs/etcd_store.h"
#include "dcs/etcd_version.h"
#include "fence/protocol.h"
#include "fence/run_dir.h"
#include "model/passwords.h"
#include "runtime/clock.h"
#include "runtime/random.h"

namespace aurum::agent {

namespace asio = boost::asio;
using runtime::Task;
using runtime::use_task;

namespace {

/// A store that is away is spoken of this often, and asked every second.
constexpr Duration kTellEvery = seconds(4);
constexpr Duration kGuardGrace{
    0};  // without a commit fence the kill itself must come at the deadline

constexpr Duration kFormerAgentEnds = seconds(5);
/// By it an agent that asks whether another one of its name answers knows its own voice.
constexpr const char* kInstanceHeader = "X-Aurum-Instance";

core::Identity identity() { return {std::string(kAurumVersion), std::string(kPatroniVersion)}; }

net::HttpServerOptions server_options(const model::RestConfig& rest) {
  net::HttpServerOptions options;
  options.listen = rest.listen;
  options.tls = rest_server_tls(rest);
  return options;
}

}  // namespace

Agent::Agent(AgentOptions options, model::LocalConfig config, std::unique_ptr<runtime::Logger> log)
    : options_(std::move(options)),
      log_(std::move(log)),
      config_(config),
      core_(std::move(config), identity()),
      router_(io_.get_executor(), *log_) {
  router_.reconfigure(config_);
}

Agent::~Agent() = default;

int Agent::run() {
  watch_signals();
  if (options_.manager.listens()) asio::co_spawn(io_, service_loop(), asio::detached);
  asio::co_spawn(io_, start(), [this](std::exception_ptr error) {
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      finish(1, std::string("unexpected: ") + e.what());
    }
  });
  io_.run();
  log_->drain(seconds(1));
  return exit_code_.value_or(1);
}

void Agent::watch_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.add(SIGHUP);
  signals_.async_wait([this](boost::system::error_code ec, int signo) {
    if (ec) return;
    signals_.clear();
    watch_signals();
    if (signo == SIGHUP) return reload();
    log_->info("signal", fmt::format("received signal {}", signo));
    options_.manager.stopping();
    if (backups_) backups_->stop();
    if (!joined_) return leave(0, "stopped before it had begun");
    post(core::StopRequested{});
  });
}

Task<void> Agent::start() {
  store_ = make_store(io_.get_executor());
  watcher_ = std::make_unique<StoreWatcher>(
      *store_, io_.get_executor(), [this](core::Event e) { post(std::move(e)); }, *log_);
  const bool joined = co_await join_cluster();
  if (!joined || exit_code_) co_return;
  const Status guarded = co_await ready_postgres();
  if (!guarded) co_return finish(1, guarded.error().text());

  const Status listening = co_await open_rest();
  if (!listening) co_return leave(1, listening.error().text());
  joined_ = true;
  if (!options_.manager.is_ready()) options_.manager.ready();
  asio::co_spawn(io_, probe_loop(), asio::detached);
  asio::co_spawn(io_, certificate_loop(), asio::detached);
  asio::co_spawn(io_, room_loop(), asio::detached);
  asio::co_spawn(io_, peer_loop(), asio::detached);
  co_await watcher_->refresh(seconds(5));  // the cluster's own ttl before the first lease is taken
  keeper_->hold(core_.state().timing.ttl);
  asio::co_spawn(io_, watcher_->run(std::max<Duration>(core_.state().timing.ttl / 4, seconds(1))),
                 asio::detached);
  keep_backups();
}

std::unique_ptr<dcs::Store> Agent::make_store(asio::any_io_executor executor) {
  return dcs::make_etcd_store(std::move(executor), config_.etcd,
                              model::base_path(config_.ns, config_.scope), *log_);
}

/// What a request may ask for, and the mode that this member knew when it last wrote its
/// configuration down. Once, after ready_postgres().
Task<Status> Agent::ready_api() {
  if (api_) co_return Status{};
  auto instance = runtime::random_word(16);
  if (!instance) co_return fail(instance.error());
  instance_ = std::move(*instance);
  auto hand_over = [this](core::Event event) {
    asio::post(io_, [this, event = std::move(event)]() mutable { post(std::move(event)); });
  };
  keeper_ = std::make_unique<LeaseKeeper>(
      config_.name, *page_,
      [this](asio::any_io_executor executor) { return make_store(std::move(executor)); }, hand_over,
      *log_);
  auto kept = co_await postgres_->load_dynamic_config();
  if (kept)
    post(core::KeptConfig{std::move(*kept)});
  else if (kept.error().code != Code::not_found)
    log_->warn("config.kept", kept.error().text());
  api_ = std::make_unique<api::Api>(*this, api::ApiOptions{.identity = identity()});
  co_return Status{};
}

/// From here on this member promises (POST /failsafe). Tried again where its port is taken.
Task<Status> Agent::open_rest() {
  if (server_) co_return Status{};
  auto ready = co_await ready_api();
  if (!ready) co_return ready;
  server_ = std::make_unique<net::HttpServer>(
      io_.get_executor(), server_options(config_.rest),
      [this](net::HttpRequest r) { return handle(std::move(r)); }, *log_);
  auto listening = co_await server_->start();
  if (!listening) server_.reset();
  co_return listening;
}

Task<net::HttpResponse> Agent::handle(net::HttpRequest request) {
  heard_itself_ |= request.header(kInstanceHeader) == instance_;
  return api_->handle(std::move(request));
}

Task<Status> Agent::reach_guard(Duration timeout) {
  fence::GuardClient::Events events;
  events.on_exited = [this](int pid, std::string how) { server_exited(pid, std::move(how)); };
  events.on_lost = [this] {
    if (!leaving_) asio::co_spawn(io_, revive_guard(), asio::detached);
  };
  auto client = co_await fence::GuardClient::connect(run_dir_, timeout, std::move(events));
  if (!client) co_return fail(client.error());
  launcher_->use(std::move(*client));
  co_return Status{};
}

/// A former agent of this member may take a moment to end.
Task<Status> Agent::own_run_dir() {
  asio::steady_timer pause(io_);
  for (const Instant begun = runtime::now();;) {
    auto lock = fence::RunDirLock::take(run_dir_);
    if (lock) {
      run_dir_lock_.emplace(std::move(*lock));
      co_return Status{};
    }
    if (lock.error().code != Code::exists || runtime::now() - begun > kFormerAgentEnds)
      co_return fail(lock.error());
    pause.expires_after(std::chrono::milliseconds(100));
    auto [ec] = co_await pause.async_wait(use_task);
    (void)ec;
  }
}

Task<Status> Agent::connect_guard() {
  auto dir = run_dir_of(config_);
  if (!dir) co_return fail(dir.error());
  run_dir_ = dir->path;
  if (!dir->warning.empty()) log_->warn("run_dir", dir->warning);
  auto owned = co_await own_run_dir();
  if (!owned) co_return fail(owned.error());
  launcher_ = std::make_unique<GuardLauncher>();
  auto reached = co_await reach_guard(milliseconds(200));
  if (reached) {
    log_->info("guard", fmt::format("found the guard of a former run in {}", run_dir_.string()));
  } else {
    auto spawned = co_await fence::spawn_guard(run_dir_, options_.program, kGuardGrace, seconds(5));
    if (!spawned) co_return fail(spawned.error().within("guard"));
    reached = co_await reach_guard(seconds(5));
    if (!reached) co_return fail(reached.error().within("guard"));
    log_->info("guard", fmt::format("started the guard in {}", run_dir_.string()));
  }
  auto page = fence::LeasePageMap::open(run_dir_ / fence::kPageName, false);
  if (!page) co_return fail(page.error());
  page_.emplace(std::move(*page));
  co_return Status{};
}

/// pgBackRest's file, and the commands that PostgreSQL archives and fetches WAL by. Without the
/// file PostgreSQL runs on, and archiving fails loudly: no reason to leave a cluster without a
/// member.
void Agent::adopt_backup() {
  if (!config_.aurum.backup) return;
  if (!backups_) {  // later it follows the roles
    const auto written = backup::write_pgbackrest_conf(config_, {});
    if (!written) log_->error("backup", written.error().text());
  }
  auto commands = backup::archive_commands(*config_.aurum.backup, options_.program, run_dir_);
  config_.pg.archive_command = std::move(commands.archive_command);
  config_.pg.restore_command = std::move(commands.restore_command);
  // The method `pgbackrest` of create_replica_methods, unless the user has one of that name.
  if (config_.pg.methods.find("pgbackrest") != nullptr || options_.config_path.empty()) return;
  std::error_code ec;
  const auto config_file = std::filesystem::absolute(options_.config_path, ec);
  const auto& methods = config_.pg.create_replica_methods;
  const auto own = std::ranges::find(methods, "pgbackrest");
  const bool has_other = own != methods.end() && std::next(own) != methods.end();
  model::Value method = model::Value::object();
  method.set("command", fmt::format("'{}' restore --as-replica{} -c '{}' --data-dir '{}'",
                                    options_.program, has_other ? " --unless-slower" : "",
                                    config_file.string(), config_.pg.data_dir.string()));
  method.set("no_params", true);
  config_.pg.methods.set("pgbackrest", std::move(method));
}

/// The guard, and with it PostgreSQL, which may be running since before us.
Task<Status> Agent::ready_postgres() {
  if (postgres_) co_return Status{};
  auto guarded = co_await connect_guard();
  if (!guarded) co_return guarded;
  adopt_backup();
  postgres_ = std::make_unique<pg::Postgres>(io_.get_executor(), pool_, config_, *launcher_, *log_);
  postgres_->use_lease_page(run_dir_ / fence::kPageName);
  postgres_->before_clean_stop([this] { return hold_clients(); });
  callbacks_ = std::make_unique<pg::Callbacks>(io_.get_executor(), config_, *log_);
  co_return Status{};
}

/// Waits for the store; false when this node has no place in the cluster, after finish(). Nothing
/// is touched before: another agent of our name may be at work here (PATRONI_COMPAT §5.1).
Task<bool> Agent::join_cluster() {
  asio::steady_timer pause(io_);
  std::optional<Instant> told;
  for (;;) {
    auto cluster = co_await read_cluster();
    if (exit_code_) co_return false;
    if (cluster) {
      const bool fits = co_await fits_into(*cluster);
      if (fits) co_await warn_of_old_etcd();
      co_return fits;
    }
    if (cluster.error().code == Code::permission) {
      finish(1, cluster.error().text());
      co_return false;
    }
    if (!told || runtime::now() - *told >= kTellEvery) {
      told = runtime::now();
      log_->warn("dcs.wait", "waiting on etcd: " + cluster.error().text());
    }
    // The service runs, and is to be left in peace: an etcd that is away is no failed start.
    options_.manager.status("waiting on etcd");
    if (!options_.manager.is_ready()) options_.manager.ready();
    const Status standing = co_await stand_without_store();
    if (!standing) log_->error("start", standing.error().text());
    pause.expires_after(std::chrono::seconds(1));
    auto [ec] = co_await pause.async_wait(use_task);
    (void)ec;
  }
}

/// While the store is away a server left behind by a former agent has a guard, and whoever leads in
/// failsafe mode has an answer.
Task<Status> Agent::stand_without_store() {
  if (server_) co_return Status{};
  auto guarded = co_await ready_postgres();
  if (!guarded) co_return guarded;
  const auto facts = co_await postgres_->probe(seconds(2));
  if (facts.process_alive) {
    auto adopted = co_await launcher_->adopt(facts.pid);
    if (!adopted) log_->error("guard", adopted.error().within("adopting PostgreSQL").text());
  }
  co_return co_await open_rest();
}

/// Refuses to run beside another agent of the same name, or where the others could not reach us.
Task<bool> Agent::fits_into(const model::ClusterView& cluster) {
  for (const auto& finding : check_advertised(config_, cluster)) {
    if (finding.level == model::Finding::Level::error) {
      finish(1, finding.text());
      co_return false;
    }
    log_->warn("config", finding.text());
  }
  const model::Member* same = cluster.member(config_.name);
  if (same == nullptr || same->api_url.empty()) co_return true;
  const bool answers =
      co_await peers_.answers(same->api_url, seconds(3), {{kInstanceHeader, instance_}});
  if (!answers || heard_itself_) co_return true;
  finish(1, fmt::format("Can't start; there is already a node named '{}' running (hint: it answers "
                        "at {}; give each member a name of its own)",
                        config_.name, same->api_url));
  co_return false;
}

Task<void> Agent::warn_of_old_etcd() {
  const auto version = co_await store_->server_version(seconds(2));
  if (!version) co_return;
  if (const auto warning = dcs::etcd_version_warning(*version); !warning.empty())
    log_->warn("etcd.version", warning);
}

void Agent::leave(int code, std::string why) {
  exit_ = core::Exit{code, std::move(why)};
  leave();
}

void Agent::leave() {
  if (std::exchange(leaving_, true)) return;
  asio::co_spawn(io_, end_guard(), [this](std::exception_ptr) { finish(exit_->code, exit_->why); });
}

/// Without a server nobody needs the guard, and a service manager that stops us waits for it too.
Task<void> Agent::end_guard() {
  if (!postgres_) co_return;
  auto facts = core_.state().facts;
  if (!facts) facts = co_await postgres_->probe(seconds(1));
  if (facts->process_alive || facts->probe_timed_out) co_return;
  auto ended = co_await launcher_->end(seconds(2));
  if (!ended) log_->info("guard", "the guard stays: " + ended.error().text());
}

void Agent::finish(int code, const std::string& why) {
  if (finishing_) return;
  finishing_ = true;
  exit_code_ = code;
  if (code == 0)
    log_->info("exit", why);
  else
    log_->log(runtime::Level::critical, "exit", why);
  if (keeper_) keeper_->stop();
  io_.stop();
}

void Agent::post(core::Event event) {
  queue_.push_back(std::move(event));
  pump();
}

void Agent::pump() {
  if (pumping_) return;  // an effect of the step under way: its turn comes next
  pumping_ = true;
  for (std::size_t i = 0; i < queue_.size() && !finishing_; ++i) {
    const core::Event event = std::move(queue_[i]);
    step(event);
  }
  queue_.clear();
  pumping_ = false;
}

void Agent::step(core::Event event) {
  if (!pumping_) return post(std::move(event));
  last_cycle_ = runtime::now();
  const auto effects = core_.step({last_cycle_, runtime::wall_now(), std::move(event)});
  for (const auto& effect : effects) {
    std::visit([this](const auto& e) { run(e); }, effect);
    if (finishing_) return;
  }
  tell_router();
}

// api::Node
// ----------------------------------------------------------------------------------------------------------

api::NodeView Agent::view() const {
  const core::State& s = core_.state();
  const Instant now = runtime::now();
  api::NodeView v;
  v.config = &config_;
  v.dynamic = &s.dynamic;
  static const model::ClusterView kNothing;
  v.cluster = s.view ? &*s.view : &kNothing;
  if (s.facts) v.facts = *s.facts;
  v.state = s.pg_state;
  v.role = s.role;
  v.is_leader = s.is_leader_now(now);
  v.dcs_fresh = s.dcs_fresh(now);
  v.cluster_unlocked = !v.dcs_fresh || !s.view->leader;
  v.failsafe_active = core_.in_failsafe();
  v.joined = joined_;
  v.peers_linked = peers_.linked(others());
  v.watchdog_failed = !core_.watchdog_trouble().empty();
  v.paused = s.dynamic.pause;
  const Duration age = now - s.view_at;
  v.dcs_last_seen_epoch_s = s.view ? runtime::wall_now_s() - to_ms(age) / 1000 : 0;
  v.loop_alive = now - last_cycle_ < s.timing.ttl;
  if (s.scheduled_restart) v.scheduled_restart = s.scheduled_restart->request.raw;
  v.running_action = core_.running_action();
  if (s.job) v.progress = s.job->progress;
  v.effective_tags = s.tags;
  v.epoch = s.lead.epoch;
  v.phases = s.phases;
  v.certificates = certificates_.views();
  v.disk = s.disk;
  v.disk_level = s.disk_level;
  v.development = model::is_development(options_.env);
  if (v.is_leader) {
    v.lease_remaining_s = to_seconds(s.lead.deadline - now);
    v.lease_span_s = to_seconds(s.lead.beat ? s.lead.beat->fence : s.lead.valid_for);
  }
  return v;
}

Task<Result<model::ClusterView>> Agent::read_cluster() {
  auto keys = co_await store_->read(joined_ ? seconds(3) : seconds(1));
  if (!keys) co_return fail(keys.error());
  co_return model::decode_cluster(keys->revision, keys->keys);
}

Task<Result<model::TxnDone>> Agent::write(model::Txn txn) {
  auto done = co_await store_->txn(std::move(txn), seconds(3));
  co_return done;
}

Task<std::pair<int, std::string>> Agent::request(core::Request request) {
  request.id = next_request_++;
  const core::RequestId id = request.id;
  auto waiting =
      std::make_shared<WaitingReply>(WaitingReply{asio::steady_timer(io_), std::nullopt});
  waiting_[id] = waiting;
  waiting->timer.expires_after(seconds(core_.state().dynamic.primary_start_timeout_s + 60));
  post(std::move(request));
  if (!waiting->answer) {
    auto [ec] = co_await waiting->timer.async_wait(use_task);
    (void)ec;
  }
  waiting_.erase(id);
  co_return waiting->answer.value_or(std::pair<int, std::string>{503, "no answer in time"});
}

Task<std::optional<model::PeerStatus>> Agent::ask_peer(std::string api_url) {
  auto status = co_await peers_.status(std::move(api_url), seconds(2));
  if (!status) co_return std::nullopt;
  co_return *status;
}

void Agent::wake() { post(core::Tick{runtime::wall_now()}); }

void Agent::reload() {
  options_.manager.reloading();
  read_config_again();
  options_.manager.ready();
}

void Agent::read_config_again() {
  // There is nothing yet that could take it, only a wait for the store.
  if (!joined_)
    return log_->warn("reload",
                      "not read again: etcd was not reached yet (hint: restart the agent)");
  const model::Loaded loaded = model::load_config(options_.config_path, options_.env);
  for (const auto& finding : loaded.findings) log_->warn("config", finding.text());
  if (!loaded.config)
    return log_->error("reload", "the configuration has errors: the former one stays in force");
  if (loaded.config->name != config_.name || loaded.config->scope != config_.scope ||
      loaded.config->pg.data_dir != config_.pg.data_dir) {
    return log_->error(
        "reload",
        "name, scope and postgresql.data_dir can not change while running: nothing was changed");
  }
  config_ = *loaded.config;
  peers_.reload();
  adopt_backup();
  keep_backups();
  router_.reconfigure(config_);
  postgres_->reconfigure(config_);
  callbacks_->reconfigure(config_);
  const auto options = server_options(config_.rest);
  if (options.tls) {
    const Status renewed = server_->reload_tls(*options.tls);
    if (!renewed) log_->error("reload", renewed.error().text());
  }
  post(core::ConfigReloaded{config_});
}

}  // namespace aurum::agent
