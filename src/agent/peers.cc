#include "agent/peers.h"

#include <utility>

#include "agent/rest_tls.h"
#include "api/node.h"
#include "model/value.h"
#include "net/http_client.h"

namespace aurum::agent {

using runtime::Task;

namespace {

net::HttpCall call_of(const model::LocalConfig& config, std::string url, Duration timeout) {
  net::HttpCall call;
  call.url = std::move(url);
  call.timeout = timeout;
  const bool own = !config.ctl.username.empty();
  call.username = own ? config.ctl.username : config.rest.username;
  call.password = own ? config.ctl.password : config.rest.password;
  call.tls = peer_tls(config);
  return call;
}

/// api_url ends in "/patroni"; everything else stands beside it.
std::string beside(std::string api_url, std::string_view path) {
  const auto cut = api_url.rfind("/patroni");
  if (cut != std::string::npos) api_url.resize(cut);
  return api_url.append(path);
}

}  // namespace

Task<Result<model::PeerStatus>> ask_peer_status(const model::LocalConfig& config,
                                                std::string api_url, Duration timeout) {
  auto call = call_of(config, std::move(api_url), timeout);
  call.headers.emplace_back(api::kLookHeader, "now");
  auto answer = co_await net::http_call(std::move(call));
  if (!answer) co_return fail(answer.error());
  auto document = model::parse_json(answer->body);
  if (!document) co_return fail(document.error().within("answer of a peer"));
  co_return model::decode_peer_status(*document);
}

Task<Status> ask_peer_consent(const model::LocalConfig& config, std::string api_url,
                              const core::AskConsent& what) {
  model::Value body = model::Value::object();
  body.set("name", config.name);
  body.set("conn_url", what.conn_url);
  body.set("api_url", what.api_url);
  body.set("slots", model::encode_slots(what.slots));
  body.set("aurum_epoch", static_cast<std::int64_t>(what.epoch));
  body.set("aurum_promise_ms", to_ms(what.promise));
  auto call = call_of(config, beside(std::move(api_url), "/failsafe"), what.timeout);
  call.method = "POST";
  call.body = model::to_json(body);
  auto answer = co_await net::http_call(std::move(call));
  if (!answer) co_return fail(answer.error());
  if (answer->status == 200 && answer->body == "Accepted") co_return Status{};
  // Of an error page nothing is worth telling but its number.
  const bool page = answer->body.find('<') != std::string::npos;
  co_return fail(Code::rejected,
                 page ? "HTTP status " + std::to_string(answer->status) : std::move(answer->body));
}

Task<bool> peer_answers(const model::LocalConfig& config, std::string api_url, Duration timeout) {
  auto answer =
      co_await net::http_call(call_of(config, beside(std::move(api_url), "/liveness"), timeout));
  co_return answer.has_value();
}

}  // namespace aurum::agent
