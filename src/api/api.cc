#include "api/api.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/access.h"
#include "api/health.h"
#include "api/reply.h"
#include "api/status_document.h"

namespace aurum::api {
namespace {

std::string_view first_segment(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  return path.substr(0, path.find('/'));
}

bool is_probe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

Api::Api(Node& node, ApiOptions options) : node_(node), options_(std::move(options)) {}

std::span<const Api::Route> Api::routes() {
  static constexpr Route kRoutes[] = {
      {"GET", "patroni", false, &Api::get_status, "status document of this node"},
      {"GET", "cluster", false, &Api::get_cluster,
       "members and their positions, read from the store"},
      {"GET", "history", false, &Api::get_history, "timeline switches"},
      {"GET", "config", false, &Api::get_config, "dynamic configuration"},
      {"GET", "failsafe", false, &Api::get_failsafe,
       "members asked when the store is out of reach"},
      {"GET", "metrics", false, &Api::get_metrics, "Prometheus metrics"},
      {"GET", "backups", false, &Api::get_backups,
       "backups, their schedule, and how archiving goes"},
      {"GET", "liveness", false, &Api::get_liveness, "200 while the decision loop runs"},
      {"GET", "readiness", false, &Api::get_readiness,
       "200 for the leader and replicas close to it"},
      {"PATCH", "config", true, &Api::patch_config, "merge into the dynamic configuration"},
      {"PUT", "config", true, &Api::put_config, "replace the dynamic configuration"},
      {"POST", "reload", true, &Api::post_reload, "read the configuration file again"},
      {"POST", "restart", true, &Api::post_restart, "restart PostgreSQL, now or at a time"},
      {"DELETE", "restart", true, &Api::delete_restart, "cancel the scheduled restart"},
      {"POST", "reinitialize", true, &Api::post_reinitialize, "clone this replica anew"},
      {"POST", "switchover", true, &Api::post_switchover, "move leadership, now or at a time"},
      {"DELETE", "switchover", true, &Api::delete_switchover, "cancel the scheduled switchover"},
      {"POST", "failover", true, &Api::post_failover, "make a candidate the leader"},
      {"POST", "secrets", true, &Api::post_secrets, "one step of a password's change"},
      {"POST", "failsafe", true, &Api::post_failsafe, "a leader asks for consent"},
      {"POST", "sigterm", true, &Api::post_sigterm, "accepted, without effect"},
      {"POST", "citus", true, &Api::post_mpp, "accepted, without effect"},
      {"POST", "mpp", false, &Api::post_mpp, "accepted, without effect"},
  };
  return kRoutes;
}

Task<net::HttpResponse> Api::handle(net::HttpRequest request) {
  const std::string_view segment = first_segment(request.path());
  const auto route = std::ranges::find_if(
      routes(), [&](const Route& r) { return r.method == request.method && r.segment == segment; });
  if (route == routes().end()) {
    if (is_probe(request.method)) co_return health_check(request);
    co_return net::error_page(501, fmt::format("Unsupported method ('{}')", request.method));
  }
  if (route->is_unsafe) {
    const NodeView view = node_.view();
    if (view.config == nullptr) co_return net::error_page(503);  // no rules, no entry
    const auto rules = access_rules(view.config->rest, view.cluster, segment == "failsafe");
    auto refused = co_await refuse(rules, request);
    if (refused) co_return std::move(*refused);
  }
  auto reply = co_await (this->*route->run)(request);
  co_return reply;
}

net::HttpResponse Api::health_check(const net::HttpRequest& request) {
  const NodeView view = node_.view();
  const int status = health_status(view, request.path(), net::parse_query(request.query()));
  if (request.method != "GET") return status_reply(status);
  return json_reply(status, status_document(view, options_.identity));
}

}  // namespace aurum::api
