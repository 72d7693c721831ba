#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "stack/account.h"
#include "stack/config.h"
#include "stack/door.h"
#include "stack/plan.h"
#include "stack/process.h"
#include "stack/rest.h"

namespace aurum::stack {

/// Parts of a database node that a fault can hit.
enum class Part {
  agent,     ///< the agent process alone
  postgres,  ///< the postmaster and all its children
  node       ///< everything: agent, guard, PostgreSQL, helpers such as pg_basebackup
};

struct NodeView {
  std::string name;
  bool agent_alive = false;
  bool postgres_alive = false;
  bool answers = false;  ///< REST answered
  std::string role;      ///< "primary", "replica", … as REST says; "" when it does not answer
  std::string state;     ///< "running", "streaming", "stopped", …
  int timeline = 0;
  std::uint64_t lsn = 0;    ///< written (primary) or replayed (replica)
  bool streaming = false;   ///< replica that says so itself
  std::size_t senders = 0;  ///< replicas streaming from it
  bool sync = false;        ///< synchronous standby
  std::string tag;          ///< "pending restart", "paused", …; "" = nothing to say
};

struct EtcdView {
  std::string name;
  bool alive = false;
  bool healthy = false;
  bool leader = false;
  std::string version;
};

struct DoorView {
  std::string name;  ///< "haproxy", "pgbouncer"
  bool alive = false;
  std::string primary;  ///< whom HAProxy sends writes to; "" = nobody, or several
};

struct View {
  std::vector<NodeView> nodes;
  std::vector<EtcdView> etcds;
  std::vector<DoorView> doors;
  std::optional<std::size_t> leader;  ///< the one node that answers as primary
  bool synchronous = false;           ///< synchronous_mode of the cluster's configuration
  /// Why the stack is not healthy, for people; "" = it is: every etcd member healthy, one primary,
  /// all others stream from it on its timeline, and where the cluster is synchronous at least one
  /// of them is so; and the doors lead to it.
  std::string trouble;
  bool healthy() const { return trouble.empty(); }
  bool anything_alive() const;
};

/// The keys of etcd a test or bench looks at, with the revision of their last change.
struct LeaderKey {
  std::string value;  ///< member name; "" = there is none
  std::int64_t mod_revision = 0;
};

/// A whole cluster of real processes on this machine. The object holds no process: it finds them by
/// pid file, data directory and environment, so any later object or command that opens the same
/// folder commands them too.
///
/// Folder: stack.json (the plan and our mark), secrets.json, pgpass, conf/NODE.yml, data/NODE
/// (PGDATA), secrets/NODE/, etcd/MEMBER, log/NAME.log, run/NAME.pid, bin/ (copies of programs the
/// account could not reach).
class Cluster {
 public:
  /// Makes the folder. Code::exists when it is not empty and not a stack.
  static Result<Cluster> create(Plan plan);
  /// Code::not_found when there is no stack in the folder.
  static Result<Cluster> open(const std::filesystem::path& dir);

  const Plan& plan() const { return plan_; }
  const Secrets& secrets() const { return secrets_; }
  void take_up_secrets();  ///< after `aurum secrets rotate`
  const Account& account() const { return account_; }
  std::filesystem::path log_of(const std::string& name) const {
    return plan_.dir / "log" / (name + ".log");
  }
  std::filesystem::path config_of(std::size_t node) const;
  std::filesystem::path data_of(std::size_t node) const;

  /// Writes configurations and password file anew and looks for every program; changes nothing that
  /// runs.
  Status prepare();
  /// The first port of ours held by somebody else, as an error that names the holder.
  Status check_ports() const;

  // Each start is a no-op for what already runs.
  Status start_etcd(std::size_t member);
  Status start_node(std::size_t node);
  /// SIGTERM, then SIGKILL at the deadline.
  Status stop_etcd(std::size_t member, Duration timeout = seconds(10));
  /// SIGTERM to the agent and waits until PostgreSQL is down as well; a server without agent gets a
  /// fast stop.
  Status stop_node(std::size_t node, Duration timeout = seconds(60));

