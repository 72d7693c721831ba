#include "api/access.h"
#include "api/api.h"
#include "api/reply.h"

/// The change of a password (docs/decisions/0018).
namespace aurum::api {

/// Whoever may do this may become superuser: an API that everybody may write to does not offer it.
Task<net::HttpResponse> Api::post_secrets(Call& call) {
  if (access_rules(*node_.view().config, nullptr, false).everybody_may_write())
    co_return text_reply(403,
                         "restapi has neither authentication nor verify_client: passwords are not "
                         "changed through it");
  auto body = read_body(call, Body::required);
  if (!body) co_return body.error();
  auto [status, answer] = co_await node_.secrets(std::move(*body));
  co_return json_reply(status, answer);
}

}  // namespace aurum::api
