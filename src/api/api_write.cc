#include <algorithm>

#include <fmt/format.h>

#include "api/access_role.h"
#include "api/api.h"
#include "api/reply.h"
#include "api/restart.h"
#include "model/config_changes.h"
#include "model/decode.h"
#include "runtime/clock.h"

/// Actions on configuration and on this node (PATRONI_COMPAT §2.6).
namespace aurum::api {

Task<net::HttpResponse> Api::patch_config(Call& call) {
  auto patch = read_body(call, Body::required);
  if (!patch) co_return patch.error();
  auto cluster = co_await node_.read_cluster();
  if (!cluster || !cluster->config.is_object() || cluster->config_revision == 0)
    co_return net::error_page(503);
  model::Value config = cluster->config;
  if (!model::merge_patch(config, *patch)) co_return json_reply(200, config);
  call.changes = model::changed_keys(cluster->config, config);
  if (auto refused = refuse_commands(call)) co_return std::move(*refused);
  model::Txn txn;
  txn.when.push_back({"config", model::Compare::What::mod_revision, cluster->config_revision});
  txn.then.push_back({model::Write::What::put, "config", model::to_json(config)});
  const auto done = co_await node_.write(std::move(txn));
  if (!done) co_return net::error_page(503);
  if (!done->succeeded) co_return net::error_page(409);
  node_.wake();
  co_return json_reply(200, config);
}

Task<net::HttpResponse> Api::put_config(Call& call) {
  auto config = read_body(call, Body::required);
  if (!config) co_return config.error();
  model::Txn txn;
  const bool compares = call.caller.role < model::AccessRole::admin;
  if (compares) {
    // What it replaces must be what was looked at.
    const auto cluster = co_await node_.read_cluster();
    if (!cluster) co_return net::error_page(503);
    call.changes = model::changed_keys(cluster->config, *config);
    if (auto refused = refuse_commands(call)) co_return std::move(*refused);
    txn.when.push_back({"config", model::Compare::What::mod_revision, cluster->config_revision});
  } else if (const auto* seen = node_.view().cluster) {
    call.changes = model::changed_keys(seen->config, *config);
  }
  txn.then.push_back({model::Write::What::put, "config", model::to_json(*config)});
  const auto done = co_await node_.write(std::move(txn));
  if (compares && done && !done->succeeded) co_return net::error_page(409);
  if (!done || !done->succeeded) co_return net::error_page(502);
  node_.wake();
  co_return json_reply(200, *config);
}

Task<net::HttpResponse> Api::post_reload(Call&) {
  node_.reload();
  co_return text_reply(202, "reload scheduled");
}

Task<net::HttpResponse> Api::ask_core(core::Request request) {
  auto [status, text] = co_await node_.request(std::move(request));
  co_return text_reply(status, std::move(text));
}

Task<net::HttpResponse> Api::post_restart(Call& call) {
  auto body = read_body(call, Body::optional);
  if (!body) co_return body.error();
  auto restart = read_restart(*body, runtime::wall_now(), node_.view().paused);
  if (!restart) co_return text_reply(restart.error().status, restart.error().text);
  auto reply = co_await ask_core({0, std::move(*restart)});
  co_return reply;
}

Task<net::HttpResponse> Api::delete_restart(Call&) {
  auto reply = co_await ask_core({0, core::CancelRestart{}});
  co_return reply;
}

Task<net::HttpResponse> Api::post_reinitialize(Call& call) {
  auto body = read_body(call, Body::optional);
  if (!body) co_return body.error();
  const auto flag = [&body](std::string_view key) {
    const model::Value* value = body->find(key);
    return value != nullptr && model::read_bool(*value).value_or(false);
  };
  core::ReinitRequest reinit;
  reinit.force = flag("force");
  reinit.from_leader = flag("from_leader");
  auto reply = co_await ask_core({0, reinit});
  co_return reply;
}

Task<net::HttpResponse> Api::post_failsafe(Call& call) {
  auto body = read_body(call, Body::required);
  if (!body && body.error().status != 400) co_return body.error();
  const NodeView view = node_.view();
  if (view.dynamic == nullptr || !view.dynamic->failsafe_mode) co_return net::error_page(502);
  if (!body) co_return body.error();
  core::ConsentRequest consent;
  consent.leader = model::text_at(*body, "name");
  if (consent.leader.empty()) co_return net::error_page(400);
  // An address may be another's by now: what we say counts as the promise of whom it was meant for
  // (api_test: APromiseIsNotGivenForAnother).
  const auto asked = model::text_at(*body, "aurum_asked");
  if (!asked.empty() && asked != view.config->name)
    co_return text_reply(409, fmt::format("this is {}, not {}", view.config->name, asked));
  consent.epoch =
      static_cast<std::uint64_t>(std::max<std::int64_t>(model::int_at(*body, "aurum_epoch"), 0));
  // A day is more than any ttl.
  consent.promise = milliseconds(
      std::clamp<std::int64_t>(model::int_at(*body, "aurum_promise_ms"), 0, 86'400'000));
  if (const auto* slots = body->find("slots")) consent.slots = model::decode_slots(*slots);
  auto reply = co_await ask_core({0, consent});
  if (reply.status == 200)
    reply.headers.emplace_back("lsn", std::to_string(view.facts.position().value));
  co_return reply;
}

Task<net::HttpResponse> Api::post_sigterm(Call&) {
  co_return text_reply(202, "shutdown scheduled");
}

Task<net::HttpResponse> Api::post_mpp(Call& call) {
  auto body = read_body(call, Body::required);
  if (!body) co_return body.error();
  co_return text_reply(200, "OK");
}

}  // namespace aurum::api
