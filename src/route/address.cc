#include "route/address.h"

#include <fmt/format.h>

#include "model/config.h"

namespace aurum::route {

std::string Address::text() const {
  const std::string number = endpoints.front().address().to_string();
  const std::string name = fmt::format("{}:{}", host, endpoints.front().port());
  return number == host ? name : fmt::format("{} ({})", name, number);
}

runtime::Task<Result<std::vector<Address>>> look_up(std::string where, Duration timeout) {
  const auto parsed = model::parse_listen(where, 0);
  if (!parsed) co_return fail(parsed.error());
  auto endpoints =
      co_await net::resolve(parsed->hosts, static_cast<std::uint16_t>(parsed->port), timeout);
  if (!endpoints) co_return fail(endpoints.error());
  if (endpoints->empty()) co_return fail(Code::unavailable, where + " has no address");
  std::vector<Address> all;
  for (const auto& endpoint : *endpoints) {
    const bool local = endpoint.address().is_loopback();
    if (local && !all.empty() && all.back().endpoints.front().address().is_loopback())
      all.back().endpoints.push_back(endpoint);
    else
      all.push_back({parsed->hosts, {endpoint}});
  }
  co_return all;
}

}  // namespace aurum::route
