#include "dcs/etcd/status.h"

#include <array>
#include <optional>

namespace aurum::dcs::etcd {

namespace {

/// What an error text of etcd says about the request.
enum class Meaning {
  lease_gone,     ///< definite: the lease does not exist
  try_other,      ///< refused before it was proposed; another member may do better
  no_space,       ///< refused, on every member alike
  bad_request,    ///< refused before it was proposed; repeating is pointless
  bad_token,      ///< refused for its token; a fresh one helps
  denied,         ///< refused for its user
  not_supported,  ///< the server does not know the call
  unclear,        ///< may have been applied
};

struct KnownText {
  std::string_view text;
  Meaning meaning;
};

constexpr std::array kKnownTexts = {
    KnownText{"etcdserver: requested lease not found", Meaning::lease_gone},
    KnownText{"etcdserver: no leader", Meaning::try_other},
    KnownText{"etcdserver: too many requests", Meaning::try_other},
    KnownText{"etcdserver: rpc not supported for learner", Meaning::try_other},
    KnownText{"etcdserver: mvcc: database space exceeded", Meaning::no_space},
    KnownText{"etcdserver: request is too large", Meaning::bad_request},
    KnownText{"etcdserver: duplicate key given in txn request", Meaning::bad_request},
    KnownText{"etcdserver: too many operations in txn request", Meaning::bad_request},
    KnownText{"etcdserver: key is not provided", Meaning::bad_request},
    KnownText{"etcdserver: too large lease TTL", Meaning::bad_request},
    KnownText{"etcdserver: invalid auth token", Meaning::bad_token},
    KnownText{"etcdserver: revision of auth store is old", Meaning::bad_token},
    KnownText{"etcdserver: user name is empty", Meaning::bad_token},
    KnownText{"etcdserver: permission denied", Meaning::denied},
    KnownText{"etcdserver: authentication failed, invalid user ID or password", Meaning::denied},
    KnownText{"etcdserver: user name not found", Meaning::denied},
};

Meaning meaning_of(const GrpcStatus& status) {
  for (const KnownText& known : kKnownTexts) {
    if (status.message == known.text) return known.meaning;
  }
  switch (status.code) {
    case grpc_code::permission_denied:
      return Meaning::denied;
    case grpc_code::unauthenticated:
      return Meaning::bad_token;
    case grpc_code::unimplemented:
      return Meaning::not_supported;
    default:
      return Meaning::unclear;
  }
}

Verdict unclear(std::string what, CallKind kind) {
  if (kind == CallKind::write) {
    return {{Code::unknown_outcome, std::move(what), {}}, Verdict::Next::give_up, true};
  }
  const bool renewal = kind == CallKind::renewal;
  return {{renewal ? Code::unknown_outcome : Code::unavailable, std::move(what), {}},
          Verdict::Next::other_endpoint,
          renewal};
}

Verdict judge_answer(const GrpcStatus& status, CallKind kind) {
  using Next = Verdict::Next;
  std::string text =
      status.message.empty() ? "grpc status " + std::to_string(status.code) : status.message;
  switch (meaning_of(status)) {
    case Meaning::lease_gone:
      return {{Code::rejected, std::move(text), {}}, Next::give_up};
    case Meaning::try_other:
      return {{Code::unavailable, std::move(text), {}}, Next::other_endpoint};
    case Meaning::no_space:
      return {{Code::unavailable, std::move(text),
               "etcd is full: compact and defragment it, then run 'etcdctl alarm disarm'."},
              Next::give_up};
    case Meaning::bad_request:
      return {{Code::invalid, std::move(text), {}}, Next::give_up};
    case Meaning::bad_token:
      return {{Code::permission, std::move(text), {}}, Next::authenticate};
    case Meaning::denied:
      return {{Code::permission, std::move(text), {}}, Next::give_up};
    case Meaning::not_supported:
      return {{Code::protocol, std::move(text), {}}, Next::give_up};
    case Meaning::unclear:
      break;
  }
  return unclear(std::move(text), kind);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Verdict judge(const GrpcReply& reply, CallKind kind) {
  using End = GrpcReply::End;
  if (reply.end == End::answered && reply.status.code != grpc_code::ok) {
    return judge_answer(reply.status, kind);
  }
  if (reply.end == End::answered) return unclear("an empty answer", kind);
  std::string what = reply.end == End::expired ? "no answer in time" : reply.why;
  if (reply.end == End::refused || !reply.sent) {
    return {{Code::unavailable, std::move(what), {}}, Verdict::Next::other_endpoint};
  }
  Verdict verdict = unclear(std::move(what), kind);
  if (reply.end == End::garbled) verdict.next = Verdict::Next::give_up;
  if (kind == CallKind::read) {
    verdict.error.code = reply.end == End::garbled ? Code::protocol : Code::timeout;
  }
  return verdict;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

}  // namespace aurum::dcs::etcd
