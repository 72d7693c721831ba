#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "pg/bounded.h"
#include "pg/session.h"
#include "runtime/pool.h"

namespace aurum::pg {

/// Host names to addresses with a deadline. getaddrinfo may hang for ever when a name server does
/// (F45): it runs in the pool, at most one at a time.
class Names {
 public:
  Names(runtime::asio::any_io_executor executor, runtime::Pool& pool)
      : pool_(pool), lookups_(std::move(executor)) {}

  /// Keywords host and hostaddr of a host: all its addresses, in the resolver's order, so that
  /// libpq tries each. A socket directory gives `host` only. Code::not_found: no such name;
  /// Code::timeout.
  Task<Result<Keywords>> host_keywords(std::string host, Duration timeout);

 private:
  runtime::Pool& pool_;
  Bounded<Result<std::vector<std::string>>> lookups_;
};

}  // namespace aurum::pg
