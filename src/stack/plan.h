#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aurum::stack {

/// A database node: PostgreSQL and its agent.
struct NodePlan {
  std::string name;                ///< "node-1"
  std::string host = "127.0.0.1";  ///< numeric IPv4 address it listens on and is advertised by
  std::uint16_t postgres_port = 0;
  std::uint16_t rest_port = 0;
  std::string network_namespace;  ///< under /run/netns; "" = ours
  /// Another agent than the plan's, while a cluster moves from one to the other.
  std::optional<std::vector<std::string>> agent;
};

struct EtcdPlan {
  std::string name;  ///< "etcd-1"
  std::string host = "127.0.0.1";
  std::uint16_t client_port = 0;
  std::uint16_t peer_port = 0;
  std::string network_namespace;
};

/// HAProxy, and PgBouncer before it: addresses that lead to whoever is primary. Ports on `host`.
struct DoorPlan {
  std::string host = "127.0.0.1";
  std::uint16_t read_write = 0;  ///< HAProxy, to the primary
  std::uint16_t read_only = 0;   ///< HAProxy, to the replicas
  std::uint16_t statistics = 0;  ///< HAProxy's page, and its metrics
  std::uint16_t runtime = 0;     ///< where agents tell HAProxy of a new leader
  std::uint16_t pooler = 0;      ///< PgBouncer; 0 = there is none
};

/// What a stack is: everything `Cluster` needs to write its files and start its processes. Kept in
/// <dir>/stack.json, which also marks the folder as ours (`destroy` removes nothing without it).
struct Plan {
  std::filesystem::path dir;
  std::string scope = "aurum";
  std::vector<NodePlan> nodes;
  std::vector<EtcdPlan> etcds;
  /// Command of the agent; the configuration file is appended. Empty = our own program, `aurum
  /// agent`.
  std::vector<std::string> agent;
  int ttl = 5;                   ///< seconds; foreign agents want at least 20
  int loop_wait = 1;             ///< seconds
  int retry_timeout = 2;         ///< seconds
  std::string sync = "off";      ///< off | on | strict | quorum
  std::string postgres_bin_dir;  ///< "" = the newest under /usr/lib/postgresql, else PATH
  std::string etcd_bin_dir;      ///< "" = build/tools beside our program, else PATH
  std::string client_network = "127.0.0.1/32";  ///< pg_hba lets it in, with passwords
  /// A JSON object merged into every agent's configuration (RFC 7396): {"aurum": {"profile":
  /// "fast"}}.
  std::string overrides;
  bool failsafe = false;
  bool tls = false;     ///< on every link, with certificates of its own in <dir>/certs
  bool backup = false;  ///< a pgBackRest repository in <dir>/backups
  std::optional<DoorPlan> door;

  bool own_agent() const { return agent.empty(); }
  /// A file of a host's certificates; "ca.crt" is the authority's.
  std::string certificate(const std::string& host, const char* file) const {
    return (dir / "certs" / host / file).string();
  }
  const std::vector<std::string>& agent_of(std::size_t node) const {
    return nodes.at(node).agent ? *nodes.at(node).agent : agent;
  }
};

/// The words of an agent's command as `Plan::agent` has them; "aurum" is our own program.
std::vector<std::string> agent_words(const std::string& command);

/// Sets aurum.profile of every node: fast, default or patroni. Only our own agent has it.
Status set_profile(Plan& plan, const std::string& profile);

/// As benches name it: "aurum", "aurum@PROFILE" for our own with that aurum.profile, another's
/// command, which gets the shortest times Patroni allows, or "COMMAND@default" with its default
/// times. Sets ttl, loop_wait and retry_timeout too.
Status set_agent(Plan& plan, const std::string& name);

/// /var/lib/aurum-stack for root, else $XDG_DATA_HOME or ~/.local/share, below it aurum-stack.
/// $AURUM_STACK_DIR goes first.
std::filesystem::path default_dir();

/// Ports 5432.. (PostgreSQL), 8008.. (REST), 2379, 2381.. (etcd clients), 2380, 2382.. (etcd
/// peers). With a `port_base` N > 0: N.., N+10.., N+20, N+22.., N+21, N+23...
/// The door, if one is wanted: 5000, 5001, 8404, 9999, 6432 as in compose.yaml, or N+30 to N+34.
DoorPlan default_door(int port_base);
Result<Plan> default_plan(std::filesystem::path dir, int nodes = 3, int port_base = 0);

/// For tests and benches: ports that nobody has at this moment, all different.
Result<Plan> free_port_plan(std::filesystem::path dir, int nodes = 3, int etcds = 3);

/// loop_wait and retry_timeout for a time to live: the quickest that keep loop_wait +
/// 2·retry_timeout <= ttl (PATRONI_COMPAT §3.1), and the usual 10 and 10 from ttl 30 on.
void set_ttl(Plan& plan, int ttl_s);

/// One clear error for what cannot work (counts, ports twice, ttl < 2, an unknown sync mode).
Status check(const Plan& plan);

std::string to_json(const Plan& plan);
Result<Plan> plan_from_json(std::string_view text, std::filesystem::path dir);

/// `count` TCP ports free on 127.0.0.1, below the kernel's range for outgoing connections, so that
/// no client's connection takes one between now and its use.
Result<std::vector<std::uint16_t>> free_ports(std::size_t count);
/// Whether something listens on host:port (or it cannot be bound).
bool port_busy(const std::string& host, std::uint16_t port);

/// Full paths of the programs. Errors carry the package to install.
Result<std::string> own_program();
Result<std::string> find_etcd(const Plan& plan);
/// "haproxy", "pgbouncer": servers stand in sbin, where users do not look.
Result<std::string> find_server(const std::string& name);
/// PostgreSQL's are of the major version that the data is of, else the newest.
Result<std::string> find_postgres_bin_dir(const Plan& plan);
/// aurum_fence.so of the build that own_program() is of, for these programs of PostgreSQL; "" =
/// there is none.
std::string find_fence(const std::string& postgres_bin_dir);
/// First line of `program --version`; "" if it does not say.
std::string version_line(const std::string& program);
/// The number in it, as "3.5.30", "15.20"; "" if there is none.
std::string program_version(const std::string& program);

}  // namespace aurum::stack
