#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "base/time.h"
#include "dcs/etcd/signal.h"
#include "dcs/etcd/tls.h"

struct nghttp2_session;

namespace aurum::dcs::etcd {

using tcp = asio::ip::tcp;
using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// How a stream ended, beside what the peer said in its trailers.
struct StreamEnd {
  bool broken = false;   ///< reset, or the connection was lost
  bool refused = false;  ///< the peer did not process it
  bool sent = false;     ///< the end of our request was handed to the socket
  std::string why;       ///< when broken
};

/// What a connection tells the owner of a stream. Called in the middle of the connection's work:
/// note what happened and wake somebody, nothing else.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  virtual void on_header(std::string_view name, std::string_view value) = 0;
  /// False: the stream is broken beyond use and gets reset.
  virtual bool on_data(std::string_view data) = 0;
  virtual void on_end(const StreamEnd& end) = 0;  ///< once, the last call
};

/// How patient a connection is with its peer.
struct Keepalive {
  Duration idle = milliseconds(250);      ///< nothing heard for so long: probe
  Duration patience = milliseconds(400);  ///< no answer to the probe for so long: lost
};

/// One HTTP/2 connection to one endpoint, plain or TLS. Made ready by connect(), dead after
/// close(); never revived. Held by its pending socket operations, by the client while it is the
/// current one, and by each of its streams.
///
/// A frozen peer's kernel still accepts and acknowledges, so the connection counts as ready only
/// when the peer's SETTINGS came, and silence is probed. The probe is an empty SETTINGS frame,
/// which a peer must acknowledge (RFC 9113 §6.5.3), and not PING: grpc-go ends connections that
/// PING more often than every 5 minutes (etcd: 5 s).
class H2Connection : public std::enable_shared_from_this<H2Connection> {
 public:
  /// `tls` null means plain text; `host` is whom the certificate must name; `authority` goes into
  /// requests.
  H2Connection(asio::any_io_executor executor, std::shared_ptr<const TlsContext> tls,
               std::string host, std::string authority);
  ~H2Connection();
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  /// Connects and waits for the peer's SETTINGS. On failure the connection is closed.
  Task<Status> connect(tcp::endpoint address, Duration timeout);
  void set_keepalive(Keepalive keepalive) { keepalive_ = keepalive; }
  /// How long the peer took to accept and to greet: a measure of the way to it.
  Duration greeting_time() const { return greeting_time_; }

  bool usable() const { return ready_ && !dead_ && !going_away_; }
  const Error& why() const { return why_; }
  const std::string& authority() const { return authority_; }

  /// Opens a stream: POST `path`. `long_lived` streams end when the connection is left. Returns its
  /// id, or -1 when the connection can not take one; `events` must stay until on_end or reset().
  std::int32_t open(const std::string& path, const HeaderList& headers, bool long_lived,
                    StreamEvents& events);
  /// Sends bytes on a stream; `last` ends our side of it.
  void send(std::int32_t id, std::string_view data, bool last);
  /// Forgets a stream: no further event. Harmless when it has ended.
  void reset(std::int32_t id);

  /// No new streams; long-lived ones end now with `why`, others may finish, then it closes.
  void leave(Error why);
  void close(Error why);

 private:
  struct Stream {
    StreamEvents* events = nullptr;
    std::string out;
    bool last = false;
    bool sent = false;
    bool long_lived = false;
  };
  struct Callbacks;

  Status start_session();
  void read_some();
  void on_read(std::size_t size);
  void flush();
  void write_some();
  void arm_keepalive();
  void on_keepalive();
  void end_stream(std::int32_t id, StreamEnd end);

  asio::any_io_executor executor_;
  tcp::socket socket_;
  std::string host_, authority_;
  std::shared_ptr<const TlsContext> tls_context_;
  std::unique_ptr<TlsSession> tls_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Stream> streams_;
  Signal changed_;

  std::array<char, 16384> input_{};
  std::string plain_, pending_, writing_;
  bool busy_writing_ = false;
  bool inside_session_ = false;

  asio::steady_timer keepalive_timer_;
  Keepalive keepalive_;
  Instant heard_{}, probed_{};
  bool probing_ = false;
  Duration greeting_time_{};

  bool ready_ = false, going_away_ = false, dead_ = false;
  Error why_;
};

}  // namespace aurum::dcs::etcd
