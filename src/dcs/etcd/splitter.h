#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aurum::dcs::etcd {

/// gRPC over HTTP/2, "Length-Prefixed-Message": one byte 0 (not compressed), four bytes of length
/// (big endian), the message. Pieces may be cut anywhere.
std::string frame_message(std::string_view message);

/// Puts length-prefixed messages together again from the pieces of a stream.
class MessageSplitter {
 public:
  /// A message of more than `max_message` bytes is refused as soon as its length is known.
  explicit MessageSplitter(std::size_t max_message) : max_message_(max_message) {}

  /// Takes the next piece and appends the messages it completes to `out`. Code::protocol for a
  /// compressed or too large message; after an error the stream can not be used any more.
  Status feed(std::string_view piece, std::vector<std::string>& out);

  /// Whether the stream stands between two messages, where it may end.
  bool at_boundary() const { return buffer_.empty(); }

 private:
  std::size_t max_message_;
  std::string buffer_;
};

}  // namespace aurum::dcs::etcd
