// libFuzzer: bytes as a caller may send them, through the parser, the REST surface and the writer
// of replies. Every request must get a reply that HTTP knows, and nothing of it may reach the
// reply's header.
//
// The first byte says how the node is (its bits below) and in which pieces the rest arrives; or
// that the rest is nothing but a body, for the route that the second byte names.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "api/api.h"
#include "api/testing/fake_node.h"
#include "net/http_parse.h"
#include "runtime/run_alone.h"

namespace {

using namespace aurum;

constexpr std::size_t kHeaderBytes = 16 * 1024, kBodyBytes = 1024 * 1024;

enum Bits : unsigned {
  kPieces = 0x0f,
  kPaused = 0x10,
  kPassword = 0x20,
  kReplica = 0x40,
  kBody = 0x80
};

void must(bool so, std::string_view what) {
  if (so) return;
  fmt::print(stderr, "not so: {}\n", what);
  std::abort();
}

void prepare(api::testing::FakeNode& node, unsigned how) {
  if ((how & kReplica) != 0) node.follow();
  node.view_.paused = (how & kPaused) != 0;
  node.dynamic.loop_wait_s = 0;  // a switchover that nobody carries out is not waited for
  node.dynamic.pause = node.view_.paused;
  if ((how & kPassword) != 0) {
    node.config.rest.username = "aurum";
    node.config.rest.password = "secret";
    node.config.aurum.access = {{.role = model::AccessRole::operator_,
                                 .name = "token",
                                 .token = "0123456789abcdef",
                                 .other_token = "fedcba9876543210"}};
  }
}

void check_reply(const net::HttpResponse& reply) {
  must(reply.status >= 200 && reply.status < 600, "a status that HTTP knows");
  must(reply.status != 500 || reply.body.find("in the paused state") != std::string::npos,
       "no handler gives up");
  const std::string bytes = net::render_reply(reply, "Aurum", "Sun, 22 Nov 2026 21:13:46 GMT", {});
  const std::string_view head = std::string_view(bytes).substr(0, bytes.find("\r\n\r\n"));
  must(head.size() < 1024, "a short header");
  must(std::ranges::none_of(head, [](char c) { return c == '\0'; }), "no zero in the header");
}

void serve(net::HttpRequest request, unsigned how) {
  request.peer_address = "127.0.0.1";
  api::testing::FakeNode node;
  prepare(node, how);
  api::ApiOptions options;
  options.poll_interval = options.handover_floor = Duration::zero();
  api::Api api(node, options);
  check_reply(runtime::run_alone(api.handle(std::move(request))));
}

void serve_body(unsigned how, std::uint8_t which, std::string_view body) {
  const auto routes = api::Api::routes();
  const auto& route = routes[which % routes.size()];
  net::HttpRequest request;
  request.method = route.method;
  request.target = fmt::format("/{}", route.segment);
  request.body = body;
  request.has_length = true;
  serve(std::move(request), how & ~kPassword);
}

void serve_bytes(unsigned how, std::string_view rest) {
  net::RequestParser parser(kHeaderBytes, kBodyBytes);
  const std::size_t piece = (how & kPieces) == 0 ? rest.size() : (how & kPieces);
  while (!rest.empty() && !parser.done()) {
    parser.feed(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  if (!parser.done()) return;
  const auto kept = parser.kept();
  must(!kept || !parser.failed(), "an error page ends the connection");
  if (parser.failed()) return check_reply(parser.error());
  serve(parser.take(), how);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return -1;
  const unsigned how = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((how & kBody) != 0)
    serve_body(how, data[1], rest.substr(1));
  else
    serve_bytes(how, rest);
  return 0;
}
