#include "stack/certs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "net/certificate.h"
#include "stack/files.h"

namespace aurum::stack {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

namespace {

/// In the subject of all we make: how we know them again.
constexpr const char* kMade = "Aurum development";
constexpr int kAuthorityDays = 3650;
constexpr std::int64_t kDay_s = 86'400;

/// What a host's certificate is for. One key for each link: who learns one can not speak for
/// another.
struct Use {
  HostRole role;
  const char* file;
  const char* common_name;  ///< "" = the host's name
  bool server, client;
  bool combined = false;  ///< certificate and key in one .pem as well, for HAProxy
};
constexpr auto kUses = std::to_array<Use>({
    {HostRole::postgres, "server", "", true, false},
    {HostRole::postgres, "replication", "replicator", false, true},
    {HostRole::postgres, "rest", "", true, true},
    {HostRole::postgres, "etcd", "aurum", false, true},
    {HostRole::postgres, "pgbackrest", "", true, true},
    // etcd dials its peers and itself with the certificates it serves by.
    {HostRole::etcd, "server", "", true, true},
    {HostRole::etcd, "peer", "", true, true},
    {HostRole::pgbackrest, "pgbackrest", "", true, true},
    {HostRole::haproxy, "server", "", true, false, true},
    {HostRole::pgbouncer, "server", "", true, false},
    {HostRole::exporter, "server", "", true, false},
    {HostRole::prometheus, "server", "", true, false},
    {HostRole::prometheus, "client", "prometheus", false, true},
    {HostRole::alertmanager, "server", "", true, false},
});
constexpr auto kRoles = std::to_array<std::pair<HostRole, std::string_view>>({
    {HostRole::postgres, "postgres"},
    {HostRole::etcd, "etcd"},
    {HostRole::pgbackrest, "pgbackrest"},
    {HostRole::haproxy, "haproxy"},
    {HostRole::pgbouncer, "pgbouncer"},
    {HostRole::exporter, "exporter"},
    {HostRole::prometheus, "prometheus"},
    {HostRole::alertmanager, "alertmanager"},
});

std::string key_of(std::string file) { return file.replace(file.rfind('.'), 4, ".key"); }

bool give_to_owner_of(const fs::path& folder, int fd) {
  struct stat info{};
  if (::geteuid() != 0) return true;
  return ::stat(folder.c_str(), &info) == 0 && ::fchown(fd, info.st_uid, info.st_gid) == 0;
}

/// Whole or not at all, and by a rename, so that a reader sees the old one or the new one. Root
/// writes for the folder's owner, who is to read it.
Status write_file(const fs::path& file, std::string_view text, mode_t mode) {
  const fs::path fresh = file.string() + ".new";
  const auto failed = [&] {
    return fail(errno == EACCES ? Code::permission : Code::io,
                fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)),
                "The folder must belong to the user who runs this.");
  };
  ::unlink(fresh.c_str());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed();
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       give_to_owner_of(file.parent_path(), fd) && ::fchmod(fd, mode) == 0 &&
                       ::fsync(fd) == 0;
  ::close(fd);
  if (!written || ::rename(fresh.c_str(), file.c_str()) != 0) return failed();
  return {};
}

Status make_folder(const fs::path& dir, mode_t mode) {
  std::error_code ec;
  if (fs::is_directory(dir, ec)) return {};
  fs::create_directories(dir, ec);
  if (ec || ::chmod(dir.c_str(), mode) != 0)
    return fail(Code::io, fmt::format("cannot make {}: {}", dir.string(), ec.message()),
                "The folder must belong to the user who runs this.");
  return {};
}

/// PostgreSQL, libpq and pgBackRest refuse a key that anybody else may read. Others run as another
/// user than we do where their folder hands its group on (setgid): then that group may read.
mode_t key_mode(const fs::path& host_dir, HostRole role) {
  struct stat info{};
  const bool strict = role == HostRole::postgres || role == HostRole::pgbackrest;
  const bool shared = ::stat(host_dir.c_str(), &info) == 0 && (info.st_mode & S_ISGID) != 0;
  return shared && !strict ? 0640 : 0600;
}

