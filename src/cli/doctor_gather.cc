// Asking all that the checklist judges.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <sched.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "cli/doctor_facts.h"
#include "cli/query.h"
#include "dcs/etcd_store.h"
#include "model/passwords.h"
#include "net/http_client.h"
#include "pg/files.h"
#include "pg/volumes.h"
#include "runtime/clock.h"
#include "runtime/environment.h"
#include "runtime/log.h"
#include "runtime/run_alone.h"

namespace aurum::cli {

namespace fs = std::filesystem;

namespace {

constexpr Duration kAnswer = seconds(3);

std::int64_t number(const model::Value& value) {
  const std::string text = value.text();
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Result<std::string> get(std::string url, net::ClientTls tls) {
  net::HttpCall call;
  call.url = std::move(url);
  call.tls = std::move(tls);
  call.timeout = kAnswer;
  const auto reply = runtime::run_alone(net::http_call(std::move(call)));
  if (!reply) return fail(reply.error());
  return reply->body;
}

using Store = std::unique_ptr<dcs::Store>;

// A store keeps its connection, and so the loop busy: each of these ends it.
runtime::Task<Result<std::string>> version_of(model::EtcdConfig config) {
  auto executor = co_await runtime::asio::this_coro::executor;
  const Store store =
      dcs::make_etcd_store(executor, std::move(config), "/", runtime::null_logger());
  auto version = co_await store->server_version(kAnswer);
  store->close();
  co_return version;
}

runtime::Task<Result<dcs::Keys>> keys_of(model::EtcdConfig config, std::string base_path) {
  auto executor = co_await runtime::asio::this_coro::executor;
  const Store store = dcs::make_etcd_store(executor, std::move(config), std::move(base_path),
                                           runtime::null_logger());
  auto keys = co_await store->read(kAnswer);
  store->close();
  co_return keys;
}

EtcdFacts ask_etcd(const model::EtcdConfig& config, const std::string& host) {
  EtcdFacts out{.endpoint = host};
  model::EtcdConfig alone = config;
  alone.hosts = {host};
  alone.use_proxies = true;  // this one, not the members it knows of
  const auto version = runtime::run_alone(version_of(alone));
  if (!version) {
    out.error = version.error().message;
    return out;
  }
  out.version = *version;
  const auto metrics =
      get(fmt::format("{}://{}/metrics", config.protocol, host),
          {.cafile = config.cacert, .certfile = config.cert, .keyfile = config.key});
  if (metrics) out.fsync_p99_s = p99(*metrics, "etcd_disk_wal_fsync_duration_seconds");
  return out;
}

void ask_store(DoctorFacts& facts) {
  const auto keys = runtime::run_alone(
      keys_of(facts.config.etcd, model::base_path(facts.config.ns, facts.config.scope)));
  if (!keys) {
    facts.view = fail(keys.error());
    return;
  }
  facts.view = model::decode_cluster(keys->revision, keys->keys);
  facts.backups = backup::decode_backup_keys(keys->keys);
  facts.restore_test = facts.backups->trials.last;
}

AgentFacts ask_agent(World& world, const model::Member& member) {
  AgentFacts out{.name = member.name};
  // Any status will do: a node that is no primary answers /patroni by 503, and says all the same.
  const auto status = world.call(member, "GET", "/patroni", "", kAnswer);
  const auto metrics = status ? world.call(member, "GET", "/metrics", "", kAnswer) : status;
  if (!metrics) {
    out.error = metrics.error().message;
    return out;
  }
  const auto document = model::parse_json(status->body);
  if (document) out.status = *document;
  out.metrics = metrics->body;
  return out;
}

Result<ServerFacts> ask_server(const DoctorFacts& facts) {
  if (!facts.view) return fail(facts.view.error());
  const model::Member* leader = facts.view->leader_member();
  if (leader == nullptr) return fail(Code::unavailable, "nobody leads");
  const auto at = model::parse_url_host(leader->conn_url);
  if (!at) return fail(at.error());
  const auto& login = facts.config.pg.superuser;
  Query query{.host = at->host,
              .port = at->port == 0 ? 5432 : at->port,
              .user = login.username,
              .dbname = facts.config.pg.database,
              .password = login.password,
              .options = login.options};
  const auto ask = [&query](std::string sql) -> Result<QueryResult> {
    query.sql = std::move(sql);
    auto answer = run_query(query);
    if (!answer.error.empty()) return fail(Code::unavailable, answer.error);
    return answer;
  };
  ServerFacts out;
  const auto settings = ask("SELECT name, setting FROM pg_catalog.pg_settings");
  if (!settings) return fail(settings.error());
  for (const auto& row : settings->rows) out.settings[row[0].text()] = row[1].text();
  const auto hba =
      ask("SELECT line_number, type, coalesce(address, ''), auth_method FROM "
          "pg_catalog.pg_hba_file_rules WHERE error IS NULL");
  if (!hba) return fail(hba.error());
  for (const auto& row : hba->rows)
    out.hba.push_back(
        {static_cast<int>(number(row[0])), row[1].text(), row[2].text(), row[3].text()});
  const auto archiver =
      ask("SELECT archived_count, failed_count, coalesce(extract(epoch FROM last_archived_time), "
          "0)::bigint, coalesce(extract(epoch FROM last_failed_time), 0)::bigint FROM "
          "pg_catalog.pg_stat_archiver");
  if (!archiver) return fail(archiver.error());
  for (const auto& row : archiver->rows)
    out.archiver = {number(row[0]), number(row[1]), number(row[2]), number(row[3])};
  return out;
}

/// "" = it can not be read.
std::string content(const fs::path& path) { return pg::read_file(path).value_or(""); }

/// Values of keys like password_file, anywhere in the tree.
void add_password_files(const model::Value& tree, std::vector<std::string>& out) {
  if (!tree.is_object()) return;
  for (const auto& [key, value] : tree.as_object()) {
    if (value.is_object()) add_password_files(value, out);
    if (value.is_string() && key.ends_with("password_file")) out.push_back(value.as_string());
  }
}

std::vector<FileFacts> look_at_secrets(const model::LocalConfig& config,
                                       const std::string& config_file) {
  std::vector<std::string> paths = {config.rest.tls.keyfile, config.ctl.tls.keyfile,
                                    config.etcd.key, config.pg.pgpass.string(),
                                    config.pg.data_dir.string()};
  if (config.pg.parameters.is_object()) {
    const auto* key = config.pg.parameters.find("ssl_key_file");
    if (key != nullptr) paths.push_back(key->text());
  }
  for (const auto* login : {&config.pg.superuser, &config.pg.replication, &config.pg.rewind}) {
    const auto key = login->options.find("sslkey");
    if (key != login->options.end()) paths.push_back(key->second);
  }
  add_password_files(config.raw, paths);
  for (const auto& entry : config.aurum.access) paths.push_back(entry.token_file);
  // A file that names passwords is one of them.
  if (content(config_file).contains("password: ")) paths.push_back(config_file);
  std::ranges::sort(paths);
  const auto same = std::ranges::unique(paths);
  paths.erase(same.begin(), same.end());
  std::vector<FileFacts> out;
  for (const auto& path : paths) {
    struct stat facts{};
    if (path.empty() || ::stat(path.c_str(), &facts) != 0) continue;
    out.push_back({path, static_cast<unsigned>(facts.st_mode) & 07777U, S_ISDIR(facts.st_mode)});
  }
  return out;
}

/// Of /proc/<pid>/status (proc(5)).
std::uint64_t kilobytes(const std::string& status, const std::string& field) {
  const auto at = status.find("\n" + field + ":");
  if (at == std::string::npos) return 0;
  return std::strtoull(status.c_str() + at + field.size() + 2, nullptr, 10);
}

/// That of this member: its name is in the guard's command line.
std::optional<GuardFacts> look_at_guard(const model::LocalConfig& config) {
  const std::string home =
      fmt::format("{}-{}", config.scope, model::guard_name(config.name, config.pg.data_dir));
  std::error_code ec;
  for (const auto& process : fs::directory_iterator("/proc", ec)) {
    const std::string name = process.path().filename().string();
    pid_t pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc() || end != name.data() + name.size()) continue;
    if (content(process.path() / "comm") != "aurum-guard\n") continue;
    if (!content(process.path() / "cmdline").contains(home)) continue;
    const int policy = ::sched_getscheduler(pid);
    if (policy < 0) return std::nullopt;
    GuardFacts guard;
    guard.real_time = (policy & ~SCHED_RESET_ON_FORK) == SCHED_RR ||
                      (policy & ~SCHED_RESET_ON_FORK) == SCHED_FIFO;
    // The kernel itself locks a page or two of any process.
    const std::string status = content(process.path() / "status");
    guard.locked = kilobytes(status, "VmLck") > kilobytes(status, "VmRSS") / 2;
    guard.oom_score = std::atoi(content(process.path() / "oom_score_adj").c_str());
    return guard;
  }
  return std::nullopt;
}

MachineFacts look_at_machine(const model::LocalConfig& config, const std::string& config_file) {
  MachineFacts out;
  timex clock{};
  if (::adjtimex(&clock) >= 0) out.clock_synchronized = (clock.status & STA_UNSYNC) == 0;
  out.secrets = look_at_secrets(config, config_file);
  if (const auto disks = pg::look_at_volumes(config.pg.data_dir); disks && disks->data.capacity > 0)
    out.free_share =
        static_cast<double>(disks->data.available) / static_cast<double>(disks->data.capacity);
  out.guard = look_at_guard(config);
  return out;
}

}  // namespace

DoctorFacts gather_facts(model::LocalConfig config, const std::string& config_file) {
  DoctorFacts facts{.config = std::move(config)};
  facts.now = runtime::wall_now();
  facts.passwords = model::check_passwords(facts.config, runtime::environment());
  facts.machine = look_at_machine(facts.config, config_file);
  for (const auto& host : facts.config.etcd.hosts)
    facts.etcd.push_back(ask_etcd(facts.config.etcd, host));
  ask_store(facts);
  const auto world = make_world(facts.config, runtime::null_logger());
  if (facts.view)
    for (const auto& [name, member] : facts.view->members)
      facts.agents.push_back(ask_agent(*world, member));
  facts.server = ask_server(facts);
  return facts;
}

std::vector<std::pair<std::string, double>> samples(std::string_view metrics,
                                                    std::string_view name) {
  std::vector<std::pair<std::string, double>> out;
  std::istringstream lines{std::string(metrics)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    const auto blank = line.rfind(' ');
    const char next = line.size() > name.size() ? line[name.size()] : '\0';
    if (blank == std::string::npos || (next != '{' && next != ' ')) continue;
    out.emplace_back(line.substr(name.size(), blank - name.size()),
                     std::strtod(line.c_str() + blank + 1, nullptr));
  }
  return out;
}

std::optional<double> p99(std::string_view metrics, std::string_view histogram) {
  std::vector<std::pair<double, double>> buckets;  // upper bound, how many are below it
  for (const auto& [labels, count] : samples(metrics, std::string(histogram) + "_bucket")) {
    const auto bound = labels.find("le=\"");
    if (bound != std::string::npos)
      buckets.emplace_back(std::strtod(labels.c_str() + bound + 4, nullptr), count);
  }
  if (buckets.empty()) return std::nullopt;
  std::ranges::sort(buckets);
  const double all = buckets.back().second;
  if (all <= 0) return std::nullopt;
  for (const auto& [bound, count] : buckets)
    if (count >= all * 0.99 && std::isfinite(bound)) return bound;
  return buckets.size() > 1 ? buckets[buckets.size() - 2].first : buckets.back().first;
}

}  // namespace aurum::cli
