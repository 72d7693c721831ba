#include "dcs/etcd/srv.h"

#include <algorithm>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <array>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <resolv.h>
#include <system_error>
#include <thread>
#include <tuple>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "model/value.h"
#include "net/http_client.h"
#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace asio = runtime::asio;

namespace {

constexpr std::size_t kAnswerMax = 65535;
constexpr auto kServices = std::to_array<std::string_view>(
    {"_etcd-client-ssl", "_etcd-client", "_etcd-ssl", "_etcd", "_etcd-server-ssl", "_etcd-server"});

bool says_tls(std::string_view name) { return name.contains("-ssl"); }
/// Its records name the ports by which members talk to each other: no client may come there.
bool is_of_servers(std::string_view name) { return name.starts_with("_etcd-server"); }

struct Record {
  unsigned priority = 0, weight = 0;
  Endpoint endpoint;
};

/// The SRV at `rr`, RFC 2782; nothing for another type, and for "." which says that there is none.
std::optional<Record> read_record(const ns_msg& message, const ns_rr& rr) {
  constexpr int kFixed = 6;
  if (ns_rr_type(rr) != ns_t_srv || ns_rr_rdlen(rr) <= kFixed) return std::nullopt;
  const unsigned char* data = ns_rr_rdata(rr);
  char host[NS_MAXDNAME];
  if (::dn_expand(ns_msg_base(message), ns_msg_end(message), data + kFixed, host, sizeof host) < 0)
    return std::nullopt;
  Record record{ns_get16(data), ns_get16(data + 2), {host, 0}};
  record.endpoint.port = static_cast<std::uint16_t>(ns_get16(data + 4));
  if (record.endpoint.host.empty() || record.endpoint.host == "." || record.endpoint.port == 0)
    return std::nullopt;
  return record;
}

Result<std::string> ask(res_state state, const std::string& name) {
  std::string answer(kAnswerMax, '\0');
  const int size = ::res_nquery(state, name.c_str(), ns_c_in, ns_t_srv,
                                reinterpret_cast<unsigned char*>(answer.data()),
                                static_cast<int>(answer.size()));
  const int why = state->res_h_errno;
  ::res_nclose(state);
  if (size < 0) return fail(Code::unavailable, ::hstrerror(why));
  answer.resize(std::min<std::size_t>(static_cast<std::size_t>(size), answer.size()));
  return answer;
}

}  // namespace

std::vector<std::string> srv_names(std::string_view domain, std::string_view suffix) {
  std::vector<std::string> names;
  for (const auto service : kServices)
    names.push_back(
        fmt::format("{}{}{}._tcp.{}", service, suffix.empty() ? "" : "-", suffix, domain));
  return names;
}

Result<std::vector<Endpoint>> parse_srv(std::string_view message) {
  ns_msg parsed;
  if (::ns_initparse(reinterpret_cast<const unsigned char*>(message.data()),
                     static_cast<int>(message.size()), &parsed) != 0)
    return fail(Code::protocol, "not an answer of DNS");
  std::vector<Record> records;
  for (int i = 0; i < ns_msg_count(parsed, ns_s_an); ++i) {
    ns_rr rr;
    if (::ns_parserr(&parsed, ns_s_an, i, &rr) != 0)
      return fail(Code::protocol, "not an answer of DNS");
    if (auto record = read_record(parsed, rr)) records.push_back(std::move(*record));
  }
  std::ranges::sort(records, {}, [](const Record& r) {
    return std::tuple(r.priority, -static_cast<int>(r.weight), r.endpoint.text());
  });
  std::vector<Endpoint> endpoints;
  for (auto& record : records) endpoints.push_back(std::move(record.endpoint));
  return endpoints;
}

Result<SrvAnswer> find_srv(const std::string& domain, const std::string& suffix,
                           const SrvLookup& lookup) {
  std::string why;
  for (const auto& name : srv_names(domain, suffix)) {
    const auto answer = lookup(name);
    auto endpoints = answer ? parse_srv(*answer) : fail(answer.error());
    if (!endpoints) why = endpoints.error().message;
    if (!endpoints || endpoints->empty()) continue;
    return SrvAnswer{std::move(*endpoints), says_tls(name), is_of_servers(name)};
  }
  return fail(
      Code::unavailable,
      fmt::format("DNS has no SRV records of etcd for {}{}", domain, why.empty() ? "" : ": " + why),
      fmt::format("host -t SRV {}", srv_names(domain, suffix)[1]));
}

