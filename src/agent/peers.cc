#include "agent/peers.h"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "agent/rest_tls.h"
#include "api/node.h"
#include "model/value.h"
#include "net/http_client.h"

namespace aurum::agent {

namespace asio = runtime::asio;
using runtime::Task;

namespace {

constexpr Duration kSignOfLife = seconds(2);

/// api_url ends in "/patroni"; everything else stands beside it.
std::string beside(std::string api_url, std::string_view path) {
  const auto cut = api_url.rfind("/patroni");
  if (cut != std::string::npos) api_url.resize(cut);
  return api_url.append(path);
}

}  // namespace

net::HttpLink& Peers::link_to(const std::string& api_url) {
  auto& link = links_[beside(api_url, "")];
  if (!link) link = std::make_unique<net::HttpLink>();
  return *link;
}

net::HttpCall Peers::call_of(std::string url, Duration timeout) const {
  net::HttpCall call;
  call.url = std::move(url);
  call.timeout = timeout;
  const bool own = !config_.ctl.username.empty();
  call.username = own ? config_.ctl.username : config_.rest.username;
  call.password = own ? config_.ctl.password : config_.rest.password;
  call.tls = peer_tls(config_);
  return call;
}

Task<Result<model::PeerStatus>> Peers::status(std::string api_url, Duration timeout) {
  auto& link = link_to(api_url);
  auto call = call_of(std::move(api_url), timeout);
  call.headers.emplace_back(api::kLookHeader, "now");
  auto answer = co_await link.call(std::move(call));
  if (!answer) co_return fail(answer.error());
  auto document = model::parse_json(answer->body);
  if (!document) co_return fail(document.error().within("answer of a peer"));
  co_return model::decode_peer_status(*document);
}

Task<Status> Peers::consent(core::PeerUrl peer, core::AskConsent what) {
  model::Value body = model::Value::object();
  body.set("name", config_.name);
  body.set("conn_url", what.conn_url);
  body.set("api_url", what.api_url);
  body.set("slots", model::encode_slots(what.slots));
  body.set("aurum_asked", peer.name);
  body.set("aurum_epoch", static_cast<std::int64_t>(what.epoch));
  body.set("aurum_promise_ms", to_ms(what.promise));
  auto& link = link_to(peer.api_url);
  auto call = call_of(beside(std::move(peer.api_url), "/failsafe"), what.timeout);
  call.method = "POST";
  call.body = model::to_json(body);
  auto answer = co_await link.call(std::move(call));
  if (!answer) co_return fail(answer.error());
  if (answer->status == 200 && answer->body == "Accepted") co_return Status{};
  // Of an error page nothing is worth telling but its number.
  const bool page = answer->body.find('<') != std::string::npos;
  co_return fail(Code::rejected,
                 page ? "HTTP status " + std::to_string(answer->status) : std::move(answer->body));
}

Task<bool> Peers::answers(std::string api_url, Duration timeout, net::Headers headers) {
  auto& link = link_to(api_url);
  auto call = call_of(beside(std::move(api_url), "/liveness"), timeout);
  call.headers = std::move(headers);
  auto answer = co_await link.call(std::move(call));
  co_return answer.has_value();
}

void Peers::keep_open(boost::asio::io_context& io, const std::vector<std::string>& api_urls,
                      bool all) {
  std::set<std::string> origins;
  for (const auto& url : api_urls) origins.insert(beside(url, ""));
  std::erase_if(links_, [&](const auto& link) { return !origins.contains(link.first); });
  for (const auto& url : api_urls)
    if (all || !links_.contains(beside(url, "")))
      asio::co_spawn(io, answers(url, kSignOfLife), asio::detached);
}

std::size_t Peers::linked(const std::vector<std::string>& api_urls) const {
  return static_cast<std::size_t>(std::ranges::count_if(api_urls, [this](const auto& url) {
    const auto link = links_.find(beside(url, ""));
    return link != links_.end() && link->second->open();
  }));
}

}  // namespace aurum::agent