  /// The doors that the plan has, by name.
  std::vector<std::string> doors() const;
  std::optional<ProcessId> door(const std::string& name) const;
  /// Starts it; one that runs takes up what has changed: servers, certificates.
  Status start_door(const std::string& name);
  Status start_doors();
  Status stop_door(const std::string& name, Duration timeout = seconds(10));
  bool kill_door(const std::string& name);
  /// Lets PgBouncer look roles up in the database; once, when there is a leader.
  Status open_lookup() const;
  /// libpq conninfo of a door, with the superuser's password; "" for Way::libpq.
  std::string door_conninfo(Way way, Access access = Access::read_write) const;

  bool kill_etcd(std::size_t member);
  bool freeze_etcd(std::size_t member);
  bool thaw_etcd(std::size_t member);
  /// SIGKILL, and waits for the end. False when there was nothing to kill.
  bool kill(std::size_t node, Part part);
  bool freeze(std::size_t node, Part part);  ///< SIGSTOP
  bool thaw(std::size_t node, Part part);    ///< SIGCONT
  std::vector<ProcessId> processes(std::size_t node, Part part) const;
  std::optional<ProcessId> agent(std::size_t node) const;
  std::optional<ProcessId> postmaster(std::size_t node) const;
  std::optional<ProcessId> etcd(std::size_t member) const;
  /// Kills everything of the stack at once, without order or grace.
  bool kill_everything();
  /// From its next start on this node has this agent, one of `Plan::agent`'s form.
  Status change_agent(std::size_t node, std::vector<std::string> command);
  /// Removes the data directory of a node that does not run; its agent clones it anew.
  Status wipe_node(std::size_t node);
  /// One more node, behind the others; start_node() has its agent clone the leader.
  Status add_node();
  /// Forgets a node that does not run, and removes its data. The later ones move up.
  Status remove_node(std::size_t node);

  View observe(Duration timeout = milliseconds(700)) const;
  std::optional<std::size_t> leader() const;
  std::optional<std::size_t> etcd_leader() const;
  Result<LeaderKey> leader_key(Duration timeout = milliseconds(300)) const;
  Status wait_etcd_healthy(Duration timeout) const;
  /// `each` hears every observation. The error says what was missing at the end.
  Status wait_healthy(Duration timeout, const std::function<void(const View&)>& each = {}) const;

  Result<RestReply> rest(std::size_t node, const std::string& method, const std::string& path,
                         const std::string& body = {}, Duration timeout = seconds(2)) const;
  /// POST /switchover away from the leader; returns when the agent has answered.
  Status switchover(const std::string& candidate = {});
  /// libpq conninfo of one node, with the superuser's password.
  std::string conninfo(std::size_t node) const;
  /// libpq conninfo over all nodes, first `first`, read-write only, with password.
  std::string write_conninfo(std::size_t first = 0) const;

  /// Where the guard of a node may have its folder, with the lease page (fence/run_dir.h).
  std::vector<std::filesystem::path> run_dirs(std::size_t node) const;
  /// Removes the folders of the guards of this scope from tmpfs; only while
  /// nothing runs.
  void remove_run_dirs() const;
  void remove_run_dirs(std::size_t node) const;
  /// Removes the folder. Refuses while something runs.
  Status destroy();

 private:
  Cluster(Plan plan, Account account) : plan_(std::move(plan)), account_(std::move(account)) {}
  Status own(const std::filesystem::path& path) const;
  Status write(const std::filesystem::path& file, const std::string& text) const;
  Status make_folders() const;
  Result<std::vector<std::string>> agent_command(std::size_t node) const;
  /// The program itself, or a copy in bin/ when the account cannot reach it (a checkout in /root).
  Result<std::string> reachable(const std::string& program) const;
  Status make_certificates() const;
  Status give_secrets(std::size_t node);
  std::optional<net::ClientTls> client_tls() const;
  std::string marker(std::size_t node) const;
  NodeView look_at(std::size_t node, Duration timeout) const;
  EtcdView look_at_etcd(std::size_t member, Duration timeout) const;
  std::vector<ProcessId> door_processes(const std::string& name) const;
  Result<std::string> write_door(const std::string& name) const;
  Status renew_haproxy(ProcessId id, bool same) const;
  DoorView look_at_door(const std::string& name, Duration timeout) const;

  Plan plan_;
  Account account_;
  Secrets secrets_;
  std::vector<std::vector<std::string>> agent_commands_;  ///< of each node; empty = not prepared
  std::string etcd_program_;
  Programs programs_;
};

}  // namespace aurum::stack
