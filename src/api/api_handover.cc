#include <algorithm>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/api.h"
#include "api/reply.h"
#include "api/switchover.h"
#include "runtime/clock.h"

/// POST and DELETE /switchover, POST /failover (PATRONI_COMPAT §2.6.2).
namespace aurum::api {
namespace {

namespace asio = runtime::asio;

net::HttpResponse as_reply(const Refusal& answer) { return text_reply(answer.status, answer.text); }

model::SyncMode sync_mode(const Node& node) {
  const NodeView view = node.view();
  return view.dynamic == nullptr ? model::SyncMode::off : view.dynamic->synchronous_mode;
}

Duration loop_wait(const Node& node) {
  const NodeView view = node.view();
  return seconds(view.dynamic == nullptr ? 0 : view.dynamic->loop_wait_s);
}

}  // namespace

Task<net::HttpResponse> Api::post_switchover(Call& call) {
  auto reply = co_await hand_over(call, Handover::switchover);
  co_return reply;
}

Task<net::HttpResponse> Api::post_failover(Call& call) {
  auto reply = co_await hand_over(call, Handover::failover);
  co_return reply;
}

Task<bool> Api::has_good_candidate(std::vector<model::Member> candidates) {
  for (const auto& candidate : candidates) {
    const auto answer = co_await node_.ask_peer(candidate.api_url);
    if (is_good_candidate(answer)) co_return true;
  }
  co_return false;
}

Task<net::HttpResponse> Api::hand_over(Call& call, Handover kind) {
  auto body = read_body(call, Body::required);
  if (!body) co_return body.error();
  const auto plan = read_handover(kind, *body, runtime::wall_now(), node_.view().paused);
  if (!plan) co_return as_reply(plan.error());
  const bool now = plan->request.scheduled_at.empty();
  const bool may_wait = now && kind == Handover::switchover;
  auto before = may_wait ? co_await with_sync_standby() : co_await node_.read_cluster();
  if (!before) co_return text_reply(503, "failed to write failover key into DCS");
  if (now) {
    auto candidates = handover_candidates(*plan, *before, sync_mode(node_));
    if (!candidates) co_return as_reply(candidates.error());
    const bool good = co_await has_good_candidate(std::move(*candidates));
    if (!good) co_return as_reply(no_good_candidates(plan->kind));
  }
  model::Txn txn;
  txn.then.push_back({model::Write::What::put, "failover", model::encode_failover(plan->request)});
  const auto written = co_await node_.write(std::move(txn));
  // An unknown outcome is watched like a success: the cluster tells which it was.
  const bool refused =
      written ? !written->succeeded : written.error().code != Code::unknown_outcome;
  if (refused) co_return text_reply(503, "failed to write failover key into DCS");
  node_.wake();
  if (!now) co_return text_reply(202, "Switchover scheduled");
  auto outcome = co_await watch_handover(*plan, before->leader_name());
  co_return as_reply(outcome);
}

Task<Result<model::ClusterView>> Api::with_sync_standby() {
  const Instant end = runtime::now() + loop_wait(node_);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (true) {
    auto cluster = co_await node_.read_cluster();
    const bool awaited = cluster && awaits_sync_standby(*cluster, sync_mode(node_));
    if (!awaited || runtime::now() >= end) co_return cluster;
    timer.expires_after(options_.poll_interval);
    auto [waited] = co_await timer.async_wait(runtime::use_task);
    (void)waited;
  }
}

Task<Refusal> Api::watch_handover(HandoverPlan plan, std::string leader_before) {
  const Instant end = runtime::now() + 2 * std::max(options_.handover_floor, loop_wait(node_));
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (runtime::now() < end) {
    timer.expires_after(options_.poll_interval);
    auto [waited] = co_await timer.async_wait(runtime::use_task);
    (void)waited;
    const auto cluster = co_await node_.read_cluster();
    if (!cluster) continue;  // it may come back before the end
    auto outcome = handover_outcome(plan, leader_before, *cluster);
    if (outcome) co_return std::move(*outcome);
  }
  co_return handover_unknown(plan.kind);
}

Task<net::HttpResponse> Api::delete_switchover(Call&) {
  const auto cluster = co_await node_.read_cluster();
  if (!cluster) co_return net::error_page(503);
  if (!cluster->failover || cluster->failover->scheduled_at.empty())
    co_return text_reply(404, "no switchover is scheduled");
  model::Txn txn;
  txn.when.push_back(
      {"failover", model::Compare::What::mod_revision, cluster->failover->mod_revision});
  txn.then.push_back({model::Write::What::put, "failover", model::encode_failover({})});
  const auto done = co_await node_.write(std::move(txn));
  if (!done || !done->succeeded) co_return net::error_page(409);
  node_.wake();
  co_return text_reply(200, "scheduled switchover deleted");
}

}  // namespace aurum::api