/// A certificate the stack wants, and where.
struct Wanted {
  const CertHost* host;
  const Use* use;
  std::string file() const { return fmt::format("{}/{}.crt", host->name, use->file); }
};
std::vector<Wanted> wanted_of(const std::vector<CertHost>& hosts) {
  std::vector<Wanted> out;
  for (const auto& host : hosts)
    for (const auto& use : kUses)
      if (use.role == host.role) out.push_back({&host, &use});
  return out;
}

net::CertificateWish wish_of(const Wanted& wanted, int days) {
  net::CertificateWish wish;
  const std::string_view name = wanted.use->common_name;
  wish.common_name = name.empty() ? wanted.host->name : name;
  wish.organization = kMade;
  wish.days = days;
  wish.server = wanted.use->server;
  wish.client = wanted.use->client;
  if (!wanted.use->server) return wish;
  wish.names = wanted.host->names;
  wish.names.insert(wish.names.begin(), wanted.host->name);
  for (const char* local : {"localhost", "127.0.0.1", "::1"}) wish.names.emplace_back(local);
  return wish;
}

struct Folder {
  fs::path dir;
  std::vector<CertHost> hosts;
  int days = 365;
  std::string authorities;  ///< ca/ca.crt
  std::string key;          ///< ca/ca.key; "" = the authority is not ours to sign by
};

fs::path list_of(const CertsPlace& place) { return place.dir / "ca" / (place.list + ".json"); }

json plan_json(const Folder& folder) {
  json doc = {{"aurum_certs", 1}, {"days", folder.days}, {"hosts", json::array()}};
  for (const auto& host : folder.hosts)
    doc["hosts"].push_back(
        {{"role", to_string(host.role)}, {"name", host.name}, {"names", host.names}});
  return doc;
}

Result<HostRole> role_from(std::string_view name) {
  for (const auto& [role, text] : kRoles)
    if (text == name) return role;
  return fail(Code::invalid, fmt::format("no host role '{}'", name),
              "postgres, etcd, pgbackrest, haproxy, pgbouncer, exporter, prometheus, alertmanager");
}

Result<Folder> read_folder(const CertsPlace& place) {
  const fs::path& dir = place.dir;
  const fs::path list = list_of(place);
  Folder folder{.dir = dir};
  auto text = read_file(list);
  if (!text)
    return fail(Code::not_found, fmt::format("there are no certificates in {}", dir.string()),
                fmt::format("Make them: aurum certs init {}", dir.string()));
  try {
    const json doc = json::parse(*text);
    folder.days = doc.at("days");
    for (const auto& entry : doc.at("hosts")) {
      auto role = role_from(entry.at("role").get<std::string>());
      if (!role) return fail(role.error());
      folder.hosts.push_back({*role, entry.at("name"), entry.at("names")});
    }
  } catch (const json::exception& e) {
    return fail(Code::invalid, fmt::format("{}: {}", list.string(), e.what()));
  }
  auto authorities = read_file(dir / "ca/ca.crt");
  if (!authorities) return fail(authorities.error());
  folder.authorities = std::move(*authorities);
  if (auto key = read_file(dir / "ca/ca.key")) folder.key = std::move(*key);
  return folder;
}

bool is_ours(const Folder& folder, const std::string& pem) {
  const auto facts = net::read_certificate(pem);
  return facts && facts->organization == kMade && !folder.key.empty() &&
         net::check_authority(pem, folder.authorities).has_value();
}

void judge_time(CertLine& line, const net::Certificate& facts, WallTime now) {
  const std::int64_t now_s = now.us / 1'000'000;
  const std::int64_t left_days = (facts.not_after_s - now_s) / kDay_s;
  const char* renew = "aurum certs renew makes a new one.";
  if (now_s >= facts.not_after_s) {
    line.state = CertState::expired;
    line.text = fmt::format("expired {} days ago", -left_days);
    line.hint = line.ours ? renew : "Put a new one in its place.";
  } else if (now_s < facts.not_before_s) {
    line.state = CertState::not_yet_valid;
    line.text = "is not valid yet";
    line.hint = "Is this machine's clock right?";
  } else if (left_days < kSoonDays) {
    line.state = CertState::expires_soon;
    line.text = fmt::format("expires in {} days", left_days);
    line.hint = line.ours ? renew : "Put a new one in its place in time.";
  }
}

