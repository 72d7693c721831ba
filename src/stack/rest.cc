#include "stack/rest.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <charconv>
#include <netinet/in.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "net/http_client.h"
#include "runtime/clock.h"
#include "stack/exchange.h"

namespace aurum::stack {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kReplyMax = 16U << 20U;

std::string render(const RestCall& call) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n",
                                 call.method, call.path, call.host, call.port);
  if (!call.credentials.empty()) {
    text += fmt::format("Authorization: Basic {}\r\n", base64(call.credentials));
  }
  if (!call.body.empty() || call.method != "GET") {
    text +=
        fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", call.body.size());
  }
  return text + "\r\n" + call.body;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

Result<std::string> unchunk(std::string_view body) {
  std::string out;
  for (;;) {
    const auto eol = body.find("\r\n");
    std::size_t size = 0;
    const auto [end, ec] = std::from_chars(body.data(), body.data() + body.size(), size, 16);
    if (eol == std::string_view::npos || ec != std::errc{} || size > kReplyMax) {
      return fail(Code::protocol, "broken chunk in an HTTP reply");
    }
    body.remove_prefix(eol + 2);
    if (size == 0) return out;
    if (body.size() < size + 2) return fail(Code::protocol, "HTTP reply ends inside a chunk");
    out += body.substr(0, size);
    body.remove_prefix(size + 2);
  }
}

/// The value of header `name` in a header block already in lower case; "" if absent.
std::string header(std::string_view block, std::string_view name) {
  const std::string needle = "\r\n" + std::string(name) + ":";
  const auto at = block.find(needle);
  if (at == std::string_view::npos) return {};
  auto value = block.substr(at + needle.size());
  value = value.substr(0, value.find("\r\n"));
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return std::string(value);
}

/// Whether the wire holds a whole reply, so that a server which keeps the connection is not waited
/// for.
bool complete(std::string_view wire) {
  const auto end = wire.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  const std::string head = lower(wire.substr(0, end));
  const std::string length = header(head, "content-length");
  std::size_t size = 0;
  if (!length.empty()) {
    std::from_chars(length.data(), length.data() + length.size(), size);
    return wire.size() - end - 4 >= size;
  }
  return header(head, "transfer-encoding") == "chunked" && wire.ends_with("0\r\n\r\n");
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t block = 0;
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      block = block << 8U | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= n ? kAlphabet[block >> (18U - 6U * k) & 63U] : '=';
    }
  }
  return out;
}

Result<std::string> from_base64(std::string_view text) {
  std::string out;
  std::uint32_t block = 0;
  unsigned bits = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return fail(Code::protocol, "not base64");
    block = block << 6U | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(block >> bits & 255U);
  }
  return out;
}

Result<RestReply> parse_http_reply(std::string_view wire) {
  RestReply reply;
  const auto end = wire.find("\r\n\r\n");
  if (!wire.starts_with("HTTP/1.") || wire.size() < 12 || end == std::string_view::npos) {
    return fail(Code::protocol, "the answer is not HTTP");
  }
  std::from_chars(wire.data() + 9, wire.data() + 12, reply.status);
  const std::string head = lower(wire.substr(0, end));
  const auto body = wire.substr(end + 4);
  if (header(head, "transfer-encoding") == "chunked") {
    auto plain = unchunk(body);
    if (!plain) return fail(plain.error());
    reply.body = std::move(*plain);
    return reply;
  }
  const std::string length = header(head, "content-length");
  std::size_t size = body.size();
  if (!length.empty()) std::from_chars(length.data(), length.data() + length.size(), size);
  if (size > body.size()) return fail(Code::protocol, "HTTP reply ends too early");
  reply.body = body.substr(0, size);
  return reply;
}

namespace {

/// By the client of net/, on a loop of its own.
Result<RestReply> call_by_tls(const RestCall& call) {
  net::HttpCall https;
  https.method = call.method;
  https.url = fmt::format("https://{}:{}{}", call.host, call.port, call.path);
  https.body = call.body;
  https.headers = {{"Content-Type", "application/json"}};
  const auto colon = std::min(call.credentials.find(':'), call.credentials.size());
  https.username = call.credentials.substr(0, colon);
  if (colon < call.credentials.size()) https.password = call.credentials.substr(colon + 1);
  https.tls = *call.tls;
  https.timeout = call.timeout;
  boost::asio::io_context io;
  Result<RestReply> reply = fail(Code::internal, "the call never ended");
  boost::asio::co_spawn(io, net::http_call(std::move(https)),
                        [&reply](std::exception_ptr thrown, Result<net::HttpResponse> answer) {
                          if (thrown) return;
                          if (answer)
                            reply = RestReply{answer->status, std::move(answer->body)};
                          else
                            reply = fail(answer.error());
                        });
  io.run();
  return reply;
}

}  // namespace

Result<RestReply> rest_call(const RestCall& call) {
  if (call.tls) return call_by_tls(call);
  const std::string where = fmt::format("{}:{}", call.host, call.port);
  const Instant until = runtime::now() + call.timeout;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(call.port);
  if (::inet_pton(AF_INET, call.host.c_str(), &to.sin_addr) != 1) {
    return fail(Code::invalid, where + ": not an IPv4 address");
  }
  const auto wire = exchange(reinterpret_cast<const sockaddr*>(&to), sizeof to, where, render(call),
                             until, complete);
  if (!wire) return fail(wire.error());
  auto reply = parse_http_reply(*wire);
  if (!reply) return fail(reply.error().within(where));
  return reply;
}

}  // namespace aurum::stack
