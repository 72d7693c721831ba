#pragma once

#include <string>
#include <vector>

#include "model/access.h"
#include "net/http.h"

namespace aurum::api {

/// Who calls, as far as the connection and the request's header prove it.
struct Caller {
  model::AccessRole role = model::AccessRole::none;
  std::string who;  ///< "certificate ops", "token deploy", "user aurum"; "" = nobody knows
  friend bool operator==(const Caller&, const Caller&) = default;
};

/// A request on its way through the Api.
struct Call : net::HttpRequest {
  Caller caller = {};
  std::vector<std::string> changes = {};  ///< keys of the dynamic configuration; for the log
};

}  // namespace aurum::api