void judge_key(CertLine& line, const Folder& folder, const std::string& pem, mode_t allowed) {
  const std::string file = key_of(line.file);
  const auto path = folder.dir / file;
  struct stat info{};
  const auto key = read_file(path);
  if (!key || ::stat(path.c_str(), &info) != 0) {
    line.state = CertState::unreadable;
    line.text = key ? std::strerror(errno) : key.error().message;
    line.hint = fmt::format("{} must belong to the user of the service.", file);
    return;
  }
  if (auto fits = net::check_key(pem, *key); !fits) {
    line.state = CertState::wrong_key;
    line.text = fmt::format("{}: {}", file, fits.error().message);
    line.hint = "A certificate and its key are put in place together.";
  } else if ((info.st_mode & 0777U & ~allowed) != 0) {
    line.state = CertState::wrong_mode;
    line.text = fmt::format("{} has mode {:04o}: others may read it", file, info.st_mode & 0777U);
    line.hint = fmt::format("chmod {:04o} {}", allowed, path.string());
  }
}

CertLine judge(const Folder& folder, const std::string& file, std::optional<mode_t> key_allowed,
               WallTime now) {
  CertLine line;
  line.file = file;
  auto pem = read_file(folder.dir / file);
  if (!pem) {
    line.state = pem.error().code == Code::not_found ? CertState::missing : CertState::unreadable;
    line.text = line.state == CertState::missing ? "is missing" : pem.error().message;
    line.hint = line.state == CertState::missing ? "aurum certs init makes it." : "";
    return line;
  }
  const auto facts = net::read_certificate(*pem);
  if (!facts) {
    line.state = CertState::unreadable;
    line.text = facts.error().message;
    return line;
  }
  line.subject = facts->common_name;
  line.names = facts->names;
  line.not_after_s = facts->not_after_s;
  line.ours = is_ours(folder, *pem);
  judge_time(line, *facts, now);
  if (auto known = net::check_authority(*pem, folder.authorities); !known) {
    line.state = CertState::wrong_authority;
    line.text = known.error().message;
    line.hint = fmt::format("It must be signed by {}.", (folder.dir / "ca/ca.crt").string());
  }
  if (key_allowed) judge_key(line, folder, *pem, *key_allowed);
  return line;
}

std::vector<CertLine> look(const Folder& folder, WallTime now) {
  std::vector<CertLine> lines;
  std::optional<mode_t> authority_key;
  if (!folder.key.empty()) authority_key = 0600;
  lines.push_back(judge(folder, "ca/ca.crt", authority_key, now));
  for (const auto& wanted : wanted_of(folder.hosts))
    lines.push_back(judge(folder, wanted.file(),
                          key_mode(folder.dir / wanted.host->name, wanted.use->role), now));
  return lines;
}

/// Certificate, key and the two in one, as `wanted` has them.
Status write_pair(const Folder& folder, const Wanted& wanted, const std::string& certificate,
                  const std::string& key, bool key_too) {
  const auto host_dir = folder.dir / wanted.host->name;
  const mode_t mode = key_mode(host_dir, wanted.use->role);
  const auto file = folder.dir / wanted.file();
  Status written;
  // The key goes first: a key without a certificate is taken up by the next init.
  if (key_too) written = write_file(key_of(file), key, mode);
  if (written) written = write_file(file, certificate, 0644);
  if (written && wanted.use->combined)
    written = write_file(fs::path(file).replace_extension(".pem"), certificate + key, mode);
  return written;
}

