#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include "base/time.h"
#include "net/tls.h"
#include "runtime/async.h"

/// A connection, plain or TLS, behind one type, so that what is built upon it is compiled once.
namespace aurum::net {

using boost::system::error_code;
using runtime::Task;
using Socket = runtime::asio::ip::tcp::socket;

struct ReadDone {
  error_code ec;
  std::size_t n = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  /// TLS only; a plain stream is ready at once.
  virtual Task<error_code> handshake() = 0;
  virtual Task<ReadDone> read_some(std::span<char> into) = 0;
  virtual Task<error_code> write(std::string_view bytes) = 0;
  /// Says that no more will be written, then reads until the peer has ended too: closing with
  /// unread input would reset the connection and may cost the peer our last bytes.
  virtual Task<void> finish() = 0;
  /// Ends it at once; what is pending ends with an error.
  virtual void close() = 0;

  /// Of a TLS peer that showed a certificate which was verified.
  virtual bool has_peer_certificate() { return false; }
  virtual std::string peer_common_name() { return {}; }
};

std::unique_ptr<Stream> plain_stream(Socket socket);
/// `server_name`: the host a client wants ("" on the server's side).
std::unique_ptr<Stream> tls_stream(Socket socket, TlsContextPtr context,
                                   std::string server_name = {});

/// Closes a stream when the time is up. Owned by whoever awaits the stream; ends with its scope.
class Deadline {
 public:
  Deadline(const runtime::asio::any_io_executor& executor, Stream& stream);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  void set(Duration from_now);  ///< replaces the former one
  void clear();
  bool expired() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< also held by the timer's handler, which may be queued already
};

/// Keeps it from programs we start.
void close_on_exec(int fd);

}  // namespace aurum::net
