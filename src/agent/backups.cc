// Backups beside the agent: what they are told of it, and what REST is told of them.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "agent/agent.h"
#include "runtime/clock.h"

namespace aurum::agent {

namespace asio = boost::asio;

/// From the start on, or from the reload on that brought aurum.backup.
void Agent::keep_backups() {
  if (backups_) return backups_->reconfigure();
  if (!config_.aurum.backup || !watcher_) return;
  // The program that it is handed to may work in another folder.
  std::error_code ec;
  std::filesystem::path file = options_.config_path;
  if (!file.empty()) file = std::filesystem::absolute(file, ec);
  backups_ = std::make_unique<backup::Keeper>(
      backup::KeeperSetting{.executor = io_.get_executor(),
                            .program = options_.program,
                            .config_file = std::move(file),
                            .run_dir = run_dir_,
                            .look = [this] { return backup_view(); }},
      *store_, *log_);
  asio::co_spawn(io_, backups_->run(), asio::detached);
}

backup::AgentView Agent::backup_view() const {
  const core::State& s = core_.state();
  const Instant now = runtime::now();
  backup::AgentView view;
  view.config = &config_;
  if (s.view) view.cluster = &*s.view;
  view.fresh = s.dcs_fresh(now);
  if (s.facts) view.facts = &*s.facts;
  view.leads = leads_and_writes();
  view.ttl = s.timing.ttl;
  view.keys = backup::decode_backup_keys(watcher_->keys_below("aurum_"));
  return view;
}

std::optional<model::Value> Agent::backups() const {
  if (!backups_) return std::nullopt;
  return backups_->document();
}

std::string Agent::backup_metrics() const { return backups_ ? backups_->metrics() : std::string(); }

}  // namespace aurum::agent
