#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/access.h"
#include "model/cron.h"
#include "model/disk.h"
#include "model/roles.h"
#include "model/value.h"

/// patroni.yml as values: local configuration (PATRONI_COMPAT §3.2), environment (§3.3), dynamic
/// configuration (§3.4).
namespace aurum::model {

/// One problem found in a configuration: where (dotted path), what, and what to do. Errors stop the
/// start, warnings are logged.
struct Finding {
  enum class Level { warning, error };
  Level level = Level::error;
  std::string path;     ///< "postgresql.listen"
  std::string message;  ///< "postgresql.listen: …" is how it is printed
  std::string hint;
  std::string text() const;
};

/// Environment handed in, so that tests need not change the process.
using Environment = std::map<std::string, std::string>;

/// A login of `postgresql.authentication`; the ssl… members go into connection strings as they are.
struct Login {
  std::string username;
  std::string password;
  std::map<std::string, std::string> options;  ///< sslmode, sslcert, …, in libpq's names
  /// Tried where `password` is refused: the file holds two while it is changed
  /// (model/secret_file.h). "" = there is no other.
  std::string other_password = {};
  friend bool operator==(const Login&, const Login&) = default;
};

struct TlsFiles {
  std::string certfile, keyfile, keyfile_password, cafile, ciphers;
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

struct RestConfig {
  std::string listen;           ///< "host:port"; host "", "*" = all
  std::string connect_address;  ///< default: listen
  std::string username, password;
  std::string other_password;  ///< likewise: of a caller it is as good as `password`
  TlsFiles tls;
  std::string verify_client = "none";  ///< none | optional | required
  std::vector<std::string> allowlist;
  bool allowlist_include_members = false;
  std::vector<std::pair<std::string, std::string>> http_extra_headers, https_extra_headers;
  std::string server_tokens = "original";
  friend bool operator==(const RestConfig&, const RestConfig&) = default;
};

struct CtlConfig {
  bool insecure = false;
  std::string username, password;
  std::string token;  ///< of an entry of `aurum.access`; "" = username and password are sent
  TlsFiles tls;       ///< cafile is `ctl.cacert`
  friend bool operator==(const CtlConfig&, const CtlConfig&) = default;
};

struct EtcdConfig {
  std::vector<std::string> hosts;  ///< "host:port"; never empty after a good load
  std::string protocol = "http";   ///< http | https
  std::string srv, srv_suffix;
  bool use_proxies = false;
  std::string username, password;
  std::string cacert, cert, key;
  friend bool operator==(const EtcdConfig&, const EtcdConfig&) = default;
};

struct LogConfig {
  std::string type = "plain";  ///< plain | json
  std::string level = "INFO";
  std::string format;  ///< "" = default
  std::string dateformat;
  Value static_fields;
  std::string dir;  ///< "": stdout
  std::int64_t file_size = 25'000'000;
  int file_num = 4;
  friend bool operator==(const LogConfig&, const LogConfig&) = default;
};

struct WatchdogConfig {
  std::string mode = "automatic";  ///< off | automatic | required
  std::string device = "/dev/watchdog";
  int safety_margin_s = 5;
  std::string driver = "default";
  friend bool operator==(const WatchdogConfig&, const WatchdogConfig&) = default;
};

struct PgConfig {
  std::string listen;  ///< "a,b:port"
  std::string connect_address, proxy_address;
  std::filesystem::path data_dir, config_dir, bin_dir;
  std::map<std::string, std::string> bin_name;
  std::string database = "postgres";
  std::string config_base_name = "postgresql";
  std::filesystem::path pgpass;
  Login superuser, replication, rewind;
  Value parameters, pg_hba, pg_ident, recovery_conf;  ///< local part, null when absent
  /// What archives and fetches WAL where the user set nothing of the kind; the agent fills them in
  /// when `aurum.backup` is there. "" = none.
  std::string archive_command, restore_command;
  std::string custom_conf;
  Value callbacks;
  std::string pre_promote, before_stop;
  std::vector<std::string> create_replica_methods;  ///< default {"basebackup"}
  Value methods;  ///< the whole `postgresql` map, for `postgresql.<method>.*` and `basebackup`
  bool use_unix_socket = false, use_unix_socket_repl = false;
  std::string krbsrvname;
  int pg_ctl_timeout_s = 60;
  /// Local values of settings that the dynamic configuration may hold too; unset = ask the dynamic
  /// one.
  std::optional<bool> use_pg_rewind, remove_data_directory_on_rewind_failure,
      remove_data_directory_on_diverged_timelines;