/// 1 = made, 0 = was there.
Result<bool> ensure_pair(const Folder& folder, const Wanted& wanted, WallTime now) {
  const auto file = folder.dir / wanted.file();
  const auto key_file = key_of(file);
  std::error_code ec;
  const bool have_certificate = fs::exists(file, ec);
  const bool have_key = fs::exists(key_file, ec);
  if (have_certificate && have_key) return false;
  if (have_certificate)
    return fail(Code::not_found, fmt::format("{} has no key beside it", file.string()),
                "Put its key there, or move the certificate away.");
  if (folder.key.empty())
    return fail(Code::not_found, fmt::format("{} is missing", file.string()),
                "The authority is your own and its key is not here: issue the certificate, or put "
                "ca/ca.key beside ca/ca.crt.");
  auto key = have_key ? read_file(key_file) : net::make_key();
  if (!key) return fail(key.error());
  auto made = net::issue({folder.authorities, folder.key}, wish_of(wanted, folder.days), *key, now);
  if (!made) return fail(made.error().within(wanted.file()));
  auto written = write_pair(folder, wanted, *made, *key, !have_key);
  if (!written) return fail(written.error());
  return true;
}

/// The authority's certificate in a host's folder is a copy; a foreign one stays.
Status spread_authority(const Folder& folder) {
  for (const auto& host : folder.hosts) {
    const auto copy = folder.dir / host.name / "ca.crt";
    auto there = read_file(copy);
    if (there && *there == folder.authorities) continue;
    if (there) {
      const auto facts = net::read_certificate(*there);
      if (!facts || facts->organization != kMade)
        return fail(Code::exists, fmt::format("{} is another authority", copy.string()),
                    "Nothing was overwritten: move it away, or start from an empty folder.");
    }
    auto written = write_file(copy, folder.authorities, 0644);
    if (!written) return written;
  }
  return {};
}

Status ensure_authority(Folder& folder, WallTime now) {
  const auto certificate = folder.dir / "ca/ca.crt";
  const auto key = folder.dir / "ca/ca.key";
  std::error_code ec;
  if (fs::exists(certificate, ec)) {
    auto text = read_file(certificate);
    if (!text) return fail(text.error());
    folder.authorities = std::move(*text);
    if (auto secret = read_file(key)) folder.key = std::move(*secret);
    if (!folder.key.empty()) return net::check_key(folder.authorities, folder.key);
    return {};
  }
  auto fresh = fs::exists(key, ec) ? read_file(key) : net::make_key();
  if (!fresh) return fail(fresh.error());
  auto made = net::make_authority({.common_name = "Aurum development authority",
                                   .organization = kMade,
                                   .names = {},
                                   .days = kAuthorityDays},
                                  std::move(*fresh), now);
  if (!made) return fail(made.error());
  auto written = write_file(key, made->key, 0600);
  if (written) written = write_file(certificate, made->certificate, 0644);
  folder.authorities = made->certificate;
  folder.key = made->key;
  return written;
}

/// Copies one file of the user's; what is there already must be the same.
Status install(const fs::path& from, const fs::path& to, mode_t mode) {
  auto text = read_file(from);
  if (!text) return fail(text.error());
  auto there = read_file(to);
  if (there && *there == *text) return {};
  if (there)
    return fail(Code::exists,
                fmt::format("{} is there already and differs from {}", to.string(), from.string()),
                "Nothing was overwritten: move it away, or start from an empty folder.");
  return write_file(to, *text, mode);
}

