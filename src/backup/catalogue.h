#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/lsn.h"

/// What is in the repositories, from `pgbackrest info --output=json`. Pure.
namespace aurum::backup {

struct Backup {
  std::string label;
  std::string type;  ///< full | diff | incr
  int repository = 1;
  std::int64_t start = 0, stop = 0;  ///< seconds since 1970
  std::int64_t size = 0, delta = 0;  ///< of the database, and what of it was copied; bytes
  std::int64_t repository_size = 0, repository_delta = 0;  ///< what it takes there, and added
  std::string wal_start, wal_stop;
  model::Lsn lsn_start;
  model::Lsn lsn_stop;          ///< it is consistent from there on; 0 = not told
  std::string prior;            ///< the backup it builds on; "" = none
  std::string program_version;  ///< pgBackRest's
  std::int64_t database_id = 1;
  bool block_incr = false;
  std::string system_identifier;  ///< of the cluster it was taken from
  bool error = false;             ///< pages with wrong checksums were found
  friend bool operator==(const Backup&, const Backup&) = default;
};

/// The WAL of one history of the cluster in one repository.
struct Archive {
  std::string id;        ///< "15-1"
  std::string min, max;  ///< names of segments; "" = none
  int repository = 1;
  std::int64_t database_id = 1;
  friend bool operator==(const Archive&, const Archive&) = default;
};

struct RepositoryStatus {
  int number = 1;
  std::string cipher;
  std::int64_t status = 0;
  friend bool operator==(const RepositoryStatus&, const RepositoryStatus&) = default;
};

/// Which cluster the stanza is of.
struct StanzaDatabase {
  std::string version, system_identifier;
  std::int64_t id = 1;
  friend bool operator==(const StanzaDatabase&, const StanzaDatabase&) = default;
};

/// pgBackRest's status codes of a stanza that are of interest.
inline constexpr std::int64_t kStanzaOk = 0;
inline constexpr std::int64_t kStanzaMissing = 1;
inline constexpr std::int64_t kStanzaWithoutBackups = 2;

struct Catalogue {
  std::int64_t status = kStanzaMissing;
  std::string message;          ///< of the repository that is worst off
  std::vector<Backup> backups;  ///< oldest first
  std::vector<Archive> archives;
  std::vector<StanzaDatabase> databases;  ///< the newest last
  std::vector<RepositoryStatus> repositories;
  bool locked = false;  ///< a pgBackRest of this host works on it
  friend bool operator==(const Catalogue&, const Catalogue&) = default;
};

/// What is not understood is left out; Code::protocol only for what is no JSON list of stanzas.
/// A stanza that is not in it has status kStanzaMissing.
Result<Catalogue> parse_catalogue(std::string_view json, std::string_view stanza);

/// The table of `aurum backup list`, 80 columns wide, and what can be recovered; times in UTC.
std::string render_catalogue(const Catalogue& catalogue, std::string_view stanza);
/// The same for programs.
std::string catalogue_json(const Catalogue& catalogue, std::string_view stanza);

/// "2026-11-23 02:00:05" in UTC.
std::string moment(std::int64_t seconds);
/// The same with " UTC" behind it.
std::string moment(WallTime at);
/// "1:0/5" for segment 000000010000000000000005: timeline, and where in the WAL.
std::string short_segment(std::string_view segment);

}  // namespace aurum::backup
