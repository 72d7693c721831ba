#include "cli/doctor_checks.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dcs/etcd_version.h"
#include "model/decode.h"

namespace aurum::cli {

namespace {

constexpr double kFsyncGood_s =
    0.025;  // etcd's own advice is 10 ms; a disk it shares has 50 and more
constexpr double kRoom = 0.2;
constexpr std::int64_t kLagGood = 16 << 20;
constexpr std::int64_t kDay_s = 86'400;
constexpr std::int64_t kBackupAge_s = kDay_s + kDay_s / 12;  // a daily one that takes its time
constexpr std::int64_t kRestoreTestAge_s = 31 * kDay_s;
constexpr std::int64_t kCertificateLeft_s = 21 * kDay_s;

Verdict good(std::string told) { return {Health::pass, std::move(told), {}}; }
Verdict bad(std::string told, std::string fix) {
  return {Health::fail, std::move(told), std::move(fix)};
}
Verdict unknown(std::string why) { return {Health::unknown, std::move(why), {}}; }

/// Pass when nothing is wrong.
Verdict none_of(const std::vector<std::string>& wrong, std::string told, std::string fix) {
  if (wrong.empty()) return good(std::move(told));
  return bad(fmt::format("{}", fmt::join(wrong, "; ")), std::move(fix));
}

std::string setting(const DoctorFacts& f, const std::string& name) {
  const auto found = f.server->settings.find(name);
  return found == f.server->settings.end() ? "" : found->second;
}
Verdict no_server(const DoctorFacts& f) {
  return unknown("the leader's PostgreSQL was not asked: " + f.server.error().message);
}
Verdict no_view(const DoctorFacts& f) { return unknown("etcd: " + f.view.error().message); }

model::DynamicConfig dynamic(const DoctorFacts& f) {
  return model::read_dynamic_config(f.view->config);
}
std::vector<const model::Member*> replicas(const DoctorFacts& f) {
  std::vector<const model::Member*> out;
  const auto* leader = f.view->leader_member();
  for (const auto& [name, member] : f.view->members)
    if (leader == nullptr || name != leader->name) out.push_back(&member);
  return out;
}
/// The first that did not answer: what it would have said is not known.
Verdict agents_that_hide(const DoctorFacts& f) {
  for (const auto& agent : f.agents)
    if (!agent.error.empty()) return unknown(fmt::format("{}: {}", agent.name, agent.error));
  return unknown("no agent was asked");
}
bool all_agents(const DoctorFacts& f) {
  return !f.agents.empty() &&
         std::ranges::all_of(f.agents, [](const auto& a) { return a.error.empty(); });
}

// --- etcd

Verdict etcd_members(const DoctorFacts& f) {
  std::vector<std::string> wrong;
  for (const auto& etcd : f.etcd)
    if (!etcd.error.empty()) wrong.push_back(etcd.endpoint + ": " + etcd.error);
  if (f.etcd.size() < 3)
    wrong.push_back(fmt::format("only {} named: none may be lost", f.etcd.size()));
  else if (f.etcd.size() % 2 == 0)
    wrong.push_back(fmt::format("{} are as safe as {}", f.etcd.size(), f.etcd.size() - 1));
  return none_of(
      wrong, fmt::format("{} answer", f.etcd.size()),
      "Run three (or five) members on machines of their own, and name all in etcd3.hosts.");
}

Verdict etcd_version(const DoctorFacts& f) {
  std::set<std::string> versions, old;
  for (const auto& etcd : f.etcd) {
    if (etcd.version.empty()) continue;
    versions.insert(etcd.version);
    if (!dcs::etcd_version_warning(etcd.version).empty()) old.insert(etcd.version);
  }
  if (versions.empty()) return unknown("no member of etcd told its version");
  if (old.empty()) return good(fmt::format("{}", fmt::join(versions, ", ")));
  return bad(fmt::format("{} may lose leases that are alive", fmt::join(old, ", ")),
             "Upgrade etcd to 3.5.28 or 3.6.9, one member at a time.");
}

Verdict etcd_disk(const DoctorFacts& f) {
  std::optional<double> worst;
  for (const auto& etcd : f.etcd)
    if (etcd.fsync_p99_s) worst = std::max(worst.value_or(0), *etcd.fsync_p99_s);
  if (!worst) return unknown("no member of etcd shows its metrics");
  const auto told = fmt::format("99 of 100 fsyncs take less than {:.0f} ms", *worst * 1000);
  return *worst <= kFsyncGood_s ? good(told)
                                : bad(told, "Give etcd a disk of its own, best an SSD.");
}

// --- the cluster

Verdict members(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  std::vector<std::string> wrong;
  if (f.view->leader_member() == nullptr) wrong.emplace_back("nobody leads");
  for (const auto* m : replicas(f))
    if (m->state != model::PgState::running || m->replication_state != "streaming")
      wrong.push_back(m->name + " does not stream");
  if (f.view->members.size() < 2) wrong.emplace_back("no replica");
  return none_of(wrong, fmt::format("{}, all well", f.view->members.size()),
                 "aurum ctl list; the log of that member says why.");
}

Verdict hosts(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  std::map<std::string, std::string> seen;
  std::vector<std::string> wrong;
  for (const auto& [name, member] : f.view->members) {
    const auto host = model::parse_url_host(member.conn_url);
    if (!host) continue;
    const auto [at, fresh] = seen.emplace(host->host, name);
    if (!fresh)
      wrong.push_back(fmt::format("{} and {} are both on {}", at->second, name, host->host));
  }
  if (seen.empty()) return unknown("no member is known");
  return none_of(wrong, fmt::format("{} machines", seen.size()),
                 "A machine's end must not end two members.");
}

Verdict candidates(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  std::vector<std::string> able;
  for (const auto* m : replicas(f))
    if (!model::tag_nofailover(*m) && m->replication_state == "streaming") able.push_back(m->name);
  if (able.empty())
    return bad("no replica may take over",
               "Take nofailover out of the tags of one, and let it stream.");
  return good(fmt::format("{} may take over", fmt::join(able, ", ")));
}

Verdict lag(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  const auto* leader = f.view->leader_member();
  if (leader == nullptr || !leader->xlog_location) return unknown("the leader tells no position");
  std::vector<std::string> wrong;
  for (const auto* m : replicas(f)) {
    const auto at = m->receive_lsn ? m->receive_lsn : m->xlog_location;
    if (!at) {
      wrong.push_back(m->name + " tells no position");
      continue;
    }
    const auto behind = static_cast<std::int64_t>(leader->xlog_location->value) -
                        static_cast<std::int64_t>(at->value);
    if (behind > kLagGood)
      wrong.push_back(fmt::format("{} is {} MB behind", m->name, behind >> 20));
  }
  return none_of(
      wrong, "less than 16 MB",
      "Look for long queries on it, a slow disk or network; it is not promoted while it lags.");
}

Verdict pending_restart(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  std::vector<std::string> waiting;
  for (const auto& [name, member] : f.view->members)
    if (member.pending_restart) waiting.push_back(name);
  return none_of(waiting, "no settings wait", "aurum ctl restart SCOPE --pending, replicas first.");
}

Verdict not_paused(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  return dynamic(f).pause ? bad("paused: no failover happens", "aurum ctl resume")
                          : good("not paused");
}

Verdict timing(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  const auto d = dynamic(f);
  const auto told = fmt::format("ttl {}, loop_wait {}, retry_timeout {}", d.ttl_s, d.loop_wait_s,
                                d.retry_timeout_s);
  if (!d.findings.empty())
    return bad(told + ": " + d.findings.front().message, "aurum ctl edit-config");
  if (d.loop_wait_s + 2 * d.retry_timeout_s > d.ttl_s)
    return bad(told, "ttl must hold loop_wait and twice retry_timeout: aurum ctl edit-config.");
  if (d.ttl_s > 30)
    return bad(told, "A lost node is replaced ttl seconds later: aurum ctl edit-config -s ttl=10.");
  return good(told);
}

Verdict synchronous(const DoctorFacts& f) {
  if (!f.view) return no_view(f);
  const auto d = dynamic(f);
  if (d.synchronous_mode == model::SyncMode::off)
    return bad("a failover may lose what was acknowledged last",
               "aurum ctl edit-config -s synchronous_mode=on, where that must not be.");
  if (f.view->sync.members.empty())
    return bad("synchronous mode is on, and no standby is",
               "aurum ctl list; a standby must stream, without nosync.");
  const auto& names = f.view->sync.members;
  const auto waits = names.size() - static_cast<std::size_t>(std::max(f.view->sync.quorum, 0));
  const std::string some = waits < names.size() ? fmt::format("{} of ", waits) : "";
  return good(fmt::format("a commit waits for {}{}", some, fmt::join(names, ", ")));
}

Verdict versions(const DoctorFacts& f) {
  if (!all_agents(f) || !f.view) return f.view ? agents_that_hide(f) : no_view(f);
  std::set<std::string> postgres, aurum;
  for (const auto& agent : f.agents)
    postgres.insert(std::to_string(model::int_at(agent.status, "server_version")));
  for (const auto& [name, member] : f.view->members)
    aurum.insert(member.aurum_version.empty() ? "patroni " + member.version : member.aurum_version);
  const auto told = fmt::format("PostgreSQL {}, aurum {}", fmt::join(postgres, " and "),
                                fmt::join(aurum, " and "));
  if (postgres.size() > 1 || aurum.size() > 1)
    return bad(told, "Bring all members to the same, one after the other, replicas first.");
  return good(told);
}

// --- safety of what is written

Verdict fence(const DoctorFacts& f) {
  if (!f.server) return no_server(f);
  if (!setting(f, "shared_preload_libraries").contains("aurum_fence"))
    return bad("the leader's PostgreSQL runs without aurum_fence",
               "Install aurum-fence-NN on every node, then aurum ctl restart SCOPE.");
  if (setting(f, "aurum.fence") == "off")
    return bad("aurum.fence is off", "Start PostgreSQL by the agent.");
  return good("loaded on the leader");
}

Verdict guard(const DoctorFacts& f) {
  if (!f.machine.guard) return unknown("no guard of this member runs on this machine");
  const GuardFacts& guard = *f.machine.guard;
  std::vector<std::string> wrong, remedies;
  const auto missing = [&](const char* what, const char* remedy) {
    wrong.emplace_back(what);
    remedies.emplace_back(remedy);
  };
  if (!guard.real_time)
    missing("it waits for its turn as any process does", "LimitRTPRIO=1 (--ulimit rtprio=1)");
  if (!guard.locked)
    missing("its memory can be swapped out", "LimitMEMLOCK=infinity (--ulimit memlock=-1)");
  if (guard.oom_score >= 0)
    missing("it may be killed when memory is short", "OOMScoreAdjust=-900 (--oom-score-adj=-900)");
  return none_of(
      wrong, "real-time, in memory, spared when memory is short: on this node",
      fmt::format("In the unit, as ours has it, or in docker run: {}.", fmt::join(remedies, ", ")));
}

Verdict durability(const DoctorFacts& f) {
  if (!f.server) return no_server(f);
  std::vector<std::string> wrong;
  for (const char* name : {"fsync", "full_page_writes", "synchronous_commit"})
    if (setting(f, name) == "off") wrong.push_back(std::string(name) + " is off");
  return none_of(wrong, "fsync, full_page_writes and synchronous_commit are on",
                 "aurum ctl edit-config; never off where data matters.");
}

Verdict checksums(const DoctorFacts& f) {
  if (!f.server) return no_server(f);
  if (setting(f, "data_checksums") == "on") return good("on");
  return bad("a damaged page is not noticed",
             "pg_checksums --enable, with PostgreSQL stopped: one replica after the other.");
}

Verdict rewind(const DoctorFacts& f) {
  if (!f.server) return no_server(f);
  if (!f.view) return no_view(f);
  if (!f.config.pg.use_pg_rewind.value_or(dynamic(f).use_pg_rewind))
    return bad("use_pg_rewind is off: a former primary is copied anew",
               "aurum ctl edit-config -s postgresql.use_pg_rewind=true");
  if (setting(f, "data_checksums") != "on" && setting(f, "wal_log_hints") != "on")
    return bad("neither checksums nor wal_log_hints are on",
               "aurum ctl edit-config -p wal_log_hints=on, then restart.");
  return good(setting(f, "data_checksums") == "on" ? "use_pg_rewind, checksums"
                                                   : "use_pg_rewind, wal_log_hints");
}

Verdict slots(const DoctorFacts& f) {
  if (!f.server) return no_server(f);
  const auto size = setting(f, "max_slot_wal_keep_size");
  if (size.empty()) return unknown("this PostgreSQL has no max_slot_wal_keep_size");
  if (size != "-1") return good(size + " MB");
  return bad("max_slot_wal_keep_size = -1: a lost standby fills the disk",
             "aurum ctl edit-config -p max_slot_wal_keep_size=4GB; a quarter of the volume.");
}

// --- backups

Verdict archiving(const DoctorFacts& f) {
  if (!f.server) return no_server(f);
  if (setting(f, "archive_mode") == "off")
    return bad("archive_mode is off",
               "An aurum.backup section (docs/BACKUP.md), then aurum ctl restart.");
  const auto& a = f.server->archiver;
  if (a.archived == 0 && a.failed == 0)
    return unknown("no WAL was archived since the server's start");
  if (a.last_failed > a.last_archived)
    return bad(fmt::format("{} tries failed, the last one after the last good one", a.failed),
               "aurum backup check says why.");
  return good(fmt::format("{} files since the statistics began", a.archived));
}

Verdict backup_age(const DoctorFacts& f) {
  if (!f.config.aurum.backup) return bad("no aurum.backup in the configuration", "docs/BACKUP.md");
  if (!f.backups) return unknown(f.view ? "not asked" : f.view.error().message);
  std::int64_t newest = 0;
  for (const auto& [kind, run] : f.backups->state.good)
    if (backup::is_backup(kind)) newest = std::max(newest, run.started);
  if (newest == 0)
    return bad("there is none", "aurum backup now --type full, and a schedule in aurum.backup.");
  const auto age = f.now.us / 1'000'000 - newest;
  const auto told = fmt::format("the last one is {} hours old", age / 3600);
  return age <= kBackupAge_s
             ? good(told)
             : bad(told, "aurum backup list tells what failed, and what is planned.");
}

Verdict restore_test(const DoctorFacts& f) {
  if (!f.config.aurum.backup) return bad("no aurum.backup in the configuration", "docs/BACKUP.md");
  if (!f.view) return no_view(f);
  if (!f.restore_test) return bad("never", "aurum backup test");
  if (!f.restore_test->ok)
    return bad("the last one failed: " + f.restore_test->error,
               "aurum backup test, and mend what it says.");
  const auto at = model::parse_iso8601(f.restore_test->at);
  if (!at) return unknown("its time can not be read: " + f.restore_test->at);
  const auto age = (f.now.us - at->us) / 1'000'000;
  const auto told = fmt::format("the last one is {} days old, a restore took {:.0f} s",
                                age / kDay_s, f.restore_test->rto_s);
  return age <= kRestoreTestAge_s ? good(told) : bad(told, "aurum backup test");
}

// --- who may come in

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("::1") || address == "samehost" ||
         address == "localhost";
}

Verdict tls(const DoctorFacts& f) {
  std::vector<std::string> plain;
  if (f.config.etcd.protocol != "https") plain.emplace_back("etcd");
  if (f.config.rest.tls.certfile.empty()) plain.emplace_back("REST");
  const auto& options = f.config.pg.replication.options;
  const auto mode = options.find("sslmode");
  const bool sure =
      mode != options.end() && (mode->second == "require" || mode->second.starts_with("verify-"));
  if (!sure) plain.emplace_back("replication (sslmode)");
  if (f.server) {
    if (setting(f, "ssl") != "on") plain.emplace_back("PostgreSQL (ssl)");
    for (const auto& line : f.server->hba)
      if ((line.type == "host" || line.type == "hostnossl") && line.method != "reject" &&
          !is_loopback(line.address))
        plain.push_back(fmt::format("pg_hba.conf line {} ({})", line.number, line.type));
  }
  if (!plain.empty())
    return bad(fmt::format("without it: {}", fmt::join(plain, ", ")),
               "aurum certs --help; hostssl in pg_hba.");
  return f.server ? good("etcd, REST, replication and clients") : no_server(f);
}

Verdict authentication(const DoctorFacts& f) {
  if (!f.server) return no_server(f);
  std::vector<std::string> weak;
  if (setting(f, "password_encryption") != "scram-sha-256")
    weak.push_back("password_encryption = " + setting(f, "password_encryption"));
  for (const auto& line : f.server->hba)
    if (line.type != "local" &&
        (line.method == "trust" || line.method == "password" || line.method == "md5"))
      weak.push_back(fmt::format("pg_hba.conf line {} ({})", line.number, line.method));
  return none_of(weak, "scram-sha-256, nobody is trusted",
                 "scram-sha-256 or cert in pg_hba; new passwords after it.");
}

Verdict passwords(const DoctorFacts& f) {
  for (const auto& finding : f.passwords)
    return bad(finding.text(), "Passwords of your own, for which nobody needs AURUM_DEVELOPMENT.");
  if (f.config.pg.superuser.password.empty()) return unknown("this file names no password");
  return good("none of the quick start's");
}

Verdict rest_writes(const DoctorFacts& f) {
  if (f.config.rest.verify_client == "required") return good("with a certificate of the authority");
  if (!f.config.rest.username.empty() && !f.config.rest.password.empty())
    return good("with a password");
  if (!f.config.aurum.access.empty()) return good("with a role of aurum.access");
  if (f.config.rest.verify_client == "optional") return good("with a certificate of the authority");
  return bad("anybody who reaches port 8008 may switch over, restart and reconfigure",
             "restapi.authentication, or restapi.verify_client with certificates.");
}

Verdict file_modes(const DoctorFacts& f) {
  if (f.machine.secrets.empty()) return unknown("none could be looked at");
  std::vector<std::string> open;
  for (const auto& file : f.machine.secrets)
    if ((file.mode & (file.directory ? 027U : 037U)) != 0)
      open.push_back(fmt::format("{} is {:04o}", file.path, file.mode));
  return none_of(open, fmt::format("{} looked at on this node", f.machine.secrets.size()),
                 "chmod 0640 or 0600; the data directory 0700.");
}

Verdict certificates(const DoctorFacts& f) {
  std::optional<std::int64_t> first;
  std::string whose;
  for (const auto& agent : f.agents)
    for (const auto& [labels, end] :
         samples(agent.metrics, "aurum_certificate_expiry_timestamp_seconds")) {
      const auto left = static_cast<std::int64_t>(end) - f.now.us / 1'000'000;
      if (first && *first <= left) continue;
      first = left;
      const auto use = labels.find("use=\"");
      whose = agent.name;
      if (use != std::string::npos)
        whose += " " + labels.substr(use + 5, labels.find('"', use + 5) - use - 5);
    }
  if (!first && all_agents(f)) return unknown("no agent works with certificates");
  if (!first) return agents_that_hide(f);
  const auto told = fmt::format("the first one ends in {} days ({})", *first / kDay_s, whose);
  if (*first < kCertificateLeft_s) return bad(told, "aurum certs renew; no restart is needed.");
  return all_agents(f) ? good(told) : agents_that_hide(f);
}

// --- this machine

Verdict time_sync(const DoctorFacts& f) {
  if (!f.machine.clock_synchronized) return unknown("the kernel does not say");
  return *f.machine.clock_synchronized
             ? good("on this node")
             : bad("this node's clock is not kept by NTP", "apt-get install chrony");
}

Verdict disk_room(const DoctorFacts& f) {
  if (!f.machine.free_share) return unknown("there is no data directory here");
  const auto told = fmt::format("{:.0f} % free on this node", *f.machine.free_share * 100);
  return *f.machine.free_share >= kRoom
             ? good(told)
             : bad(told, "A full disk ends writing: a larger volume, or less WAL and data.");
}

}  // namespace