  std::string listen_addresses() const;
  int port() const;
  friend bool operator==(const PgConfig&, const PgConfig&) = default;
};

struct BootstrapConfig {
  bool present = false;
  Value dcs;  ///< initial dynamic configuration
  std::string method = "initdb";
  Value initdb;  ///< list or map of long options
  Value pg_hba;
  std::string post_bootstrap;
  Value methods;  ///< the whole section
  /// The section of a custom method (PATRONI_COMPAT §6.3); nullptr = initdb.
  const Value* custom_method() const {
    return method.empty() || method == "initdb" ? nullptr : methods.find(method);
  }
  bool is_custom() const { return !method.empty() && method != "initdb"; }
  friend bool operator==(const BootstrapConfig&, const BootstrapConfig&) = default;
};

/// The commit fence inside PostgreSQL (fence_extension/README.md).
struct FenceConfig {
  bool commit = true;  ///< loaded where it is installed
  bool reads = false;  ///< reads are refused as well
  int wait_s = 5;      ///< a commit behind the deadline waits so long before it is refused
  std::filesystem::path library;  ///< "" = aurum_fence.so as installed for the server
  friend bool operator==(const FenceConfig&, const FenceConfig&) = default;
};

/// Where pgBackRest keeps backups and WAL: one of `aurum.backup.repositories`.
struct BackupRepository {
  std::string type = "posix";  ///< posix | cifs | s3 | azure | gcs | sftp
  std::string path;
  /// A pgBackRest server that holds the repository, by TLS; what concerns the storage is then said
  /// in that host's own file. "" = this node reaches it itself.
  std::string host;
  int host_port = 0;  ///< 0 = pgBackRest's own default
  std::string host_config;
  bool bundle = false, block = false;
  std::string cipher_pass;  ///< "" = not encrypted, else AES-256
  /// 0 = not set. With retention_full_type "time", retention_full is in days.
  int retention_full = 0, retention_diff = 0, retention_archive = 0;
  std::string retention_full_type = "count";
  /// Any other option of pgBackRest without "repoN-": "s3-bucket". Secrets came from files.
  std::map<std::string, std::string> options;
  friend bool operator==(const BackupRepository&, const BackupRepository&) = default;
};

/// When the cluster is backed up, and by whom; an unset time = never by itself.
struct BackupSchedule {
  std::optional<Cron> full, diff, incr, verify;
  std::optional<Cron> restore_test;
  TimeZone zone;
  /// Each cluster begins later than its times say, by a part of this that follows from its name:
  /// many clusters that share a repository do not all come at once.
  int jitter_s = 0;
  /// A run whose time passed while nobody could do it: once as soon as possible, or not at all.
  bool catch_up = true;
  std::string from = "prefer-standby";  ///< or primary, or the name of a member
  friend bool operator==(const BackupSchedule&, const BackupSchedule&) = default;
};

/// How backups are proved, by hand and by the schedule.
struct RestoreTestConfig {
  std::string on;                ///< a member; "" = a replica that would not lead next
  std::filesystem::path dir;     ///< the scratch folder; default: restore-test in work_dir
  std::filesystem::path cgroup;  ///< entered by the test, with its limits; "" = none
  std::string database = "postgres";
  std::vector<std::string> checks;  ///< SQL that must answer true
  friend bool operator==(const RestoreTestConfig&, const RestoreTestConfig&) = default;
};

/// `aurum.backup`: what pgBackRest shall do for this cluster.
struct BackupConfig {
  std::string stanza;                  ///< default: the scope
  std::string program = "pgbackrest";  ///< searched in PATH when it has no '/'
  std::filesystem::path work_dir;      ///< our pgbackrest.conf, locks, spool, logs; beside data_dir
  std::filesystem::path include;       ///< the user's part of pgbackrest.conf; "" = none
  std::string compress = "lz4";
  std::optional<int> compress_level;
  int process_max = 1;
  bool archive_async = false;
  std::string tls_ca_file, tls_cert_file, tls_key_file;  ///< of this node, between pgBackRest hosts
  /// As this node's certificate calls it, and the others reach it; "" = as connect_address has it.
  std::string tls_host;
  std::string tls_listen = "*";  ///< address of `pgbackrest server` here
  int tls_port = 8432;
  /// How long PostgreSQL waits for pgBackRest, and how long while it is being stopped or promoted.
  int archive_push_timeout_s = 60, archive_get_timeout_s = 30, archive_stop_timeout_s = 3;
  std::vector<BackupRepository> repositories;  ///< never empty after a good load
  BackupSchedule schedule;
  RestoreTestConfig restore_test;