Result<std::vector<Endpoint>> parse_members(std::string_view body, bool https) {
  const auto document = model::parse_json(body);
  if (!document || !document->is_array()) return fail(Code::protocol, "not a list of members");
  const std::string_view scheme = https ? "https://" : "http://";
  std::vector<Endpoint> endpoints;
  for (const auto& member : document->as_array()) {
    const model::Value* urls = member.is_object() ? member.find("clientURLs") : nullptr;
    if (urls == nullptr || !urls->is_array()) continue;  // one that has not started yet
    for (const auto& url : urls->as_array()) {
      if (!url.is_string() || !url.as_string().starts_with(scheme)) continue;
      if (auto endpoint = parse_endpoint(url.as_string()))
        endpoints.push_back(std::move(*endpoint));
    }
  }
  return endpoints;
}

Task<Result<SrvAnswer>> find_members(SrvAnswer peers, net::ClientTls tls) {
  constexpr std::size_t kAskedMax = 5;
  Error last{Code::unavailable, "no member is named", {}};
  peers.endpoints.resize(std::min(peers.endpoints.size(), kAskedMax));
  for (const Endpoint& peer : peers.endpoints) {
    const std::string url =
        fmt::format("{}://{}/members", peers.tls ? "https" : "http", peer.text());
    const auto reply = co_await net::http_call({.url = url, .tls = tls});
    auto found = reply ? parse_members(reply->body, peers.tls) : fail(reply.error());
    if (found && !found->empty()) co_return SrvAnswer{std::move(*found), peers.tls};
    last = found ? Error{Code::unavailable, url + " names no endpoint for clients", {}}
                 : Error{found.error().code, url + ": " + found.error().message, {}};
  }
  co_return fail(last);
}

Task<Result<SrvAnswer>> find_srv_within(std::string domain, std::string suffix, Duration patience,
                                        SrvLookup lookup) {
  struct Shared {
    std::mutex mutex;
    asio::steady_timer* timer = nullptr;  ///< null: nobody waits any more
    std::optional<Result<SrvAnswer>> answer;
  };
  auto shared = std::make_shared<Shared>();
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  // Also when this coroutine is destroyed with its loop.
  struct Leave {
    std::shared_ptr<Shared> shared;
    ~Leave() {
      const std::lock_guard lock(shared->mutex);
      shared->timer = nullptr;
    }
  } const leave{shared};
  shared->timer = &timer;
  try {
    std::thread([shared, executor, domain, suffix, lookup] {
      auto answer = find_srv(domain, suffix, lookup);
      const std::lock_guard lock(shared->mutex);
      if (shared->timer == nullptr) return;
      asio::post(executor, [shared, answer = std::move(answer)]() mutable {
        const std::lock_guard inner(shared->mutex);
        shared->answer = std::move(answer);
        if (shared->timer != nullptr) shared->timer->cancel();
      });
    }).detach();
  } catch (const std::system_error& error) {
    co_return fail(Code::unavailable, error.what());
  }
  const Instant until = runtime::now() + patience;
  while (!shared->answer && runtime::now() < until) {
    timer.expires_after(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(until - runtime::now()));
    auto [ended] = co_await timer.async_wait(runtime::use_task);
    static_cast<void>(ended);
  }
  if (shared->answer) co_return std::move(*shared->answer);
  co_return fail(Code::timeout, "DNS does not answer for " + domain);
}

Result<std::string> system_srv_lookup(const std::string& name) {
  struct __res_state state{};
  if (::res_ninit(&state) != 0) return fail(Code::unavailable, "no name server is configured");
  return ask(&state, name);
}

Result<std::string> srv_lookup_at(std::uint16_t port, const std::string& name) {
  struct __res_state state{};
  if (::res_ninit(&state) != 0) return fail(Code::unavailable, "no name server is configured");
  state.nscount = 1;
  state.nsaddr_list[0].sin_family = AF_INET;
  state.nsaddr_list[0].sin_port = htons(port);
  state.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  state.retrans = 1;
  state.retry = 2;
  return ask(&state, name);
}

}  // namespace aurum::dcs::etcd