/// The user's own, as many as there are; looked at before anything is written.
Status install_own(const Folder& folder, const fs::path& from) {
  std::error_code ec;
  const auto authority = fs::exists(from / "ca.crt", ec) ? from / "ca.crt" : from / "ca/ca.crt";
  auto authorities = read_file(authority);
  if (!authorities)
    return fail(Code::not_found, fmt::format("{} has no ca.crt", from.string()),
                "Put the certificate of your authority there.");
  for (const auto& wanted : wanted_of(folder.hosts)) {
    const auto file = from / wanted.file();
    if (!fs::exists(file, ec)) continue;
    auto certificate = read_file(file);
    if (!certificate) return fail(certificate.error());
    auto key = read_file(key_of(file));
    if (!key) return fail(key.error());
    auto good = net::check_key(*certificate, *key);
    if (good) good = net::check_authority(*certificate, *authorities);
    if (!good) return fail(good.error().within(file.string()));
  }
  auto done = install(authority, folder.dir / "ca/ca.crt", 0644);
  if (done && fs::exists(from / "ca/ca.key", ec))
    done = install(from / "ca/ca.key", folder.dir / "ca/ca.key", 0600);
  for (const auto& wanted : wanted_of(folder.hosts)) {
    const auto file = from / wanted.file();
    if (!done || !fs::exists(file, ec)) continue;
    const auto host_dir = folder.dir / wanted.host->name;
    done = install(key_of(file), key_of(folder.dir / wanted.file()),
                   key_mode(host_dir, wanted.use->role));
    if (done) done = install(file, folder.dir / wanted.file(), 0644);
    if (!done || !wanted.use->combined) continue;
    auto certificate = read_file(file);
    auto key = read_file(key_of(file));
    if (certificate && key)
      done = write_file(fs::path(folder.dir / wanted.file()).replace_extension(".pem"),
                        *certificate + *key, key_mode(host_dir, wanted.use->role));
  }
  return done;
}

}  // namespace

std::string_view to_string(HostRole role) {
  for (const auto& [known, text] : kRoles)
    if (known == role) return text;
  return "";
}

std::string_view to_string(CertState state) {
  switch (state) {
    case CertState::good:
      return "good";
    case CertState::expires_soon:
      return "expires soon";
    case CertState::expired:
      return "expired";
    case CertState::not_yet_valid:
      return "not yet valid";
    case CertState::missing:
      return "missing";
    case CertState::wrong_authority:
      return "wrong authority";
    case CertState::wrong_key:
      return "wrong key";
    case CertState::wrong_mode:
      return "wrong mode";
    case CertState::unreadable:
      return "unreadable";
  }
  return "";
}

bool usable(CertState state) {
  return state == CertState::good || state == CertState::expires_soon;
}

Result<CertHost> parse_host(std::string_view text) {
  const auto colon = text.find(':');
  const auto equals = std::min(text.find('='), text.size());
  if (colon == std::string_view::npos || colon >= equals)
    return fail(Code::invalid, fmt::format("'{}' is no host", text), "postgres:node-1=10.0.0.1");
  auto role = role_from(text.substr(0, colon));
  if (!role) return fail(role.error());
  CertHost host{*role, std::string(text.substr(colon + 1, equals - colon - 1)), {}};
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
  };
  if (host.name.empty() || host.name == "ca" || host.name.front() == '.' ||
      !std::ranges::all_of(host.name, plain))
    return fail(Code::invalid, fmt::format("'{}' is no name for a host", host.name));
  if (equals == text.size()) return host;
  std::istringstream names{std::string(text.substr(equals + 1))};
  for (std::string name; std::getline(names, name, ',');)
    if (!name.empty()) host.names.push_back(std::move(name));
  return host;
}

std::vector<CertHost> compose_hosts() {
  std::vector<CertHost> hosts;
  for (int i = 1; i <= 3; ++i) hosts.push_back({HostRole::etcd, fmt::format("etcd-{}", i), {}});
  // Clients that come through HAProxy compare the name they called with the certificate of
  // PostgreSQL.
  for (int i = 1; i <= 3; ++i)
    hosts.push_back({HostRole::postgres, fmt::format("postgres-{}", i), {"haproxy"}});
  hosts.push_back({HostRole::pgbackrest, "pgbackrest", {}});
  hosts.push_back({HostRole::haproxy, "haproxy", {}});
  hosts.push_back({HostRole::pgbouncer, "pgbouncer", {}});
  hosts.push_back({HostRole::exporter, "exporter", {"exporter-1", "exporter-2", "exporter-3"}});
  hosts.push_back({HostRole::prometheus, "prometheus", {}});
  hosts.push_back({HostRole::alertmanager, "alertmanager", {}});
  return hosts;
}

