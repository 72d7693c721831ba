#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

/// The certificates of a stack: a development authority and what every link needs, or the user's
/// own. A folder for each host, so that a host is given its own keys and nobody else's:
///
///   ca/ca.crt ca/ca.key ca/certs.json     the authority; the key leaves this folder never. And the
///                                         hosts, in one list or several (CertsPlace)
///   HOST/ca.crt HOST/USE.crt HOST/USE.key
///
/// What must stay true: a file that we did not make is never changed (certs_test.cc,
/// never_touches_what_it_did_not_make). Ours is what our authority signed and says so in its
/// subject.
namespace aurum::stack {

/// What runs on a host, and so which certificates it needs.
enum class HostRole {
  postgres,
  etcd,
  pgbackrest,
  haproxy,
  pgbouncer,
  exporter,
  prometheus,
  alertmanager
};
std::string_view to_string(HostRole role);

struct CertHost {
  HostRole role{};
  std::string name;                ///< its folder, and its first DNS name
  std::vector<std::string> names;  ///< by which others reach it besides: DNS names, addresses
  friend bool operator==(const CertHost&, const CertHost&) = default;
};
/// "postgres:node-1" or "postgres:node-1=10.0.0.1,db1.example.org".
Result<CertHost> parse_host(std::string_view text);
/// The hosts of compose.yaml.
std::vector<CertHost> compose_hosts();

struct CertsPlace {
  std::filesystem::path dir;
  /// ca/LIST.json has the hosts. Who shares nothing but `ca` with the others, as a container that
  /// makes the certificates of one host more, has a list of its own.
  std::string list = "certs";
};

struct CertsWish {
  CertsPlace place;
  std::vector<CertHost> hosts;  ///< empty = those of the list, or compose_hosts()
  bool join = false;            ///< besides those of the list, a host of that name instead of it
  int days = 365;
  std::filesystem::path from;  ///< the user's own, laid out as above; "" = none
};

enum class CertState {
  good,
  expires_soon,
  expired,
  not_yet_valid,
  missing,
  wrong_authority,
  wrong_key,
  wrong_mode,
  unreadable
};
std::string_view to_string(CertState state);
/// Whether a service can work with it.
bool usable(CertState state);

/// One certificate of the folder and its key.
struct CertLine {
  std::string file;  ///< below the folder: "postgres-1/rest.crt"
  CertState state{};
  std::string text;  ///< what is wrong with it; "" = nothing
  std::string hint;
  std::string subject;
  std::vector<std::string> names;
  std::int64_t not_after_s = 0;
  bool ours = false;     ///< made by us: may be renewed
  bool changed = false;  ///< made, renewed or installed by this call
};

constexpr int kSoonDays = 30;

/// Makes what is missing and leaves the rest. The lines tell what there is now.
Result<std::vector<CertLine>> init_certs(const CertsWish& wish, WallTime now);

struct Renewal {
  int before_days = kSoonDays;  ///< those that end within so many days
  bool all = false;
  bool new_keys = false;   ///< else a key is kept, and one file changes, at once
  bool authority = false;  ///< the authority's own certificate too; it keeps its key
};
/// Renews what is ours. Services pick it up by themselves.
Result<std::vector<CertLine>> renew_certs(const CertsPlace& place, const Renewal& renewal,
                                          WallTime now);

Result<std::vector<CertLine>> certs_status(const CertsPlace& place, WallTime now);

}  // namespace aurum::stack
