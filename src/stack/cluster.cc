#include "stack/cluster.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "model/config.h"
#include "model/secret_file.h"
#include "runtime/clock.h"
#include "runtime/port.h"
#include "stack/certs.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMark = "stack.json";

Result<std::string> read_all(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    return fail(Code::io, fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  }
  return std::move(text).str();
}

}  // namespace

fs::path Cluster::config_of(std::size_t node) const {
  return plan_.dir / "conf" / (plan_.nodes.at(node).name + ".yml");
}
fs::path Cluster::data_of(std::size_t node) const {
  return plan_.dir / "data" / plan_.nodes.at(node).name;
}

Status Cluster::own(const fs::path& path) const {
  if (account_.drop && ::chown(path.c_str(), account_.uid, account_.gid) != 0) {
    return fail(Code::io, fmt::format("cannot give {} to {}: {}", path.string(), account_.name,
                                      std::strerror(errno)));
  }
  return {};
}

Status Cluster::write(const fs::path& file, const std::string& text) const {
  const fs::path fresh = file.string() + ".new";
  {
    const mode_t before = ::umask(077);
    std::ofstream out(fresh, std::ios::trunc | std::ios::binary);
    ::umask(before);
    out << text;
    if (!out.flush()) {
      return fail(Code::io,
                  fmt::format("cannot write {}: {}", fresh.string(), std::strerror(errno)));
    }
  }
  auto owned = own(fresh);
  if (!owned) return owned;
  std::error_code ec;
  fs::rename(fresh, file, ec);
  if (ec) return fail(Code::io, fmt::format("cannot write {}: {}", file.string(), ec.message()));
  return {};
}

Status Cluster::make_folders() const {
  std::error_code ec;
  fs::create_directories(plan_.dir, ec);
  // Members of the account keep their files to themselves; the folder only has to be passable for
  // them.
  for (const char* name : {"", "conf", "data", "etcd", "log", "run", "bin", "backups"}) {
    const fs::path dir = *name == '\0' ? plan_.dir : plan_.dir / name;
    fs::create_directory(dir, ec);
    if (ec) return fail(Code::io, fmt::format("cannot make {}: {}", dir.string(), ec.message()));
    fs::permissions(dir, fs::perms::owner_all, ec);
    auto owned = own(dir);
    if (!owned) return owned;
  }
  return {};
}

Result<Cluster> Cluster::create(Plan plan) {
  auto good = check(plan);
  if (!good) return fail(good.error());
  std::error_code ec;
  plan.dir = fs::weakly_canonical(plan.dir, ec);
  const bool leftovers = fs::exists(plan.dir, ec) && !fs::is_empty(plan.dir, ec);
  if (leftovers) {
    return fail(Code::exists, fmt::format("{} is not empty", plan.dir.string()),
                "Name another folder with --dir or AURUM_STACK_DIR.");
  }
  auto account = service_account(true);
  if (!account) return fail(account.error());
  auto secrets = make_secrets();
  if (!secrets) return fail(secrets.error());
  Cluster cluster(std::move(plan), std::move(*account));
  cluster.secrets_ = std::move(*secrets);
  auto made = cluster.make_folders();
  // The mark comes last: without it, an interrupted creation is made again, see open().
  if (made) made = cluster.write(cluster.plan_.dir / "secrets.json", to_json(cluster.secrets_));
  if (made) made = cluster.write(cluster.plan_.dir / kMark, to_json(cluster.plan_));
  if (!made) return fail(made.error());
  return cluster;
}

