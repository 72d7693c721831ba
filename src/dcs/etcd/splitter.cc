#include "dcs/etcd/splitter.h"

#include <cstdint>

namespace aurum::dcs::etcd {

namespace {

constexpr std::size_t kPrefix = 5;

std::size_t length_of(std::string_view prefix) {
  std::size_t length = 0;
  for (std::size_t i = 1; i < kPrefix; ++i)
    length = (length << 8) | static_cast<std::uint8_t>(prefix[i]);
  return length;
}

}  // namespace

std::string frame_message(std::string_view message) {
  std::string framed;
  framed.reserve(kPrefix + message.size());
  framed.push_back('\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    framed.push_back(static_cast<char>((message.size() >> shift) & 0xff));
  }
  framed += message;
  return framed;
}

Status MessageSplitter::feed(std::string_view piece, std::vector<std::string>& out) {
  buffer_ += piece;
  std::size_t at = 0;
  while (buffer_.size() - at >= kPrefix) {
    const std::string_view rest = std::string_view(buffer_).substr(at);
    if (rest[0] != 0)
      return fail(Code::protocol, "compressed grpc message, which nobody asked for");
    const std::size_t length = length_of(rest);
    if (length > max_message_) {
      return fail(Code::protocol, "grpc message of " + std::to_string(length) +
                                      " bytes is larger than the limit of " +
                                      std::to_string(max_message_));
    }
    if (rest.size() < kPrefix + length) break;
    out.emplace_back(rest.substr(kPrefix, length));
    at += kPrefix + length;
  }
  buffer_.erase(0, at);
  return {};
}

}  // namespace aurum::dcs::etcd
