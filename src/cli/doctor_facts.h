#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/cluster_backups.h"
#include "backup/restore_trial.h"
#include "base/result.h"
#include "model/cluster.h"
#include "model/config.h"

/// What `aurum doctor` knows before it judges. What could not be asked is absent, never guessed.
namespace aurum::cli {

struct EtcdFacts {
  std::string endpoint;
  std::string error;  ///< "" = it answered
  std::string version;
  std::optional<double> fsync_p99_s;  ///< since its start
};

/// What an agent says of itself.
struct AgentFacts {
  std::string name;
  std::string error;    ///< "" = it answered
  model::Value status;  ///< GET /patroni
  std::string metrics;  ///< GET /metrics
};

/// A line of pg_hba.conf as the server understood it.
struct HbaLine {
  int number = 0;
  std::string type, address, method;
};

struct ArchiverFacts {
  std::int64_t archived = 0, failed = 0;            ///< counts
  std::int64_t last_archived = 0, last_failed = 0;  ///< seconds since 1970; 0 = never
};

/// What the leader's PostgreSQL says.
struct ServerFacts {
  std::map<std::string, std::string> settings;
  std::vector<HbaLine> hba;
  ArchiverFacts archiver;
};

struct FileFacts {
  std::string path;
  unsigned mode = 0;
  bool directory = false;
};

/// What the kernel grants a guard.
struct GuardFacts {
  bool real_time = false;
  bool locked = false;  ///< its memory is
  int oom_score = 0;    ///< oom_score_adj
};

/// This machine, which is a node of the cluster.
struct MachineFacts {
  std::optional<bool> clock_synchronized;
  std::vector<FileFacts> secrets;    ///< keys, passwords, the data directory
  std::optional<double> free_share;  ///< of the data directory's disk, 0 to 1
  std::optional<GuardFacts> guard;   ///< absent: no guard of this member runs here
};

struct DoctorFacts {
  model::LocalConfig config;
  std::vector<model::Finding> passwords;
  WallTime now;
  std::vector<EtcdFacts> etcd;
  Result<model::ClusterView> view = fail(Code::unavailable, "not asked");
  std::optional<backup::BackupKeys> backups;
  std::optional<backup::RestoreTrial> restore_test;
  std::vector<AgentFacts> agents;
  Result<ServerFacts> server = fail(Code::unavailable, "not asked");
  MachineFacts machine;
};

/// Asks etcd, every agent, the leader's PostgreSQL and this machine; each question has a deadline
/// of a few seconds. `config_file` is looked at for its mode; "" = there is none.
DoctorFacts gather_facts(model::LocalConfig config, const std::string& config_file);

/// The 99th percentile of a Prometheus histogram: the upper bound of the bucket that it is in.
std::optional<double> p99(std::string_view metrics, std::string_view histogram);
/// Label text and value of every sample of that name.
std::vector<std::pair<std::string, double>> samples(std::string_view metrics,
                                                    std::string_view name);

}  // namespace aurum::cli
