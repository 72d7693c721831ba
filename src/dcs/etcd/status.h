#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aurum::dcs::etcd {

/// What a call does to the store; decides whether it may be repeated and what an unknown end is
/// called.
enum class CallKind {
  read,     ///< changes nothing: repeated freely
  renewal,  ///< changes something, but twice is as good as once (keep-alive): repeated freely
  write,    ///< repeated only when it surely was not applied
};

/// Status codes of gRPC (the numbers travel in the trailer `grpc-status`).
namespace grpc_code {
inline constexpr int ok = 0, cancelled = 1, unknown = 2, invalid_argument = 3,
                     deadline_exceeded = 4, permission_denied = 7, unimplemented = 12,
                     unavailable = 14, unauthenticated = 16;
}

struct GrpcStatus {
  int code = grpc_code::unknown;
  std::string message;  ///< percent-decoded
};

/// How a call to one endpoint ended.
struct GrpcReply {
  enum class End {
    answered,  ///< `status` holds what the server said; `message` its answer when the code is ok
    refused,   ///< the peer said that it did not process the call (GOAWAY, REFUSED_STREAM)
    lost,      ///< the connection or the stream broke
    expired,   ///< our deadline came first
    garbled,   ///< the answer breaks the rules of gRPC or our bounds
  };
  End end = End::lost;
  bool sent = false;  ///< the whole request may have reached the peer
  GrpcStatus status = {};
  std::string message = {};
  std::string why = {};  ///< for refused, lost and garbled
  bool ok() const { return end == End::answered && status.code == grpc_code::ok; }
};

/// What to do about a call that did not succeed.
struct Verdict {
  enum class Next { give_up, other_endpoint, authenticate };
  Error error;
  Next next = Next::give_up;
  bool maybe_applied = false;
};

/// Judges a reply that is not ok. Only a text known to mean "the lease is gone" becomes
/// Code::rejected; what is not known counts as "may have been applied". The texts are those of
/// etcd 3.4-3.6 (api/v3rpc/rpctypes).
Verdict judge(const GrpcReply& reply, CallKind kind);

/// The value of `grpc-message`: %XX stands for a byte; what is not well formed is kept as it is.
std::string percent_decode(std::string_view text);

}  // namespace aurum::dcs::etcd
