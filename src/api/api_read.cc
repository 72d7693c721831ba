#include "api/api.h"
#include "api/health.h"
#include "api/metrics.h"
#include "api/reply.h"
#include "api/status_document.h"

/// What only shows (PATRONI_COMPAT §2.4, §2.5).
namespace aurum::api {

Task<net::HttpResponse> Api::get_status(Call& call) {
  if (!call.header(kLookHeader).empty()) co_await node_.look();
  const NodeView view = node_.view();
  net::HttpResponse reply = json_reply(200, status_document(view, options_.identity));
  if (view.is_leader) reply.headers.emplace_back("Aurum-Epoch", std::to_string(view.epoch));
  co_return reply;
}

Task<net::HttpResponse> Api::get_cluster(Call&) {
  const auto cluster = co_await node_.read_cluster();
  if (!cluster) co_return net::error_page(503);
  co_return json_reply(200, model::cluster_document(*cluster, node_.view().config->scope));
}

Task<net::HttpResponse> Api::get_history(Call&) {
  const NodeView view = node_.view();
  const model::History none;
  const auto text = model::encode_history(view.cluster == nullptr ? none : view.cluster->history);
  const auto value = model::parse_json(text);
  co_return value ? json_reply(200, *value) : net::error_page(500);
}

Task<net::HttpResponse> Api::get_config(Call&) {
  const NodeView view = node_.view();
  if (view.cluster != nullptr && view.cluster->config.is_object())
    co_return json_reply(200, view.cluster->config);
  const auto cluster = co_await node_.read_cluster();
  if (!cluster || !cluster->config.is_object()) co_return net::error_page(502);
  co_return json_reply(200, cluster->config);
}

Task<net::HttpResponse> Api::get_failsafe(Call&) {
  const NodeView view = node_.view();
  const bool on = view.dynamic != nullptr && view.dynamic->failsafe_mode;
  if (!on || view.cluster == nullptr || !view.cluster->failsafe) co_return net::error_page(502);
  model::Value out = model::Value::object();
  for (const auto& [name, url] : view.cluster->failsafe->members) out.set(name, url);
  co_return json_reply(200, out);
}

Task<net::HttpResponse> Api::get_metrics(Call&) {
  net::HttpResponse out;
  out.content_type = "text/plain";
  out.body = render_metrics(node_.view(), options_.identity) + node_.backup_metrics();
  co_return out;
}

Task<net::HttpResponse> Api::get_backups(Call&) {
  const auto backups = node_.backups();
  if (!backups) co_return net::error_page(404, "patroni.yml has no aurum.backup section");
  co_return json_reply(200, *backups);
}

Task<net::HttpResponse> Api::get_liveness(Call&) {
  co_return status_reply(liveness_status(node_.view()));
}

Task<net::HttpResponse> Api::get_readiness(Call& call) {
  co_return status_reply(readiness_status(node_.view(), net::parse_query(call.query())));
}

}  // namespace aurum::api
