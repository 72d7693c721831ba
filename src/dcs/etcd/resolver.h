#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "base/result.h"
#include "dcs/etcd/signal.h"

namespace aurum::dcs::etcd {

/// Turns host names into addresses without ever blocking the loop or its end (FAILURES F45). A
/// lookup runs in a thread of its own, at most one per name, since getaddrinfo can hang for half a
/// minute and can not be stopped. When it fails or is late, the addresses of the last good lookup
/// are used.
class Resolver {
 public:
  using Addresses = std::vector<asio::ip::address>;
  using Lookup = std::function<Result<Addresses>(const std::string& host)>;

  /// `lookup` runs in another thread; the default asks the system.
  explicit Resolver(asio::any_io_executor executor, Lookup lookup = system_lookup);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Addresses of `host`, at once when it is numeric; else a fresh answer, or the last good one
  /// when there is none within `patience`. Code::unavailable when there never was one.
  Task<Result<Addresses>> resolve(std::string host, Duration patience);

  static Result<Addresses> system_lookup(const std::string& host);

 private:
  struct Shared;
  struct Name {
    Addresses last_good;
    bool asking = false;
    int answers = 0;  ///< counts lookups that ended
    std::string failure;
  };
  void start(const std::string& host);
  void finished(const std::string& host, Result<Addresses> answer);

  asio::any_io_executor executor_;
  Lookup lookup_;
  std::map<std::string, Name> names_;
  Signal changed_;
  std::shared_ptr<Shared> shared_;  ///< also held by threads at work, which may outlive us
};

}  // namespace aurum::dcs::etcd