Result<Cluster> Cluster::open(const fs::path& dir) {
  std::error_code ec;
  const fs::path where = fs::weakly_canonical(dir, ec);
  if (!fs::exists(where / kMark, ec)) {
    if (ec && ec != std::errc::no_such_file_or_directory) {
      return fail(Code::permission,
                  fmt::format("cannot look into {}: {}", where.string(), ec.message()),
                  "Run it as the user who made the stack, or as root.");
    }
    return fail(Code::not_found, fmt::format("there is no stack in {}", where.string()),
                "`aurum stack up` makes one.");
  }
  auto text = read_all(where / kMark);
  if (!text) return fail(text.error());
  auto plan = plan_from_json(*text, where);
  if (!plan) return fail(plan.error().within((where / kMark).string()));
  auto account = service_account(false);
  if (!account) return fail(account.error());
  auto secret_text = read_all(where / "secrets.json");
  if (!secret_text) return fail(secret_text.error());
  auto secrets = secrets_from_json(*secret_text);
  if (!secrets) return fail(secrets.error().within((where / "secrets.json").string()));
  Cluster cluster(std::move(*plan), std::move(*account));
  cluster.secrets_ = std::move(*secrets);
  cluster.take_up_secrets();
  return cluster;
}

namespace {
/// Those of a node, by the names of their files.
std::array<std::pair<const char*, std::string*>, 4> node_secrets(Secrets& secrets) {
  return {{{"superuser", &secrets.superuser},
           {"replication", &secrets.replication},
           {"rewind", &secrets.rewind},
           {"rest", &secrets.rest}}};
}
}  // namespace

/// Where one was changed, what people and programs here use follows.
void Cluster::take_up_secrets() {
  bool changed = false;
  for (const auto& [use, password] : node_secrets(secrets_)) {
    const auto text = read_all(secret_file(plan_, plan_.nodes.front(), use));
    if (!text) continue;  // made before there were such files
    const auto secret = model::parse_secret_file(*text);
    if (!secret || secret->in_use == *password) continue;
    *password = secret->in_use;
    changed = true;
  }
  if (!changed) return;
  (void)write(plan_.dir / "secrets.json", to_json(secrets_));
  (void)write(plan_.dir / "pgpass", password_file(plan_, secrets_));
}

/// A file that is there belongs to its agent, which may be half-way through a change.
Status Cluster::give_secrets(std::size_t node) {
  std::error_code ec;
  const bool fresh = !fs::exists(data_of(node), ec);
  for (const auto& [use, password] : node_secrets(secrets_)) {
    const auto file = secret_file(plan_, plan_.nodes.at(node), use);
    if (!fresh && fs::exists(file, ec)) continue;
    fs::create_directories(file.parent_path(), ec);
    if (ec) return fail(Code::io, fmt::format("cannot make {}: {}", file.string(), ec.message()));
    for (const auto& dir : {file.parent_path().parent_path(), file.parent_path()}) {
      fs::permissions(dir, fs::perms::owner_all, ec);
      if (auto owned = own(dir); !owned) return owned;
    }
    if (auto written = write(file, *password + "\n"); !written) return written;
  }
  return {};
}

Result<std::string> Cluster::reachable(const std::string& program) const {
  if (can_execute(account_, program)) return program;
  const fs::path copy = plan_.dir / "bin" / fs::path(program).filename();
  const fs::path fresh = copy.string() + ".new";
  std::error_code ec;
  // By rename: a running program's file cannot be written to.
  fs::copy_file(program, fresh, fs::copy_options::overwrite_existing, ec);
  if (!ec) fs::permissions(fresh, fs::perms::owner_all, ec);
  if (!ec) fs::rename(fresh, copy, ec);
  if (ec)
    return fail(Code::io,
                fmt::format("cannot copy {} to {}: {}", program, copy.string(), ec.message()));
  auto owned = own(copy);
  if (!owned) return fail(owned.error());
  return copy.string();
}

