#include "backup/exporter.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include <fmt/format.h>

namespace aurum::backup {

namespace {

/// What each backup is told about by; `value` of a backup.
struct Measure {
  std::string_view name, help;
  std::function<std::int64_t(const Backup&)> value;
};

const std::array<Measure, 7>& measures() {
  static const std::array<Measure, 7> kMeasures{
      Measure{"delta_bytes", "Amount of data in the database to actually backup.",
              [](const Backup& b) { return b.delta; }},
      {"size_bytes", "Full uncompressed size of the database.",
       [](const Backup& b) { return b.size; }},
      {"repo_delta_bytes", "Compressed files size in backup.",
       [](const Backup& b) { return b.repository_delta; }},
      {"repo_size_bytes", "Full compressed files size to restore the database from backup.",
       [](const Backup& b) { return b.repository_size; }},
      {"error_status", "Backup error status.",
       [](const Backup& b) { return std::int64_t{b.error}; }},
      {"duration_seconds", "Backup duration.",
       [](const Backup& b) { return std::max<std::int64_t>(b.stop - b.start, 0); }},
      {"databases", "Number of databases in backup.", nullptr}};
  return kMeasures;
}

/// The common labels, sorted by name as the exporter has them.
std::string labels_of(const Backup& backup, std::string_view stanza) {
  return fmt::format("{},{},block_incr=\"{}\",database_id=\"{}\",repo_key=\"{}\",{}",
                     label("backup_name", backup.label), label("backup_type", backup.type),
                     backup.block_incr ? "y" : "n", backup.database_id, backup.repository,
                     label("stanza", stanza));
}

void write_stanza(std::string& out, const Catalogue& catalogue, std::string_view stanza) {
  const auto of = label("stanza", stanza);
  Series(out, "pgbackrest_stanza_status", "Current stanza status.").sample(of, catalogue.status);
  Series(out, "pgbackrest_stanza_backup_lock_status", "Current stanza backup lock status.")
      .sample(of, std::int64_t{catalogue.locked});
  Series repositories(out, "pgbackrest_repo_status", "Current repository status.");
  for (const auto& repository : catalogue.repositories)
    repositories.sample(fmt::format("{},repo_key=\"{}\",{}", label("cipher", repository.cipher),
                                    repository.number, of),
                        repository.status);
}

void write_backups(std::string& out, const Catalogue& catalogue, std::string_view stanza) {
  Series info(out, "pgbackrest_backup_info", "Backup info.");
  for (const auto& backup : catalogue.backups) {
    const auto database =
        std::ranges::find(catalogue.databases, backup.database_id, &StanzaDatabase::id);
    info.sample(
        fmt::format(
            "{},{},{},{},{},{},{},{}", label("backrest_ver", backup.program_version),
            labels_of(backup, stanza), label("lsn_start", model::to_string(backup.lsn_start)),
            label("lsn_stop", model::to_string(backup.lsn_stop)),
            label("pg_version", database == catalogue.databases.end() ? "" : database->version),
            label("prior", backup.prior), label("wal_start", backup.wal_start),
            label("wal_stop", backup.wal_stop)),
        std::int64_t{1});
  }
  for (const auto& measure : measures()) {
    if (!measure.value || measure.name == "duration_seconds") continue;
    Series series(out, fmt::format("pgbackrest_backup_{}", measure.name), measure.help);
    for (const auto& backup : catalogue.backups)
      series.sample(labels_of(backup, stanza), measure.value(backup));
  }
  Series duration(out, "pgbackrest_backup_duration_seconds", "Backup duration.");
  for (const auto& backup : catalogue.backups)
    duration.sample(fmt::format("{},start_time=\"{}\",stop_time=\"{}\"", labels_of(backup, stanza),
                                moment(backup.start), moment(backup.stop)),
                    std::max<std::int64_t>(backup.stop - backup.start, 0));
}

/// The newest of each type; a full stands for diff and incr as well, a diff for incr.
std::map<std::string, const Backup*> newest(const Catalogue& catalogue) {
  std::map<std::string, const Backup*> out;
  for (const auto& backup : catalogue.backups) {  // the oldest is the first
    if (backup.type == "full") out["full"] = &backup;
    if (backup.type != "incr") out["diff"] = &backup;
    out["incr"] = &backup;
  }
  if (!out.contains("full")) out.clear();  // nothing hangs on nothing
  return out;
}

void write_last(std::string& out, const Catalogue& catalogue, std::string_view stanza,
                std::int64_t now) {
  const auto last = newest(catalogue);
  const auto labels = [&](const auto& entry) {
    return fmt::format("{},block_incr=\"{}\",{}", label("backup_type", entry.first),
                       entry.second->block_incr ? "y" : "n", label("stanza", stanza));
  };
  Series since(out, "pgbackrest_backup_since_last_completion_seconds",
               "Seconds since the last completed backup.");
  for (const auto& entry : last)
    since.sample(labels(entry), std::max<std::int64_t>(now - entry.second->stop, 0));
  for (const auto& measure : measures()) {
    if (!measure.value) continue;
    Series series(out, fmt::format("pgbackrest_backup_last_{}", measure.name), measure.help);
    for (const auto& entry : last) series.sample(labels(entry), measure.value(*entry.second));
  }
}

void write_archives(std::string& out, const Catalogue& catalogue, std::string_view stanza) {
  Series series(out, "pgbackrest_wal_archive_status", "Current WAL archive status.");
  for (const auto& archive : catalogue.archives) {
    const auto database =
        std::ranges::find(catalogue.databases, archive.database_id, &StanzaDatabase::id);
    series.sample(fmt::format("database_id=\"{}\",{},repo_key=\"{}\",{},wal_max=\"\",wal_min=\"\"",
                              archive.database_id,
                              label("pg_version",
                                    database == catalogue.databases.end() ? "" : database->version),
                              archive.repository, label("stanza", stanza)),
                  std::int64_t{!archive.min.empty() && !archive.max.empty()});
  }
}

}  // namespace

std::string label(std::string_view name, std::string_view value) {
  std::string out = fmt::format("{}=\"", name);
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out + '"';
}

Series::Series(std::string& out, std::string_view name, std::string_view help)
    : out_(out), name_(name) {
  out_ += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", name, help);
}
void Series::sample(std::string_view labels, double value) {
  out_ += fmt::format("{}{{{}}} {}\n", name_, labels, value);
}
void Series::sample(std::string_view labels, std::int64_t value) {
  out_ += fmt::format("{}{{{}}} {}\n", name_, labels, value);
}

std::string render_exporter(const Catalogue& catalogue, std::string_view stanza, std::int64_t now) {
  std::string out;
  write_stanza(out, catalogue, stanza);
  write_backups(out, catalogue, stanza);
  write_last(out, catalogue, stanza, now);
  write_archives(out, catalogue, stanza);
  Series(out, "pgbackrest_exporter_status", "Whether pgBackRest answered.")
      .sample(label("stanza", stanza), std::int64_t{1});
  return out;
}

}  // namespace aurum::backup
