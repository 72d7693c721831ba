#include "route/address.h"

#include "model/config.h"

namespace aurum::route {

runtime::Task<Result<Address>> look_up(std::string where, Duration timeout) {
  const auto parsed = model::parse_listen(where, 0);
  if (!parsed) co_return fail(parsed.error());
  auto endpoints =
      co_await net::resolve(parsed->hosts, static_cast<std::uint16_t>(parsed->port), timeout);
  if (!endpoints) co_return fail(endpoints.error());
  co_return Address{parsed->hosts, parsed->port, std::move(*endpoints)};
}

}  // namespace aurum::route
