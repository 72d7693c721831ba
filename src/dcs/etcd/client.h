#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "dcs/etcd/auth.h"
#include "dcs/etcd/endpoints.h"
#include "dcs/etcd/freshness.h"
#include "dcs/etcd/grpc_call.h"
#include "dcs/etcd/h2_connection.h"
#include "dcs/etcd/resolver.h"
#include "dcs/etcd/srv.h"
#include "model/config.h"
#include "runtime/log.h"

namespace aurum::dcs::etcd {

struct Rpc {
  std::string path;  ///< "/etcdserverpb.KV/Range"
  std::string request;
  CallKind kind = CallKind::read;
  bool check_revision =
      true;  ///< whether an answer with an older revision is from the past (Freshness)
};

/// Calls to one etcd cluster: keeps one connection to one endpoint, moves to the next when that
/// fails, logs in, repeats what may be repeated. Connecting is its own task, so that a slow
/// endpoint costs no call more than its time. Idle, it has one connection with its keep-alive timer
/// and nothing else.
///
/// Held by the store and by every coroutine under way, so it outlives both. All in one thread.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(asio::any_io_executor executor, model::EtcdConfig config, runtime::Logger& log,
         SrvLookup srv_lookup = system_srv_lookup);

  /// The serialized answer. Error codes as dcs/store.h has them.
  Task<Result<std::string>> call(Rpc rpc, Duration timeout);

  /// The current connection, made if need be; null when there is none before `deadline` or after
  /// close().
  Task<std::shared_ptr<H2Connection>> connection(Instant deadline);
  /// Leaves the connection, when it is still the current one and there is another endpoint, for a
  /// fault of its endpoint.
  void leave(const std::shared_ptr<H2Connection>& connection, const std::string& why);

  Auth& auth() { return auth_; }
  bool closed() const { return closed_; }
  void close();

  /// `error` with the name of the endpoint (and user, where credentials are concerned) put before
  /// its message.
  Error describe(Error error, const H2Connection& connection) const;
  /// Why there is no connection.
  Error unreachable() const;

 private:
  struct Attempt;
  Task<std::optional<Verdict>> log_in(std::shared_ptr<H2Connection> connection, Attempt& attempt);
  Task<std::optional<Verdict>> attempt(const Rpc& rpc, std::shared_ptr<H2Connection> connection,
                                       Attempt& attempt);
  bool fresh(const Rpc& rpc, const std::string& answer, const AnswerStamp& known,
             const std::string& endpoint);
  Duration budget(CallKind kind, Duration timeout) const;

  void start_connecting();
  Task<void> keep_connecting();
  /// Endpoints from DNS, where `srv` is what is configured; those known stay when it has none.
  Task<void> look_up_srv();
  Task<Status> try_endpoint(Endpoint endpoint);
  Result<std::shared_ptr<const TlsContext>> tls_context();
  Duration connect_patience() const;
  void discover_members(std::shared_ptr<H2Connection> connection);
  Task<void> ask_members(std::shared_ptr<H2Connection> connection);

  asio::any_io_executor executor_;
  model::EtcdConfig config_;
  runtime::Logger& log_;
  std::vector<Endpoint> configured_;
  EndpointList endpoints_;
  std::string config_problem_;  ///< of the hosts, or of their lookup; "" = none
  std::string srv_hint_;
  Freshness freshness_;
  Auth auth_;
  Resolver resolver_;
  SrvLookup srv_lookup_;
  Signal changed_;

  std::shared_ptr<H2Connection> current_;
  std::shared_ptr<H2Connection> being_made_;
  std::shared_ptr<const TlsContext> last_good_tls_;
  bool connecting_ = false;
  int waiting_ = 0;        ///< calls that wait for a connection
  int failed_rounds_ = 0;  ///< rounds over all endpoints without any connection
  Instant members_asked_{};
  bool reported_down_ = false;
  bool closed_ = false;
};

}  // namespace aurum::dcs::etcd
