#include <algorithm>
#include <array>

#include "model/config_schema.h"

namespace aurum::model {
namespace {

using enum Kind;

constexpr auto kLocal = std::to_array<Key>({
    {"name", text},
    {"scope", text},
    {"namespace", text},
    {"thread_pool_size", integer},
    {"thread_stack_size", bytes},

    {"log.type", text},
    {"log.level", text},
    {"log.traceback_level", text},
    {"log.format", any},
    {"log.dateformat", text},
    {"log.static_fields", map},
    {"log.max_queue_size", integer},
    {"log.dir", text},
    {"log.file_num", integer},
    {"log.file_size", bytes},
    {"log.mode", any},
    {"log.loggers", map},
    {"log.deduplicate_heartbeat_logs", boolean},

    {"restapi.listen", text},
    {"restapi.connect_address", text},
    {"restapi.authentication.username", text},
    {"restapi.authentication.password", secret},
    {"restapi.certfile", text},
    {"restapi.keyfile", text},
    {"restapi.keyfile_password", secret},
    {"restapi.cafile", text},
    {"restapi.ciphers", text},
    {"restapi.verify_client", text},
    {"restapi.allowlist", text_list},
    {"restapi.allowlist_include_members", boolean},
    {"restapi.http_extra_headers", map},
    {"restapi.https_extra_headers", map},
    {"restapi.request_queue_size", integer},
    {"restapi.thread_pool_size", integer},
    {"restapi.server_tokens", text},

    {"ctl.insecure", boolean},
    {"ctl.authentication.username", text},
    {"ctl.authentication.password", secret},
    {"ctl.token", secret},
    {"ctl.cacert", text},
    {"ctl.certfile", text},
    {"ctl.keyfile", text},
    {"ctl.keyfile_password", secret},

#define AURUM_ETCD_KEYS(section)                                                               \
  {section ".host", text}, {section ".hosts", text_list}, {section ".port", any},              \
      {section ".url", text}, {section ".proxy", text}, {section ".srv", text},                \
      {section ".discovery_srv", text}, {section ".srv_domain", text},                         \
      {section ".srv_suffix", text}, {section ".use_proxies", boolean},                        \
      {section ".protocol", text}, {section ".username", text}, {section ".password", secret}, \
      {section ".cacert", text}, {section ".cert", text}, {                                    \
    section ".key", text                                                                       \
  }
    AURUM_ETCD_KEYS("etcd3"),
    AURUM_ETCD_KEYS("etcd"),
#undef AURUM_ETCD_KEYS

    {"consul", any},
    {"zookeeper", any},
    {"exhibitor", any},
    {"raft", any},
    {"kubernetes", any},
    {"citus", any},

    {"bootstrap.dcs", map},
    {"bootstrap.method", text},
    {"bootstrap.initdb", any},
    {"bootstrap.pg_hba", list},
    {"bootstrap.post_bootstrap", text},
    {"bootstrap.post_init", text},
    {"bootstrap.users", any},

    {"postgresql.name", text},
    {"postgresql.listen", text},
    {"postgresql.connect_address", text},
    {"postgresql.proxy_address", text},
    {"postgresql.data_dir", text},
    {"postgresql.config_dir", text},
    {"postgresql.bin_dir", text},
    {"postgresql.bin_name.pg_ctl", text},
    {"postgresql.bin_name.initdb", text},
    {"postgresql.bin_name.pg_controldata", text},
    {"postgresql.bin_name.pg_basebackup", text},
    {"postgresql.bin_name.postgres", text},
    {"postgresql.bin_name.pg_isready", text},
    {"postgresql.bin_name.pg_rewind", text},
    {"postgresql.database", text},
    {"postgresql.config_base_name", text},
    {"postgresql.pgpass", text},
#define AURUM_LOGIN_KEYS(role)                                        \
  {"postgresql.authentication." role ".username", text},              \
      {"postgresql.authentication." role ".password", secret},        \
      {"postgresql.authentication." role ".sslmode", text},           \
      {"postgresql.authentication." role ".sslcert", text},           \
      {"postgresql.authentication." role ".sslkey", text},            \
      {"postgresql.authentication." role ".sslpassword", secret},     \
      {"postgresql.authentication." role ".sslrootcert", text},       \
      {"postgresql.authentication." role ".sslcrl", text},            \
      {"postgresql.authentication." role ".sslcrldir", text},         \
      {"postgresql.authentication." role ".gssencmode", text},        \
      {"postgresql.authentication." role ".channel_binding", text}, { \
    "postgresql.authentication." role ".sslnegotiation", text         \
  }
    AURUM_LOGIN_KEYS("superuser"),
    AURUM_LOGIN_KEYS("replication"),
    AURUM_LOGIN_KEYS("rewind"),
#undef AURUM_LOGIN_KEYS
    {"postgresql.parameters", map},
    {"postgresql.pg_hba", list},
    {"postgresql.pg_ident", list},
    {"postgresql.recovery_conf", map},
    {"postgresql.custom_conf", text},
    {"postgresql.callbacks", map},
    {"postgresql.pre_promote", text},
    {"postgresql.before_stop", text},
    {"postgresql.create_replica_methods", text_list},
    {"postgresql.create_replica_method", text_list},
    {"postgresql.basebackup", any},
    {"postgresql.use_unix_socket", boolean},
    {"postgresql.use_unix_socket_repl", boolean},
    {"postgresql.krbsrvname", text},
    {"postgresql.pg_ctl_timeout", seconds},
    {"postgresql.use_pg_rewind", boolean},
    {"postgresql.use_slots", boolean},
    {"postgresql.remove_data_directory_on_rewind_failure", boolean},
    {"postgresql.remove_data_directory_on_diverged_timelines", boolean},

    {"watchdog.mode", word},
    {"watchdog.device", text},
    {"watchdog.safety_margin", seconds},
    {"watchdog.driver", text},

    {"tags", map},

    {"aurum.profile", text},
    {"aurum.run_dir", text},
    {"aurum.fence.commit", boolean},
    {"aurum.fence.reads", boolean},
    {"aurum.fence.wait", seconds},
    {"aurum.fence.library", text},
    {"aurum.routing.haproxy", text_list},
    {"aurum.routing.backend", text},
    {"aurum.routing.pgbouncer", text_list},
    {"aurum.routing.pgbouncer_user", text},
    {"aurum.routing.pgbouncer_password", secret},
    {"aurum.routing.ca_file", text},
    {"aurum.routing.cert_file", text},
    {"aurum.routing.key_file", text},
    {"aurum.routing.pause_ms", integer},
    {"aurum.access", list},
    {"aurum.disk.low", text},
    {"aurum.disk.critical", text},
    {"aurum.disk.ballast", text},
    {"aurum.disk.hand_over", boolean},
    {"aurum.backup.stanza", text},
    {"aurum.backup.program", text},
    {"aurum.backup.work_dir", text},
    {"aurum.backup.include", text},
    {"aurum.backup.compress", text},
    {"aurum.backup.compress_level", integer},
    {"aurum.backup.process_max", integer},
    {"aurum.backup.archive_async", boolean},
    {"aurum.backup.tls.ca_file", text},
    {"aurum.backup.tls.cert_file", text},
    {"aurum.backup.tls.key_file", text},
    {"aurum.backup.tls.host", text},
    {"aurum.backup.tls.listen", text},
    {"aurum.backup.tls.port", integer},
    {"aurum.backup.full", word},
    {"aurum.backup.diff", word},
    {"aurum.backup.incr", word},
    {"aurum.backup.verify", word},
    {"aurum.backup.restore_test", word},
    {"aurum.backup.restore_test_on", text},
    {"aurum.backup.restore_test_dir", text},
    {"aurum.backup.restore_test_cgroup", text},
    {"aurum.backup.restore_test_database", text},
    {"aurum.backup.restore_test_checks", list},
    {"aurum.backup.time_zone", text},
    {"aurum.backup.jitter", seconds},
    {"aurum.backup.missed", text},
    {"aurum.backup.from", text},
    {"aurum.backup.archive_push_timeout", seconds},
    {"aurum.backup.archive_get_timeout", seconds},
    {"aurum.backup.archive_stop_timeout", seconds},
    {"aurum.backup.repositories", list},
});

constexpr auto kDynamic = std::to_array<Key>({
    {"ttl", seconds},
    {"loop_wait", seconds},
    {"retry_timeout", seconds},
    {"maximum_lag_on_failover", bytes},
    {"maximum_lag_on_syncnode", bytes},
    {"max_timelines_history", integer},
    {"check_timeline", boolean},
    {"primary_start_timeout", seconds},
    {"master_start_timeout", seconds},
    {"primary_stop_timeout", seconds},
    {"master_stop_timeout", seconds},
    {"synchronous_mode", word},
    {"synchronous_mode_strict", boolean},
    {"synchronous_node_count", integer},
    {"failsafe_mode", boolean},
    {"pause", boolean},
    {"member_slots_ttl", seconds},
    {"slots", map},
    {"permanent_slots", map},
    {"permanent_replication_slots", map},
    {"ignore_slots", list},
    {"standby_cluster.host", text},
    {"standby_cluster.port", any},
    {"standby_cluster.restore_command", text},
    {"standby_cluster.primary_slot_name", text},
    {"standby_cluster.create_replica_methods", text_list},
    {"standby_cluster.archive_cleanup_command", text},
    {"standby_cluster.recovery_min_apply_delay", text},
    {"postgresql.use_pg_rewind", boolean},
    {"postgresql.use_slots", boolean},
    {"postgresql.remove_data_directory_on_rewind_failure", boolean},
    {"postgresql.remove_data_directory_on_diverged_timelines", boolean},
    {"postgresql.parameters", map},
    {"postgresql.pg_hba", list},
    {"postgresql.pg_ident", list},
    {"postgresql.recovery_conf", map},
});

constexpr auto kRepository = std::to_array<Key>({
    {"type", text},
    {"path", text},
    {"host", text},
    {"host_port", integer},
    {"host_config", text},
    {"bundle", boolean},
    {"block", boolean},
    {"cipher_pass", secret},
    {"retention.full", integer},
    {"retention.full_type", text},
    {"retention.diff", integer},
    {"retention.archive", integer},
    {"options", map},
});

constexpr auto kAccess = std::to_array<Key>({
    {"role", text},
    {"certificate", text},
    {"token_file", text},
    {"name", text},
});

}  // namespace

std::span<const Key> local_keys() { return kLocal; }
std::span<const Key> repository_keys() { return kRepository; }
std::span<const Key> access_keys() { return kAccess; }
std::span<const Key> dynamic_keys() { return kDynamic; }

const Key* find_key(std::span<const Key> keys, std::string_view path) {
  const auto found = std::ranges::find(keys, path, &Key::path);
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace aurum::model