Result<std::vector<std::string>> Cluster::agent_command(std::size_t node) const {
  auto command = plan_.agent_of(node);
  if (command.empty()) {
    auto program = own_program();
    if (!program) return fail(program.error());
    command = {*program, "agent"};
  } else if (command[0].find('/') == std::string::npos) {
    for (const char* dir : {"/usr/local/bin", "/usr/bin", "/bin"}) {
      const fs::path program = fs::path(dir) / command[0];
      if (::access(program.c_str(), X_OK) == 0) {
        command[0] = program;
        break;
      }
    }
  }
  if (::access(command[0].c_str(), X_OK) != 0)
    return fail(Code::not_found, fmt::format("the agent {} is not a program", command[0]));
  auto program = reachable(command[0]);
  if (!program) return fail(program.error());
  command[0] = *program;
  return command;
}

Status Cluster::change_agent(std::size_t node, std::vector<std::string> command) {
  plan_.nodes.at(node).agent = std::move(command);
  auto good = prepare();
  if (good) good = write(plan_.dir / kMark, to_json(plan_));
  return good;
}

Status Cluster::prepare() {
  auto folders = make_folders();
  if (!folders) return folders;
  auto bin_dir = find_postgres_bin_dir(plan_);
  if (!bin_dir) return fail(bin_dir.error());
  programs_.postgres_bin_dir = *bin_dir;
  if (const auto fence = find_fence(*bin_dir); !fence.empty()) {
    auto library = reachable(fence);
    if (!library) return fail(library.error());
    programs_.fence_library = *library;
  }
  auto etcd = find_etcd(plan_);
  if (etcd) etcd = reachable(*etcd);
  if (!etcd) return fail(etcd.error());
  etcd_program_ = *etcd;
  for (const auto& name : doors()) {
    const auto found = find_server(name);
    if (!found) return fail(found.error());
  }

  if (plan_.tls) {
    auto made = make_certificates();
    if (!made) return made;
  }
  agent_commands_.clear();
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) {
    auto command = agent_command(i);
    if (!command) return fail(command.error());
    agent_commands_.push_back(std::move(*command));
    auto config = agent_config(plan_, secrets_, i, programs_);
    if (!config) return fail(config.error());
    if (auto given = give_secrets(i); !given) return given;
    auto written = write(config_of(i), *config);
    if (!written) return written;
  }
  return write(plan_.dir / "pgpass", password_file(plan_, secrets_));
}

/// Each host's are its own account's; the authority's key stays ours.
Status Cluster::make_certificates() const {
  const fs::path dir = plan_.dir / "certs";
  CertsWish wish{.place = {dir}, .hosts = {}, .from = {}};
  for (const auto& n : plan_.nodes) wish.hosts.push_back({HostRole::postgres, n.name, {n.host}});
  for (const auto& e : plan_.etcds) wish.hosts.push_back({HostRole::etcd, e.name, {e.host}});
  for (const auto& name : doors())
    wish.hosts.push_back(
        {name == "haproxy" ? HostRole::haproxy : HostRole::pgbouncer, name, {plan_.door->host}});
  const auto lines = init_certs(wish, runtime::wall_now());
  if (!lines) return fail(lines.error());
  for (const auto& line : *lines)
    if (!usable(line.state))
      return fail(Code::invalid, fmt::format("{}: {}", line.file, line.text), line.hint);
  for (const auto& host : wish.hosts) {
    auto owned = own(dir / host.name);
    std::error_code ec;
    for (fs::directory_iterator it(dir / host.name, ec), end; !ec && it != end && owned;
         it.increment(ec))
      owned = own(it->path());
    if (!owned) return owned;
  }
  return {};
}

std::optional<net::ClientTls> Cluster::client_tls() const {
  if (!plan_.tls) return std::nullopt;
  const std::string& host = plan_.nodes[0].name;
  net::ClientTls tls;
  tls.cafile = plan_.certificate(host, "ca.crt");
  // One that REST takes for changes, and etcd as a client.
  tls.certfile = plan_.certificate(host, "rest.crt");
  tls.keyfile = plan_.certificate(host, "rest.key");
  tls.verify_host = true;
  return tls;
}

