#include "api/api.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/access.h"
#include "api/audit.h"
#include "api/health.h"
#include "api/reply.h"
#include "api/status_document.h"

namespace aurum::api {
namespace {

std::string_view first_segment(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  return path.substr(0, path.find('/'));
}

bool changes_something(Needs needs) { return needs == Needs::operator_ || needs == Needs::admin; }

}  // namespace

Api::Api(Node& node, ApiOptions options) : node_(node), options_(std::move(options)) {}

std::span<const Api::Route> Api::routes() {
  using enum Needs;
  static constexpr Route kRoutes[] = {
      {"GET", "patroni", nothing, &Api::get_status, "status document of this node"},
      {"GET", "cluster", viewer, &Api::get_cluster,
       "members and their positions, read from the store"},
      {"GET", "history", viewer, &Api::get_history, "timeline switches"},
      {"GET", "config", viewer, &Api::get_config, "dynamic configuration"},
      {"GET", "failsafe", viewer, &Api::get_failsafe,
       "members asked when the store is out of reach"},
      {"GET", "metrics", nothing, &Api::get_metrics, "Prometheus metrics"},
      {"GET", "backups", viewer, &Api::get_backups,
       "backups, their schedule, and how archiving goes"},
      {"GET", "liveness", nothing, &Api::get_liveness, "200 while the decision loop runs"},
      {"GET", "readiness", nothing, &Api::get_readiness,
       "200 for the leader and replicas close to it"},
      {"PATCH", "config", operator_, &Api::patch_config, "merge into the dynamic configuration"},
      {"PUT", "config", operator_, &Api::put_config, "replace the dynamic configuration"},
      {"POST", "reload", operator_, &Api::post_reload, "read the configuration file again"},
      {"POST", "restart", operator_, &Api::post_restart, "restart PostgreSQL, now or at a time"},
      {"DELETE", "restart", operator_, &Api::delete_restart, "cancel the scheduled restart"},
      {"POST", "reinitialize", operator_, &Api::post_reinitialize, "clone this replica anew"},
      {"POST", "switchover", operator_, &Api::post_switchover, "move leadership, now or at a time"},
      {"DELETE", "switchover", operator_, &Api::delete_switchover,
       "cancel the scheduled switchover"},
      {"POST", "failover", operator_, &Api::post_failover, "make a candidate the leader"},
      {"POST", "secrets", admin, &Api::post_secrets, "one step of a password's change"},
      {"POST", "failsafe", member, &Api::post_failsafe, "a leader asks for consent"},
      {"POST", "sigterm", admin, &Api::post_sigterm, "accepted, without effect"},
      {"POST", "citus", admin, &Api::post_mpp, "accepted, without effect"},
      {"POST", "mpp", nothing, &Api::post_mpp, "accepted, without effect"},
  };
  return kRoutes;
}

Task<net::HttpResponse> Api::handle(net::HttpRequest request) {
  const std::string_view segment = first_segment(request.path());
  const auto route = std::ranges::find_if(
      routes(), [&](const Route& r) { return r.method == request.method && r.segment == segment; });
  Call call{std::move(request)};
  if (route == routes().end()) {
    if (net::is_read(call.method)) co_return health_check(call);
    co_return net::error_page(501, fmt::format("Unsupported method ('{}')", call.method));
  }
  auto reply = co_await answer(*route, call);
  // Members ask for consent each second while the store is away: that is no operator's doing.
  if (changes_something(route->needs)) node_.audit(audit_line(call, reply.status));
  co_return reply;
}

Task<net::HttpResponse> Api::answer(const Route& route, Call& call) {
  if (route.needs != Needs::nothing) {
    const NodeView view = node_.view();
    if (view.config == nullptr) co_return net::error_page(503);  // no rules, no entry
    // It knows neither the cluster nor whether another agent of its name is at work: it tells what
    // it knows, and does nothing but promise to do nothing.
    if (!view.joined && changes_something(route.needs))
      co_return net::error_page(503, "waiting on etcd: it was not read since this agent began");
    const auto rules = access_rules(*view.config, view.cluster, route.needs == Needs::member);
    auto verdict = co_await judge(rules, call, route.needs);
    call.caller = std::move(verdict.caller);
    if (verdict.refused) co_return std::move(*verdict.refused);
  }
  auto reply = co_await (this->*route.run)(call);
  co_return reply;
}

net::HttpResponse Api::health_check(const net::HttpRequest& request) {
  const NodeView view = node_.view();
  const int status = health_status(view, request.path(), net::parse_query(request.query()));
  if (request.method != "GET") return status_reply(status);
  return json_reply(status, status_document(view, options_.identity));
}

}  // namespace aurum::api
