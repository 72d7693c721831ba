// How the client gets and leaves its connection.
#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "dcs/etcd/client.h"
#include "etcd.pb.h"
#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace {

/// How long an endpoint may take to greet, and to answer a probe, where there are others to go to …
constexpr Duration kPatience = milliseconds(400);
/// … and where there is none, so that leaving it gains little.
constexpr Duration kPatienceAlone = milliseconds(1500);
constexpr Duration kMostPatience = seconds(5);
constexpr Duration kFirstPause = milliseconds(50);
constexpr Duration kLongestPause = milliseconds(500);
constexpr Duration kSrvPatience = seconds(5);
constexpr Duration kMembersEvery = seconds(300);
constexpr Duration kMembersTimeout = seconds(3);
constexpr std::size_t kMaxAddresses = 4;
constexpr int kMaxDoublings = 4;

}  // namespace

void Client::leave(const std::shared_ptr<H2Connection>& connection, const std::string& why) {
  if (connection != current_ || endpoints_.size() < 2) return;
  log_.warn("etcd.left", "left etcd endpoint " + connection->authority() + ": " + why);
  endpoints_.failed(why);
  connection->leave({Code::unavailable, why, {}});
  current_.reset();
}

void Client::start_connecting() {
  if (connecting_ || closed_) return;
  if (current_) {
    log_.warn("etcd.lost",
              "lost etcd endpoint " + current_->authority() + ": " + current_->why().message);
    endpoints_.failed(current_->why().message);
    current_.reset();
  }
  connecting_ = true;
  const auto self = shared_from_this();
  asio::co_spawn(executor_, keep_connecting(), [self](const std::exception_ptr&) {
    self->connecting_ = false;
    self->being_made_.reset();
    self->changed_.notify();
  });
}

/// Tries endpoint after endpoint until one is connected or nobody waits any more.
Task<void> Client::keep_connecting() {
  const auto self = shared_from_this();
  Duration pause = kFirstPause;
  bool ask_dns = endpoints_.empty();
  while (!closed_ && waiting_ > 0) {
    if (ask_dns && config_.hosts.empty() && !config_.srv.empty()) co_await look_up_srv();
    if (closed_) break;
    bool round_over = endpoints_.empty();
    if (!endpoints_.empty()) {
      const Endpoint endpoint = endpoints_.current();
      auto status = co_await try_endpoint(endpoint);
      if (closed_) break;
      if (status) {
        endpoints_.worked();
        failed_rounds_ = 0;
        log_.info(reported_down_ ? "etcd.back" : "etcd.connected",
                  "connected to etcd endpoint " + endpoint.text());
        reported_down_ = false;
        discover_members(current_);
        break;
      }
      round_over = endpoints_.failed(status.error().message);
    }
    ask_dns = round_over;
    if (!round_over) continue;
    failed_rounds_ = std::min(failed_rounds_ + 1, kMaxDoublings);
    if (!std::exchange(reported_down_, true)) log_.warn("etcd.unreachable", unreachable().text());
    const Instant again = runtime::now() + pause;
    while (!closed_ && runtime::now() < again) co_await changed_.wait_until(again);
    pause = std::min(pause * 2, kLongestPause);
  }
}

Task<void> Client::look_up_srv() {
  const auto self = shared_from_this();
  auto found = co_await find_srv_within(config_.srv, config_.srv_suffix, kSrvPatience, srv_lookup_);
  if (found && found->peers)
    found = co_await find_members(
        *found, {.cafile = config_.cacert, .certfile = config_.cert, .keyfile = config_.key});
  if (!found) {
    config_problem_ = "etcd3.srv: " + found.error().message;
    srv_hint_ = found.error().hint;
    co_return;
  }
  config_problem_.clear();
  if (found->tls) config_.protocol = "https";
  if (found->endpoints == configured_) co_return;
  configured_ = std::move(found->endpoints);
  endpoints_ = EndpointList(configured_);
}

Task<Status> Client::try_endpoint(Endpoint endpoint) {
  auto tls = tls_context();
  if (!tls) co_return fail(tls.error());
  auto addresses = co_await resolver_.resolve(endpoint.host, connect_patience());
  if (!addresses) co_return fail(addresses.error());
  Status status = fail(Code::unavailable, "'" + endpoint.host + "' has no address");
  for (std::size_t i = 0; i < std::min(addresses->size(), kMaxAddresses); ++i) {
    if (closed_) co_return fail(Code::cancelled, "closed");
    being_made_ = std::make_shared<H2Connection>(executor_, *tls, endpoint.host, endpoint.text());
    const auto made = being_made_;
    status =
        co_await made->connect(tcp::endpoint((*addresses)[i], endpoint.port), connect_patience());
    if (!status) continue;
    const Duration least = endpoints_.size() > 1 ? kPatience : kPatienceAlone;
    made->set_keepalive({.patience = std::clamp(made->greeting_time() * 2, least, kMostPatience)});
    current_ = made;
    co_return Status{};
  }
  co_return status;
}

/// The certificates are read for each connection, so that renewed ones count; while they are being
/// replaced and can not be read, the last good ones serve.
Result<std::shared_ptr<const TlsContext>> Client::tls_context() {
  if (config_.protocol != "https") return std::shared_ptr<const TlsContext>();
  auto loaded = TlsContext::load(config_);
  if (loaded) {
    last_good_tls_ = *loaded;
  } else if (last_good_tls_) {
    log_.warn("etcd.certificates", loaded.error().text());
    return last_good_tls_;
  }
  return loaded;
}

/// Grows with each round that found nobody, for links where everything is slow.
Duration Client::connect_patience() const {
  const Duration least = endpoints_.size() > 1 ? kPatience : kPatienceAlone;
  return std::min(least * (1 << failed_rounds_), kMostPatience);
}

Error Client::unreachable() const {
  if (endpoints_.empty()) {
    if (config_.hosts.empty() && !config_.srv.empty())
      return {Code::unavailable, config_problem_, srv_hint_};
    return {Code::unavailable, config_problem_, "Write etcd3.hosts as a list of host:port."};
  }
  const std::string failures = endpoints_.failures();
  return {Code::unavailable,
          "no etcd endpoint can be reached" + (failures.empty() ? "" : ": " + failures),
          {}};
}

void Client::discover_members(std::shared_ptr<H2Connection> connection) {
  const Instant now = runtime::now();
  if (config_.use_proxies || (members_asked_ != Instant{} && now - members_asked_ < kMembersEvery))
    return;
  members_asked_ = now;
  asio::co_spawn(executor_, ask_members(std::move(connection)), asio::detached);
}

/// Ends within kMembersTimeout, or when the connection ends. A refusal is no problem: the
/// configured hosts are there.
Task<void> Client::ask_members(std::shared_ptr<H2Connection> connection) {
  const auto self = shared_from_this();
  const etcdserverpb::MemberListRequest request;
  std::string body = request.SerializeAsString();
  const CallOptions options{.needs_leader = false};
  const Instant deadline = runtime::now() + kMembersTimeout;
  auto reply =
      co_await unary(connection, "/etcdserverpb.Cluster/MemberList", options, body, deadline);
  etcdserverpb::MemberListResponse answer;
  if (closed_ || !reply.ok() || !answer.ParseFromString(reply.message)) co_return;
  std::vector<std::string> urls;
  for (const auto& member : answer.members()) {
    urls.insert(urls.end(), member.clienturls().begin(), member.clienturls().end());
  }
  endpoints_.set_discovered(usable_advertised(urls, config_.protocol, configured_));
}

}  // namespace aurum::dcs::etcd
