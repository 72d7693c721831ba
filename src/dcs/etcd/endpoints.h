#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aurum::dcs::etcd {

/// Where an etcd member listens for clients. `host` is a name or a numeric address without
/// brackets.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  std::string text() const;  ///< "host:port", "[::1]:port"
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// Reads "host:port", "host" (port 2379), "[::1]:2379", "http[s]://host:port[/…]". Code::invalid
/// names the text.
Result<Endpoint> parse_endpoint(std::string_view text);

/// Endpoints that members advertise (client URLs) and that are worth trying: of our `protocol`, no
/// wildcard address, and no loopback address unless all configured ones are loopback too.
std::vector<Endpoint> usable_advertised(const std::vector<std::string>& client_urls,
                                        std::string_view protocol,
                                        const std::vector<Endpoint>& configured);

/// The order in which endpoints are tried: stay with one that works; after a failure the next one,
/// where those that are configured or have worked before come ahead of the merely advertised ones.
class EndpointList {
 public:
  explicit EndpointList(std::vector<Endpoint> configured);

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const Endpoint& current() const;
  /// The current one answered: it is kept until it fails, and a new round begins.
  void worked();
  /// The current one failed: the next one becomes current. True when all have failed since the
  /// round began.
  bool failed(std::string why);
  /// Replaces what was discovered before. Configured endpoints and the current one always stay.
  void set_discovered(const std::vector<Endpoint>& found);
  /// "a:1 (connection refused), b:2 (no answer)": the last failure of each, for messages.
  std::string failures() const;

 private:
  struct Entry {
    Endpoint endpoint;
    bool configured = false;
    bool has_worked = false;
    bool failed_this_round = false;
    std::string why;
  };
  void choose_after(std::size_t index);

  std::vector<Entry> entries_;
  std::size_t current_ = 0;
};

}  // namespace aurum::dcs::etcd
