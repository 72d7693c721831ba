#include "dcs/etcd/endpoints.h"

#include <algorithm>
#include <charconv>

#include <boost/asio/ip/address.hpp>

#include "base/ensure.h"

namespace aurum::dcs::etcd {

namespace {

constexpr std::uint16_t kDefaultPort = 2379;

bool is_loopback(const Endpoint& endpoint) {
  if (endpoint.host == "localhost") return true;
  boost::system::error_code ec;
  const auto address = boost::asio::ip::make_address(endpoint.host, ec);
  return !ec && address.is_loopback();
}

bool is_wildcard(const Endpoint& endpoint) {
  boost::system::error_code ec;
  const auto address = boost::asio::ip::make_address(endpoint.host, ec);
  return !ec && address.is_unspecified();
}

bool contains(const std::vector<Endpoint>& list, const Endpoint& endpoint) {
  return std::ranges::find(list, endpoint) != list.end();
}

}  // namespace

std::string Endpoint::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto bad = [&] {
    return fail(Code::invalid, "'" + std::string(text) + "' is not an etcd endpoint",
                "Write host:port, for example 10.0.0.1:2379.");
  };
  std::string_view rest = text;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos) {
    rest.remove_prefix(scheme + 3);
  }
  rest = rest.substr(0, rest.find('/'));
  std::string_view host = rest;
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return bad();
    host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
    if (!port.empty() && (!port.starts_with(':') || port.size() == 1)) return bad();
    if (!port.empty()) port.remove_prefix(1);
  } else if (const auto colon = rest.rfind(':');
             colon != std::string_view::npos && rest.find(':') == colon) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    if (port.empty()) return bad();
  }
  if (host.empty() || host.find_first_of(" \t@,") != std::string_view::npos) return bad();
  Endpoint endpoint{std::string(host), kDefaultPort};
  if (!port.empty()) {
    const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (ec != std::errc() || end != port.data() + port.size() || endpoint.port == 0) return bad();
  }
  return endpoint;
}

std::vector<Endpoint> usable_advertised(const std::vector<std::string>& client_urls,
                                        std::string_view protocol,
                                        const std::vector<Endpoint>& configured) {
  const bool all_local = std::ranges::all_of(configured, is_loopback);
  std::vector<Endpoint> usable;
  for (const std::string& url : client_urls) {
    if (!url.starts_with(std::string(protocol) + "://")) continue;
    const auto endpoint = parse_endpoint(url);
    if (!endpoint || is_wildcard(*endpoint) || (is_loopback(*endpoint) && !all_local)) continue;
    if (!contains(usable, *endpoint)) usable.push_back(*endpoint);
  }
  return usable;
}

EndpointList::EndpointList(std::vector<Endpoint> configured) {
  for (Endpoint& endpoint : configured) {
    const bool known = std::ranges::any_of(
        entries_, [&](const Entry& entry) { return entry.endpoint == endpoint; });
    if (!known) entries_.push_back({.endpoint = std::move(endpoint), .configured = true});
  }
}

const Endpoint& EndpointList::current() const {
  ensure(!entries_.empty(), "an endpoint of an empty list");
  return entries_[current_].endpoint;
}

void EndpointList::worked() {
  for (Entry& entry : entries_) entry.failed_this_round = false;
  entries_[current_].has_worked = true;
  entries_[current_].why.clear();
}

bool EndpointList::failed(std::string why) {
  entries_[current_].why = std::move(why);
  entries_[current_].failed_this_round = true;
  const bool all_failed = std::ranges::all_of(entries_, &Entry::failed_this_round);
  if (all_failed) {
    for (Entry& entry : entries_) entry.failed_this_round = false;
  }
  choose_after(current_);
  return all_failed;
}

void EndpointList::choose_after(std::size_t index) {
  for (const bool trusted_only : {true, false}) {
    for (std::size_t step = 1; step <= entries_.size(); ++step) {
      const std::size_t candidate = (index + step) % entries_.size();
      const Entry& entry = entries_[candidate];
      if (entry.failed_this_round) continue;
      if (trusted_only && !entry.configured && !entry.has_worked) continue;
      current_ = candidate;
      return;
    }
  }
}

void EndpointList::set_discovered(const std::vector<Endpoint>& found) {
  if (entries_.empty()) return;
  std::vector<Entry> kept;
  std::size_t current = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].configured && i != current_ && !contains(found, entries_[i].endpoint))
      continue;
    if (i == current_) current = kept.size();
    kept.push_back(std::move(entries_[i]));
  }
  for (const Endpoint& endpoint : found) {
    const bool known =
        std::ranges::any_of(kept, [&](const Entry& entry) { return entry.endpoint == endpoint; });
    if (!known) kept.push_back({.endpoint = endpoint});
  }
  entries_ = std::move(kept);
  current_ = current;
}

std::string EndpointList::failures() const {
  std::string text;
  for (const Entry& entry : entries_) {
    if (entry.why.empty()) continue;
    if (!text.empty()) text += ", ";
    text += entry.endpoint.text() + " (" + entry.why + ")";
  }
  return text;
}

}  // namespace aurum::dcs::etcd
