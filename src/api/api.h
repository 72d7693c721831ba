#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/access_role.h"
#include "api/caller.h"
#include "api/node.h"
#include "api/switchover.h"
#include "core/core.h"
#include "net/http.h"

namespace aurum::api {

struct ApiOptions {
  core::Identity identity;
  Duration poll_interval =
      milliseconds(100);                  ///< between looks at the store while a switchover runs
  Duration handover_floor = seconds(10);  ///< it is watched for 2 · max(this, loop_wait)
};

/// The REST surface of PATRONI_COMPAT §2: from a request to a reply. It keeps nothing between
/// calls; what it knows comes from the Node, on whose executor it runs and which outlives it. Wire
/// it to an HttpServer:
/// `[&api](net::HttpRequest r) { return api.handle(std::move(r)); }`.
class Api {
 public:
  Api(Node& node, ApiOptions options);

  Task<net::HttpResponse> handle(net::HttpRequest request);

  using Method = Task<net::HttpResponse> (Api::*)(Call&);
  struct Route {
    std::string_view method;
    std::string_view segment;  ///< of the path, the first; what follows it does not count
    Needs needs = Needs::admin;
    Method run = nullptr;
    std::string_view summary;
  };
  /// Everything but health checks: those answer any other GET, HEAD and OPTIONS.
  static std::span<const Route> routes();

 private:
  // api_read.cc
  Task<net::HttpResponse> get_status(Call&);
  Task<net::HttpResponse> get_cluster(Call&);
  Task<net::HttpResponse> get_history(Call&);
  Task<net::HttpResponse> get_config(Call&);
  Task<net::HttpResponse> get_failsafe(Call&);
  Task<net::HttpResponse> get_metrics(Call&);
  Task<net::HttpResponse> get_backups(Call&);
  Task<net::HttpResponse> get_liveness(Call&);
  Task<net::HttpResponse> get_readiness(Call&);
  net::HttpResponse health_check(const net::HttpRequest&);

  // api_write.cc
  Task<net::HttpResponse> patch_config(Call&);
  Task<net::HttpResponse> put_config(Call&);
  Task<net::HttpResponse> post_reload(Call&);
  Task<net::HttpResponse> post_restart(Call&);
  Task<net::HttpResponse> delete_restart(Call&);
  Task<net::HttpResponse> post_reinitialize(Call&);
  Task<net::HttpResponse> post_failsafe(Call&);
  Task<net::HttpResponse> post_sigterm(Call&);
  Task<net::HttpResponse> post_mpp(Call&);

  // api_secrets.cc
  Task<net::HttpResponse> post_secrets(Call&);

  // api_handover.cc
  Task<net::HttpResponse> post_switchover(Call&);
  Task<net::HttpResponse> post_failover(Call&);
  Task<net::HttpResponse> delete_switchover(Call&);
  Task<net::HttpResponse> hand_over(Call&, Handover kind);
  /// The cluster; in a synchronous one that is about to have a synchronous standby, with it, or
  /// after loop_wait without.
  Task<Result<model::ClusterView>> with_sync_standby();
  Task<Refusal> watch_handover(HandoverPlan plan, std::string leader_before);
  Task<bool> has_good_candidate(std::vector<model::Member> candidates);

  Task<net::HttpResponse> answer(const Route& route, Call& call);
  Task<net::HttpResponse> ask_core(core::Request request);

  Node& node_;
  ApiOptions options_;
};

}  // namespace aurum::api