Status Cluster::check_ports() const {
  auto look = [](const std::string& name, const char* what, const std::string& host,
                 std::uint16_t port, const std::string& netns) -> Status {
    if (!netns.empty() || !port_busy(host, port)) return {};
    const std::string who = runtime::who_listens(port);
    return fail(
        Code::exists,
        fmt::format("port {} ({} of {}) is taken by {}", port, what, name,
                    who.empty() ? "another process" : who),
        fmt::format("See `ss -ltnp 'sport = :{}'`; or move the stack with --port-base 15432.",
                    port));
  };
  for (std::size_t i = 0; i < plan_.etcds.size(); ++i) {
    const auto& e = plan_.etcds[i];
    if (etcd(i)) continue;
    auto free = look(e.name, "clients", e.host, e.client_port, e.network_namespace);
    if (free) free = look(e.name, "peers", e.host, e.peer_port, e.network_namespace);
    if (!free) return free;
  }
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) {
    const auto& n = plan_.nodes[i];
    Status free;
    if (!postmaster(i))
      free = look(n.name, "PostgreSQL", n.host, n.postgres_port, n.network_namespace);
    if (free && !agent(i)) free = look(n.name, "REST", n.host, n.rest_port, n.network_namespace);
    if (!free) return free;
  }
  Status free;
  if (plan_.door && !door("haproxy")) {
    const auto& d = *plan_.door;
    for (const auto& [what, port] : {std::pair{"read-write", d.read_write},
                                     {"read-only", d.read_only},
                                     {"statistics", d.statistics},
                                     {"runtime", d.runtime}})
      if (free) free = look("haproxy", what, d.host, port, {});
  }
  if (free && plan_.door && plan_.door->pooler != 0 && !door("pgbouncer"))
    free = look("pgbouncer", "clients", plan_.door->host, plan_.door->pooler, {});
  return free;
}

Status Cluster::wipe_node(std::size_t node) {
  if (!processes(node, Part::node).empty()) {
    return fail(Code::exists, fmt::format("{} still runs", plan_.nodes.at(node).name));
  }
  std::error_code ec;
  fs::remove_all(data_of(node), ec);
  if (ec)
    return fail(Code::io,
                fmt::format("cannot remove {}: {}", data_of(node).string(), ec.message()));
  return {};
}

Status Cluster::add_node() {
  const NodePlan& last = plan_.nodes.back();
  int number = 0;
  for (const auto& node : plan_.nodes)
    number = std::max(number, std::atoi(node.name.c_str() + node.name.find('-') + 1));
  Plan wider = plan_;
  wider.nodes.push_back({.name = fmt::format("node-{}", number + 1),
                         .host = last.host,
                         .postgres_port = static_cast<std::uint16_t>(last.postgres_port + 1),
                         .rest_port = static_cast<std::uint16_t>(last.rest_port + 1)});
  NodePlan& fresh = wider.nodes.back();
  // Beside the others where there is room.
  if (!check(wider) || port_busy(fresh.host, fresh.postgres_port) ||
      port_busy(fresh.host, fresh.rest_port)) {
    const auto ports = free_ports(2);
    if (!ports) return fail(ports.error());
    fresh.postgres_port = ports->at(0);
    fresh.rest_port = ports->at(1);
  }
  auto good = check(wider);
  if (good) good = write(plan_.dir / kMark, to_json(wider));
  if (!good) return good;
  plan_ = std::move(wider);
  return prepare();
}

Status Cluster::remove_node(std::size_t node) {
  if (plan_.nodes.size() == 1) return fail(Code::invalid, "the last node stays");
  auto wiped = wipe_node(node);
  if (!wiped) return wiped;
  remove_run_dirs(node);
  std::error_code ec;
  fs::remove(config_of(node), ec);
  // What its agent keeps beside the data: pgBackRest's folder, former data.
  const std::string beside = plan_.nodes.at(node).name + ".";
  std::vector<fs::path> kept;
  for (const auto& entry : fs::directory_iterator(plan_.dir / "data", ec))
    if (entry.path().filename().string().starts_with(beside)) kept.push_back(entry.path());
  for (const auto& path : kept) fs::remove_all(path, ec);
  Plan narrower = plan_;
  narrower.nodes.erase(narrower.nodes.begin() + static_cast<std::ptrdiff_t>(node));
  auto written = write(plan_.dir / kMark, to_json(narrower));
  if (!written) return written;
  plan_ = std::move(narrower);
  return prepare();
}

