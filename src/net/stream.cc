#include "net/stream.h"

#include <array>
#include <fcntl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/tls_context.h"

namespace aurum::net {
namespace {

namespace asio = runtime::asio;
using runtime::use_task;

/// A peer that goes on sending for ever is cut off by the caller's Deadline; one that sends much,
/// by this.
constexpr std::size_t kDrainBytesMax = 4 << 20;

template <class AnyStream>
Task<void> drain(AnyStream& stream) {
  std::array<char, 4096> waste;
  for (std::size_t total = 0; total < kDrainBytesMax;) {
    auto [ec, n] = co_await stream.async_read_some(asio::buffer(waste), use_task);
    if (ec) co_return;
    total += n;
  }
}

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket socket) : socket_(std::move(socket)) {}
  Task<error_code> handshake() override { co_return error_code(); }
  Task<ReadDone> read_some(std::span<char> into) override {
    auto [ec, n] =
        co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), use_task);
    co_return ReadDone{ec, n};
  }
  Task<error_code> write(std::string_view bytes) override {
    auto [ec, n] = co_await asio::async_write(socket_, asio::buffer(bytes), use_task);
    (void)n;
    co_return ec;
  }
  Task<void> finish() override {
    error_code ec;
    socket_.shutdown(Socket::shutdown_send, ec);
    if (ec) co_return;
    co_await drain(socket_);
  }
  void close() override {
    error_code ec;
    socket_.close(ec);
  }

 private:
  Socket socket_;
};

class TlsStream final : public Stream {
 public:
  TlsStream(Socket socket, TlsContextPtr context, std::string server_name)
      : context_(std::move(context)),
        stream_(std::move(socket), context_->native()),
        server_name_(std::move(server_name)) {}

  Task<error_code> handshake() override {
    auto side = asio::ssl::stream_base::server;
    if (!server_name_.empty()) {
      side = asio::ssl::stream_base::client;
      error_code numeric;
      asio::ip::make_address(server_name_, numeric);
      // RFC 6066 §3: an address is no server name.
      if (numeric) SSL_set_tlsext_host_name(stream_.native_handle(), server_name_.c_str());
      error_code ignored;
      if (context_->verify_host()) {
        stream_.set_verify_callback(asio::ssl::host_name_verification(server_name_), ignored);
      }
    }
    auto [ec] = co_await stream_.async_handshake(side, use_task);
    co_return ec;
  }
  Task<ReadDone> read_some(std::span<char> into) override {
    auto [ec, n] =
        co_await stream_.async_read_some(asio::buffer(into.data(), into.size()), use_task);
    co_return ReadDone{ec, n};
  }
  Task<error_code> write(std::string_view bytes) override {
    auto [ec, n] = co_await asio::async_write(stream_, asio::buffer(bytes), use_task);
    (void)n;
    co_return ec;
  }
  Task<void> finish() override {
    auto [ec] = co_await stream_.async_shutdown(use_task);
    if (ec) co_return;
    error_code ignored;
    stream_.next_layer().shutdown(Socket::shutdown_send, ignored);
    if (ignored) co_return;
    co_await drain(stream_.next_layer());
  }
  void close() override {
    error_code ec;
    stream_.next_layer().close(ec);
  }
  bool has_peer_certificate() override { return certificate() != nullptr; }
  std::string peer_common_name() override {
    auto owned = certificate();
    if (owned == nullptr) return {};
    X509_NAME* subject = X509_get_subject_name(owned.get());
    std::array<char, 256> name{};
    int n = X509_NAME_get_text_by_NID(subject, NID_commonName, name.data(), int{name.size()});
    return n > 0 ? std::string(name.data(), static_cast<std::size_t>(n)) : std::string();
  }

 private:
  struct FreeX509 {
    void operator()(X509* x) const { X509_free(x); }
  };
  std::unique_ptr<X509, FreeX509> certificate() {
    return std::unique_ptr<X509, FreeX509>(SSL_get1_peer_certificate(stream_.native_handle()));
  }

  TlsContextPtr context_;
  asio::ssl::stream<Socket> stream_;
  std::string server_name_;
};

}  // namespace

std::unique_ptr<Stream> plain_stream(Socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

std::unique_ptr<Stream> tls_stream(Socket socket, TlsContextPtr context, std::string server_name) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(context), std::move(server_name));
}

struct Deadline::State {
  State(const asio::any_io_executor& executor, Stream& s) : timer(executor), stream(&s) {}
  asio::steady_timer timer;
  Stream* stream;  ///< null once the Deadline is gone
  bool expired = false;
  unsigned round = 0;
};

Deadline::Deadline(const asio::any_io_executor& executor, Stream& stream)
    : state_(std::make_shared<State>(executor, stream)) {}

Deadline::~Deadline() {
  state_->stream = nullptr;
  state_->timer.cancel();
}

void Deadline::set(Duration from_now) {
  state_->timer.expires_after(from_now);
  // The round tells a handler that was queued before it was replaced from the current one.
  state_->timer.async_wait([state = state_, round = ++state_->round](const error_code& ec) {
    if (ec || state->stream == nullptr || round != state->round) return;
    state->expired = true;
    state->stream->close();
  });
}

void Deadline::clear() {
  ++state_->round;
  state_->timer.cancel();
}

bool Deadline::expired() const { return state_->expired; }

void close_on_exec(int fd) {
  int flags = ::fcntl(fd, F_GETFD);
  if (flags >= 0) ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

}  // namespace aurum::net