  std::filesystem::path config_file() const { return work_dir / "pgbackrest.conf"; }
  friend bool operator==(const BackupConfig&, const BackupConfig&) = default;
};

/// `aurum.routing`: who is told of a new leader before they find out themselves.
struct RoutingConfig {
  std::vector<std::string> haproxy;    ///< runtime sockets, as host:port
  std::string backend = "read-write";  ///< whose servers have the members' names
  std::vector<std::string> pgbouncer;  ///< their ordinary ports, as host:port
  std::string pgbouncer_user = "pgbouncer", pgbouncer_password;  ///< one of admin_users
  /// For both, where it is set: the authority of their certificates, and ours for HAProxy.
  std::string ca_file, cert_file, key_file;
  /// How long a handover waits for the transactions that are under way in PgBouncer.
  int pause_ms = 300;
  bool empty() const { return haproxy.empty() && pgbouncer.empty(); }
  friend bool operator==(const RoutingConfig&, const RoutingConfig&) = default;
};

/// The `aurum:` section; unknown keys in it are errors.
struct AurumConfig {
  std::string profile;  ///< "", fast | default | patroni
  std::filesystem::path
      run_dir;  ///< lease page and guard socket; must be on a tmpfs. "" = chosen by the agent
  FenceConfig fence;
  std::optional<BackupConfig> backup;
  RoutingConfig routing;
  DiskConfig disk;
  std::vector<AccessEntry> access;  ///< empty: whoever gets through restapi's checks is an admin
  friend bool operator==(const AurumConfig&, const AurumConfig&) = default;
};

struct LocalConfig {
  std::string name, scope, ns = "/service";
  LogConfig log;
  RestConfig rest;
  CtlConfig ctl;
  EtcdConfig etcd;
  BootstrapConfig bootstrap;
  PgConfig pg;
  WatchdogConfig watchdog;
  AurumConfig aurum;
  Value tags;  ///< as configured
  Value raw;   ///< the merged tree everything above was read from
};

/// A loaded configuration, or why it can not be used. `findings` holds warnings too.
struct Loaded {
  std::optional<LocalConfig> config;  ///< set only when no finding is an error
  std::vector<Finding> findings;
};

/// Who reads the file: ctl needs far less than the agent.
enum class ConfigUse { agent, ctl };

/// Reads `path` (a YAML file, a directory of them, or "" = environment only) and overlays
/// PATRONI_*.
Loaded load_config(const std::filesystem::path& path, const Environment& env,
                   ConfigUse use = ConfigUse::agent);
/// The same from text (tests, SIGHUP).
Loaded parse_config(std::string_view yaml, const Environment& env, ConfigUse use = ConfigUse::agent,
                    std::string_view file_name = "patroni.yml");

/// How the guard of a member is called: "<name>-<hash of data_dir>". A guard belongs to a data
/// directory, not to a name: two clusters of one user may use the same names.
std::string guard_name(std::string_view name, const std::filesystem::path& data_dir);

struct SlotConfig {
  std::string name;
  bool logical = false;
  std::string database, plugin;
  std::string cluster_type;  ///< "" | primary | standby
  friend bool operator==(const SlotConfig&, const SlotConfig&) = default;
};

struct StandbyCluster {
  std::string host, port, restore_command, primary_slot_name, archive_cleanup_command,
      recovery_min_apply_delay;
  std::vector<std::string> create_replica_methods;
  friend bool operator==(const StandbyCluster&, const StandbyCluster&) = default;
};

/// The dynamic configuration, defaults filled in and timeouts adjusted (§3.1, §3.4). Our smallest
/// ttl is 2 s.
struct DynamicConfig {
  std::int64_t ttl_s = 30, loop_wait_s = 10, retry_timeout_s = 10;
  std::int64_t maximum_lag_on_failover = 1'048'576;
  std::int64_t maximum_lag_on_syncnode = -1;
  std::int64_t max_timelines_history = 0;
  bool check_timeline = false;
  std::int64_t primary_start_timeout_s = 300, primary_stop_timeout_s = 0;
  /// Whether the user set primary_start_timeout; if not, the agent may choose (DESIGN §4).
  bool primary_start_timeout_set = false;
  SyncMode synchronous_mode = SyncMode::off;
  bool synchronous_mode_strict = false;
  int synchronous_node_count = 1;
  bool failsafe_mode = false;
  bool pause = false;
  std::int64_t member_slots_ttl_s = 1800;
  std::vector<SlotConfig> slots;
  Value ignore_slots;
  std::optional<StandbyCluster> standby_cluster;
  bool use_pg_rewind = false, use_slots = true;
  bool remove_data_directory_on_rewind_failure = false;
  bool remove_data_directory_on_diverged_timelines = false;
  Value postgresql;               ///< the `postgresql` map as it is: parameters, pg_hba, pg_ident,
                                  ///< recovery_conf, …
  std::vector<Finding> findings;  ///< adjusted or ignored values

  friend bool operator==(const DynamicConfig& a, const DynamicConfig& b);
};
DynamicConfig read_dynamic_config(const Value& tree);

/// Reads "host:port", "[v6]:port", "a,b:port".
struct ListenAddress {
  std::string hosts;
  int port = 0;
};
Result<ListenAddress> parse_listen(std::string_view text, int default_port);

/// "", "*", 0.0.0.0, ::, localhost, 127.x.y.z, ::1: an address that another host can not use to
/// reach us.
bool is_wildcard_or_loopback(std::string_view host);
/// "", "*", 0.0.0.0, ::.
bool is_wildcard(std::string_view host);

}  // namespace aurum::model