Result<std::vector<CertLine>> init_certs(const CertsWish& wish, WallTime now) {
  const fs::path& dir = wish.place.dir;
  Folder folder{.dir = dir, .hosts = wish.hosts, .days = wish.days};
  if (auto before = read_folder(wish.place)) {
    const auto named = [&](const CertHost& old) {
      return std::ranges::find(wish.hosts, old.name, &CertHost::name) != wish.hosts.end();
    };
    if (wish.join || wish.hosts.empty()) {
      std::erase_if(before->hosts, named);
      folder.hosts.insert(folder.hosts.begin(), before->hosts.begin(), before->hosts.end());
    }
  } else if (before.error().code != Code::not_found) {
    return fail(before.error());
  }
  if (folder.hosts.empty()) folder.hosts = compose_hosts();
  auto ready = make_folder(dir, 0755);
  if (ready) ready = make_folder(dir / "ca", 0700);
  for (const auto& host : folder.hosts)
    if (ready) ready = make_folder(dir / host.name, 0755);
  if (ready && !wish.from.empty()) ready = install_own(folder, wish.from);
  if (ready) ready = ensure_authority(folder, now);
  if (!ready) return fail(ready.error());
  std::vector<std::string> made;
  for (const auto& wanted : wanted_of(folder.hosts)) {
    auto done = ensure_pair(folder, wanted, now);
    if (!done) return fail(done.error());
    if (*done) made.push_back(wanted.file());
  }
  ready = spread_authority(folder);
  if (ready) ready = write_file(list_of(wish.place), plan_json(folder).dump(2) + "\n", 0644);
  if (!ready) return fail(ready.error());
  auto lines = look(folder, now);
  for (auto& line : lines) line.changed = std::ranges::find(made, line.file) != made.end();
  return lines;
}

Result<std::vector<CertLine>> renew_certs(const CertsPlace& place, const Renewal& renewal,
                                          WallTime now) {
  const fs::path& dir = place.dir;
  auto folder = read_folder(place);
  if (!folder) return fail(folder.error());
  if (folder->key.empty())
    return fail(Code::not_found, "the authority is your own, and its key is not here",
                "Issue new certificates, put them in place of the old ones; services see it.");
  const std::int64_t limit_s = now.us / 1'000'000 + renewal.before_days * kDay_s;
  std::vector<std::string> renewed;
  if (renewal.authority && is_ours(*folder, folder->authorities)) {
    auto made = net::make_authority({.common_name = "Aurum development authority",
                                     .organization = kMade,
                                     .names = {},
                                     .days = kAuthorityDays},
                                    folder->key, now);
    if (!made) return fail(made.error());
    auto written = write_file(dir / "ca/ca.crt", made->certificate, 0644);
    folder->authorities = made->certificate;
    if (written) written = spread_authority(*folder);
    if (!written) return fail(written.error());
    renewed.emplace_back("ca/ca.crt");
  }
  for (const auto& wanted : wanted_of(folder->hosts)) {
    const auto file = dir / wanted.file();
    auto old = read_file(file);
    if (!old || !is_ours(*folder, *old)) continue;
    const auto facts = net::read_certificate(*old);
    if (!renewal.all && facts->not_after_s > limit_s) continue;
    auto key = renewal.new_keys ? net::make_key() : read_file(key_of(file));
    if (!key) return fail(key.error());
    auto made =
        net::issue({folder->authorities, folder->key}, wish_of(wanted, folder->days), *key, now);
    if (!made) return fail(made.error().within(wanted.file()));
    auto written = write_pair(*folder, wanted, *made, *key, renewal.new_keys);
    if (!written) return fail(written.error());
    renewed.push_back(wanted.file());
  }
  auto lines = look(*folder, now);
  for (auto& line : lines) line.changed = std::ranges::find(renewed, line.file) != renewed.end();
  return lines;
}

Result<std::vector<CertLine>> certs_status(const CertsPlace& place, WallTime now) {
  auto folder = read_folder(place);
  if (!folder) return fail(folder.error());
  return look(*folder, now);
}

}  // namespace aurum::stack