void Cluster::remove_run_dirs() const {
  for (std::size_t i = 0; i < plan_.nodes.size(); ++i) remove_run_dirs(i);
}

std::vector<fs::path> Cluster::run_dirs(std::size_t node) const {
  const std::string name = fmt::format("{}-{}", plan_.scope,
                                       model::guard_name(plan_.nodes.at(node).name, data_of(node)));
  return {fs::path("/run/aurum") / name,
          fs::path(fmt::format("/dev/shm/aurum-{}", account_.uid)) / name};
}

void Cluster::remove_run_dirs(std::size_t node) const {
  std::error_code ec;
  for (const auto& dir : run_dirs(node)) fs::remove_all(dir, ec);
}

Status Cluster::destroy() {
  if (observe().anything_alive()) {
    return fail(Code::exists, "the stack still runs", "`aurum stack down` stops it.");
  }
  remove_run_dirs();
  std::error_code ec;
  // Only what create() and prepare() made; a stranger's file in the folder stays, and the folder
  // with it.
  for (const char* name : {"conf", "data", "etcd", "log", "run", "bin", "certs", "backups",
                           "secrets", "pgpass", "secrets.json", "lock", kMark}) {
    fs::remove_all(plan_.dir / name, ec);
    if (ec)
      return fail(Code::io,
                  fmt::format("cannot remove {}/{}: {}", plan_.dir.string(), name, ec.message()));
  }
  fs::remove(plan_.dir, ec);
  return {};
}

Result<RestReply> Cluster::rest(std::size_t node, const std::string& method,
                                const std::string& path, const std::string& body,
                                Duration timeout) const {
  const auto& n = plan_.nodes.at(node);
  return rest_call(
      {n.host, n.rest_port, method, path, body, "aurum:" + secrets_.rest, timeout, client_tls()});
}

Status Cluster::switchover(const std::string& candidate) {
  const auto from = leader();
  if (!from) return fail(Code::unavailable, "the cluster has no leader");
  std::string body = fmt::format(R"({{"leader":"{}")", plan_.nodes[*from].name);
  if (!candidate.empty()) body += fmt::format(R"(,"candidate":"{}")", candidate);
  auto reply = rest(*from, "POST", "/switchover", body + "}", seconds(60));
  if (!reply) return fail(reply.error());
  if (reply->status != 200) return fail(Code::rejected, fmt::format("switchover: {}", reply->body));
  return {};
}

std::string Cluster::conninfo(std::size_t node) const {
  const auto& n = plan_.nodes.at(node);
  return fmt::format(
      "host={} port={} user=postgres password={} dbname=postgres connect_timeout=3 {}", n.host,
      n.postgres_port, secrets_.superuser, tls_pairs(plan_));
}

std::string Cluster::write_conninfo(std::size_t first) const {
  std::string hosts, ports;
  for (std::size_t k = 0; k < plan_.nodes.size(); ++k) {
    const auto& n = plan_.nodes[(first + k) % plan_.nodes.size()];
    hosts += fmt::format("{}{}", k == 0 ? "" : ",", n.host);
    ports += fmt::format("{}{}", k == 0 ? "" : ",", n.postgres_port);
  }
  return fmt::format(
      "host={} port={} user=postgres password={} dbname=postgres target_session_attrs=read-write "
      "connect_timeout=3 {}",
      hosts, ports, secrets_.superuser, tls_pairs(plan_));
}

}  // namespace aurum::stack
