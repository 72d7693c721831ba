#include "net/http_parse.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

namespace aurum::net {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

template <class Fields>
Headers copy_headers(const Fields& fields) {
  Headers out;
  for (const auto& field : fields) {
    out.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  return out;
}

/// Gives the parser what it takes of `pending` and keeps the rest. Returns need_more as no error.
template <class Parser>
error_code put(Parser& parser, std::string& pending) {
  error_code ec;
  while (!pending.empty() && !parser.is_done()) {
    auto n = parser.put(boost::asio::buffer(pending), ec);
    pending.erase(0, n);
    if (ec == http::error::need_more) return {};
    if (ec) return ec;
    if (n == 0) return {};
  }
  return ec;
}

HttpResponse page_for(const error_code& ec) {
  if (ec == http::error::header_limit) return error_page(431);
  if (ec == http::error::body_limit) return error_page(413);
  return error_page(400);
}

}  // namespace

struct RequestParser::Impl {
  http::request_parser<http::string_body> parser;
  std::string pending;
  bool failed = false;
  HttpResponse error;
};

RequestParser::RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : impl_(std::make_unique<Impl>()) {
  impl_->parser.header_limit(static_cast<std::uint32_t>(header_bytes_max));
  impl_->parser.body_limit(body_bytes_max);
  impl_->parser.eager(true);
}
RequestParser::~RequestParser() = default;

void RequestParser::feed(std::string_view bytes) {
  impl_->pending += bytes;
  auto ec = put(impl_->parser, impl_->pending);
  if (!ec) return;
  impl_->failed = true;
  impl_->error = page_for(ec);
}

bool RequestParser::done() const { return impl_->failed || impl_->parser.is_done(); }
bool RequestParser::failed() const { return impl_->failed; }
const HttpResponse& RequestParser::error() const { return impl_->error; }

std::optional<int> RequestParser::kept() const {
  if (impl_->failed || !impl_->parser.is_done()) return std::nullopt;
  const auto& message = impl_->parser.get();
  http::token_list asked(message[http::field::connection]);
  if (!asked.exists("keep-alive") || asked.exists("close")) return std::nullopt;
  return message.version() >= 11 ? 1 : 0;
}

std::string RequestParser::take_rest() { return std::exchange(impl_->pending, {}); }

HttpRequest RequestParser::take() {
  auto message = impl_->parser.release();
  HttpRequest out;
  out.method = std::string(message.method_string());
  out.target = std::string(message.target());
  out.headers = copy_headers(message);
  out.has_length = message.find(http::field::content_length) != message.end();
  out.body = std::move(message.body());
  return out;
}

std::string render_kept_reply(const HttpResponse& response, int minor_version,
                              std::string_view server, std::string_view date,
                              const Headers& extra) {
  std::string out = render_reply(response, server, date, extra);
  // "HTTP/1.0 200 OK": the version is the only thing in the first line that differs.
  out[std::string_view("HTTP/1.").size()] = minor_version == 1 ? '1' : '0';
  const std::size_t end = out.find("\r\n\r\n");
  out.insert(end,
             fmt::format("\r\nConnection: keep-alive\r\nContent-Length: {}", out.size() - end - 4));
  return out;
}

struct ResponseParser::Impl {
  http::response_parser<http::string_body> parser;
  std::string pending;
};

ResponseParser::ResponseParser(std::size_t body_bytes_max, bool to_head)
    : impl_(std::make_unique<Impl>()) {
  impl_->parser.body_limit(body_bytes_max);
  impl_->parser.eager(true);
  impl_->parser.skip(to_head);
}
ResponseParser::~ResponseParser() = default;

Status ResponseParser::feed(std::string_view bytes) {
  impl_->pending += bytes;
  auto ec = put(impl_->parser, impl_->pending);
  if (ec) return fail(Code::protocol, fmt::format("not an HTTP reply: {}", ec.message()));
  return {};
}

Status ResponseParser::end() {
  error_code ec;
  if (!impl_->parser.is_done() && impl_->parser.got_some()) impl_->parser.put_eof(ec);
  if (ec || !impl_->parser.is_done()) {
    return fail(Code::protocol, "the connection ended before the reply did");
  }
  return {};
}

bool ResponseParser::done() const { return impl_->parser.is_done(); }
bool ResponseParser::kept() const {
  return impl_->parser.is_done() && impl_->parser.keep_alive() && impl_->pending.empty();
}

HttpResponse ResponseParser::take() {
  auto message = impl_->parser.release();
  HttpResponse out;
  out.status = static_cast<int>(message.result_int());
  out.reason = std::string(message.reason());
  out.headers = copy_headers(message);
  auto type = message.find(http::field::content_type);
  if (type != message.end()) out.content_type = std::string(type->value());
  out.body = std::move(message.body());
  return out;
}

}  // namespace aurum::net
