#pragma once

#include <string>

#include <tl/expected.hpp>

#include "base/time.h"
#include "model/value.h"
#include "net/http.h"

/// The forms of replies and request bodies (PATRONI_COMPAT §2.1).
namespace aurum::api {

net::HttpResponse text_reply(int status, std::string text);
net::HttpResponse json_reply(int status, const model::Value& value);  ///< loose JSON
net::HttpResponse status_reply(int status);  ///< nothing but the status line

enum class Body { required, optional };
/// The JSON object of a request, or the page to answer with: 411 without a length, 400 for what is
/// no object or, where it is required, empty. An optional body that is missing counts as {}.
tl::expected<model::Value, net::HttpResponse> read_body(const net::HttpRequest& request, Body body);

/// An answer that ends a request early.
struct Refusal {
  int status = 400;
  std::string text;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

/// A time in the future, of a `schedule` or `scheduled_at`. `action`: "restart", "switchover".
tl::expected<WallTime, Refusal> read_schedule(const model::Value& value, std::string_view action,
                                              WallTime now);
/// ISO 8601 in UTC, without micro seconds when there are none: as schedules are stored.
std::string schedule_text(WallTime at);

}  // namespace aurum::api