std::string_view to_string(Health health) {
  return health == Health::pass ? "pass" : health == Health::fail ? "fail" : "not known";
}

const std::vector<CheckItem>& check_items() {
  static const std::vector<CheckItem> kItems = {
      {"etcd-members", "three or five members of etcd, all of them well", etcd_members},
      {"etcd-version", "etcd without known faults in its leases", etcd_version},
      {"etcd-disk", "etcd's disk is fast, so best its own", etcd_disk},
      {"members", "a leader, and replicas that stream", members},
      {"hosts", "each member on a machine of its own", hosts},
      {"tags", "a replica may take over", candidates},
      {"lag", "replicas are close behind", lag},
      {"pending-restart", "no settings wait for a restart", pending_restart},
      {"not-paused", "failover is on", not_paused},
      {"versions", "all members run the same versions", versions},
      {"timing", "ttl, loop_wait and retry_timeout fit each other", timing},
      {"synchronous-mode", "a failover loses nothing acknowledged", synchronous},
      {"commit-fence", "a primary without a lease acknowledges nothing", fence},
      {"guard", "the guard waits for nobody: it is real-time", guard},
      {"durability", "a commit is on the disk", durability},
      {"checksums", "damaged pages are noticed", checksums},
      {"pg-rewind", "a former primary can be rewound (wal_log_hints or checksums)", rewind},
      {"slots-bounded", "a lost standby does not fill the disk (max_slot_wal_keep_size)", slots},
      {"archiving", "WAL is archived", archiving},
      {"backup-age", "the last backup is at most a day old", backup_age},
      {"restore-test", "a restore was tested within a month", restore_test},
      {"tls", "TLS on every link", tls},
      {"authentication", "nobody comes in without proof", authentication},
      {"passwords", "passwords that nobody else knows", passwords},
      {"rest-writes", "REST: only who proves himself may change anything", rest_writes},
      {"file-modes", "keys, passwords and data are not for everybody", file_modes},
      {"certificates", "certificates end in three weeks at the earliest", certificates},
      {"time-sync", "the clock is synchronized", time_sync},
      {"disk-room", "a fifth of the disk is free", disk_room},
  };
  return kItems;
}

}  // namespace aurum::cli
