#include "api/reply.h"

#include <fmt/format.h>

#include "model/cluster.h"

namespace aurum::api {

net::HttpResponse text_reply(int status, std::string text) {
  net::HttpResponse out;
  out.status = status;
  out.content_type = "text/html";
  out.body = std::move(text);
  return out;
}

net::HttpResponse json_reply(int status, const model::Value& value) {
  net::HttpResponse out;
  out.status = status;
  out.content_type = "application/json";
  out.body = model::to_json_loose(value);
  return out;
}

net::HttpResponse status_reply(int status) {
  net::HttpResponse out;
  out.status = status;
  out.status_only = true;
  return out;
}

tl::expected<model::Value, net::HttpResponse> read_body(const net::HttpRequest& request,
                                                        Body body) {
  if (!request.has_length) {
    if (body == Body::optional) return model::Value::object();
    return tl::unexpected(net::error_page(411));
  }
  if (request.body.empty() && body == Body::optional) return model::Value::object();
  auto parsed = model::parse_json(request.body);
  const bool good = parsed && parsed->is_object() && (body == Body::optional || !parsed->empty());
  if (!good) return tl::unexpected(net::error_page(400));
  return std::move(*parsed);
}

tl::expected<WallTime, Refusal> read_schedule(const model::Value& value, std::string_view action,
                                              WallTime now) {
  const auto at = model::parse_iso8601(value.is_string() ? value.as_string() : std::string());
  if (!at && at.error().message == "no offset") {
    return tl::unexpected(Refusal{
        400, fmt::format("Timezone information is mandatory for the scheduled {}", action)});
  }
  if (!at) {
    return tl::unexpected(Refusal{422,
                                  "Unable to parse scheduled timestamp. It should be in an "
                                  "unambiguous format, e.g. ISO 8601"});
  }
  if (*at <= now)
    return tl::unexpected(Refusal{422, fmt::format("Cannot schedule {} in the past", action)});
  return *at;
}

std::string schedule_text(WallTime at) {
  std::string text = model::iso8601(at);
  if (const auto zero = text.find(".000000"); zero != std::string::npos) text.erase(zero, 7);
  return text;
}

}  // namespace aurum::api
