#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dcs/etcd/h2_connection.h"
#include "dcs/etcd/signal.h"
#include "dcs/etcd/splitter.h"
#include "dcs/etcd/status.h"

namespace aurum::dcs::etcd {

/// Largest message we accept: far above a cluster's few keys, small enough to hold in memory.
inline constexpr std::size_t kMaxMessage = 16 << 20;

struct CallOptions {
  std::string token;         ///< of Authenticate; "" = none
  bool needs_leader = true;  ///< a member without a leader refuses at once instead of waiting
  bool long_lived = false;   ///< ends when the connection is left
};

/// One gRPC call on a connection: messages out, messages in, a status at the end. Lives in the
/// frame of the coroutine that uses it; its destruction cancels the call.
class GrpcStream final : public StreamEvents {
 public:
  GrpcStream(asio::any_io_executor executor, std::shared_ptr<H2Connection> connection,
             const std::string& path, const CallOptions& options, std::optional<Duration> timeout);
  ~GrpcStream() override;
  GrpcStream(const GrpcStream&) = delete;
  GrpcStream& operator=(const GrpcStream&) = delete;

  void send(std::string_view message, bool last);
  /// The next message; nothing when the call has ended or `deadline` came.
  Task<std::optional<std::string>> next(Instant deadline);
  /// Waits for the end of the call.
  Task<void> wait_end(Instant deadline);

  bool ended() const { return ended_; }
  /// How it ended; before the end: that it has not (expired).
  GrpcReply reply() const;

 private:
  void on_header(std::string_view name, std::string_view value) override;
  bool on_data(std::string_view data) override;
  void on_end(const StreamEnd& end) override;

  std::shared_ptr<H2Connection> connection_;
  std::int32_t id_ = -1;
  Signal changed_;
  MessageSplitter splitter_;
  std::deque<std::string> messages_;
  std::string http_status_, grpc_message_, broken_;
  std::optional<int> grpc_status_;
  bool ended_ = false;
  StreamEnd end_;
};

/// One request, one answer. Never fails otherwise than by the reply it returns.
Task<GrpcReply> unary(std::shared_ptr<H2Connection> connection, std::string path,
                      CallOptions options, std::string request, Instant deadline);

}  // namespace aurum::dcs::etcd
