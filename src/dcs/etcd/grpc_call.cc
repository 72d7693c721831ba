#include "dcs/etcd/grpc_call.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <boost/asio/this_coro.hpp>

#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace {

/// gRPC over HTTP/2, "Timeout": at most eight digits and a unit.
std::string timeout_header(Duration timeout) {
  const auto ms = std::clamp<std::int64_t>(to_ms(timeout), 1, 99'999'999);
  return std::to_string(ms) + "m";
}

int to_int(std::string_view text) {
  int value = grpc_code::unknown;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

GrpcStream::GrpcStream(asio::any_io_executor executor, std::shared_ptr<H2Connection> connection,
                       const std::string& path, const CallOptions& options,
                       std::optional<Duration> timeout)
    : connection_(std::move(connection)), changed_(std::move(executor)), splitter_(kMaxMessage) {
  HeaderList headers = {
      {"te", "trailers"}, {"content-type", "application/grpc"}, {"user-agent", "aurum"}};
  if (options.needs_leader) headers.emplace_back("hasleader", "true");
  if (!options.token.empty()) headers.emplace_back("token", options.token);
  if (timeout) headers.emplace_back("grpc-timeout", timeout_header(*timeout));
  id_ = connection_->open(path, headers, options.long_lived, *this);
  if (id_ < 0) on_end({.broken = true, .why = connection_->why().message});
}

GrpcStream::~GrpcStream() {
  if (!ended_) connection_->reset(id_);
}

void GrpcStream::send(std::string_view message, bool last) {
  if (!ended_) connection_->send(id_, frame_message(message), last);
}

Task<std::optional<std::string>> GrpcStream::next(Instant deadline) {
  while (messages_.empty() && !ended_ && runtime::now() < deadline) {
    co_await changed_.wait_until(deadline);
  }
  if (messages_.empty()) co_return std::nullopt;
  std::optional<std::string> message = std::move(messages_.front());
  messages_.pop_front();
  co_return message;
}

Task<void> GrpcStream::wait_end(Instant deadline) {
  while (!ended_ && runtime::now() < deadline) co_await changed_.wait_until(deadline);
}

GrpcReply GrpcStream::reply() const {
  GrpcReply reply;
  reply.sent = !ended_ || end_.sent;
  if (!ended_) {
    reply.end = GrpcReply::End::expired;
    return reply;
  }
  if (!broken_.empty()) {
    reply.end = GrpcReply::End::garbled;
    reply.why = broken_;
  } else if (grpc_status_) {
    reply.end = GrpcReply::End::answered;
    reply.status = {*grpc_status_, grpc_message_};
    if (!messages_.empty()) reply.message = messages_.front();
  } else if (end_.refused) {
    reply.end = GrpcReply::End::refused;
    reply.why = end_.why;
  } else if (!http_status_.empty() && http_status_ != "200") {
    reply.why = "HTTP status " + http_status_ + " instead of a grpc answer";
  } else {
    reply.why = end_.why.empty() ? "an answer without grpc status" : end_.why;
  }
  return reply;
}

void GrpcStream::on_header(std::string_view name, std::string_view value) {
  if (name == ":status") http_status_ = value;
  if (name == "grpc-status") grpc_status_ = to_int(value);
  if (name == "grpc-message") grpc_message_ = percent_decode(value);
}

bool GrpcStream::on_data(std::string_view data) {
  if (!http_status_.empty() && http_status_ != "200") return true;
  std::vector<std::string> complete;
  const auto status = splitter_.feed(data, complete);
  for (std::string& message : complete) messages_.push_back(std::move(message));
  if (!status) broken_ = status.error().message;
  changed_.notify();
  return status.has_value();
}

void GrpcStream::on_end(const StreamEnd& end) {
  ended_ = true;
  end_ = end;
  changed_.notify();
}

Task<GrpcReply> unary(std::shared_ptr<H2Connection> connection, std::string path,
                      CallOptions options, std::string request, Instant deadline) {
  auto executor = co_await asio::this_coro::executor;
  const Duration timeout = deadline - runtime::now();
  GrpcStream stream(executor, connection, path, options, timeout);
  stream.send(request, true);
  co_await stream.wait_end(deadline);
  co_return stream.reply();
}

}  // namespace aurum::dcs::etcd
