#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/cluster.h"
#include "model/config.h"
#include "model/txn.h"
#include "model/value.h"
#include "runtime/log.h"

namespace aurum::cli {

/// Which cluster below the configured namespace.
struct ClusterId {
  std::string scope;
  std::string group = {};  ///< Citus group, "" = none
};

struct Reply {
  int status = 0;
  std::string body;
};

/// A statement, and the server it goes to. What is empty, libpq decides (PostgreSQL manual,
/// "Environment Variables").
struct Query {
  std::string host;
  int port = 5432;
  std::string user, dbname;
  std::optional<std::string> password;
  std::map<std::string, std::string> options = {};  ///< further keywords of libpq: sslmode, …
  std::optional<bool> in_recovery;                  ///< refuse a server that is not so
  std::string sql;
};

struct QueryResult {
  bool wrong_role = false;  ///< the server is not as `in_recovery` wants it; nothing was run
  std::string error;        ///< SQLSTATE, or libpq's words when there is none; "" = rows follow
  std::vector<std::string> columns;
  std::vector<std::vector<model::Value>> rows;
};

/// All that a ctl command touches outside of this process. Calls block until they are done; each
/// has a deadline.
class World {
 public:
  virtual ~World() = default;
  /// A linearizable read. A cluster that does not exist is an empty view.
  virtual Result<model::ClusterView> read(const ClusterId& cluster) = 0;
  virtual Result<model::TxnDone> txn(const ClusterId& cluster, model::Txn txn) = 0;
  /// Names of all clusters in the namespace, sorted.
  virtual Result<std::vector<std::string>> clusters() = 0;
  /// `path` as "/restart", on the member's REST API. Any status is a reply; Code::unavailable means
  /// that nothing was sent.
  virtual Result<Reply> call(const model::Member& member, std::string_view method,
                             std::string_view path, std::string body, Duration timeout) = 0;
  /// Runs a statement in autocommit, with Patroni's five seconds to connect.
  virtual QueryResult query(const Query& query) = 0;
  virtual WallTime wall_now() = 0;
  virtual void sleep(Duration time) = 0;
  /// Lets the user edit `text`; `name` becomes part of the temporary file's name.
  virtual Result<std::string> edit(std::string_view text, std::string_view name) = 0;
};

/// etcd, HTTP and $EDITOR. `log` outlives it.
std::unique_ptr<World> make_world(model::LocalConfig config, runtime::Logger& log);

}  // namespace aurum::cli
