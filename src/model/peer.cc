#include <algorithm>

#include "model/decode.h"
#include "model/postgres.h"

namespace aurum::model {

PeerStatus decode_peer_status(const Value& document) {
  PeerStatus peer;
  const Value* xlog = document.find("xlog");
  if (xlog == nullptr) xlog = document.find("wal");
  const std::string role = string_at(document, "role");
  std::optional<Lsn> location;
  if (xlog != nullptr) {
    location = lsn_of(xlog->find("location"));
    const auto received = lsn_of(xlog->find("received_location")).value_or(Lsn{});
    const auto replayed = lsn_of(xlog->find("replayed_location")).value_or(Lsn{});
    peer.position = location.value_or(std::max(received, replayed));
  }
  peer.in_recovery = !location && role != "primary" && role != "master";
  peer.running = string_at(document, "state") == "running";
  peer.timeline = timeline_of(document.find("timeline")).value_or(0);
  if (const Value* tags = document.find("tags"); tags != nullptr && tags->is_object())
    peer.tags = *tags;
  if (const Value* failed = document.find("watchdog_failed"))
    peer.watchdog_failed = read_bool(*failed).value_or(false);
  if (const Value* agent = document.find("patroni")) peer.version = string_at(*agent, "version");
  return peer;
}

}  // namespace aurum::model
