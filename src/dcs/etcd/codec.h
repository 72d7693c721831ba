#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dcs/store.h"
#include "etcd.pb.h"
#include "model/txn.h"

/// Our values as etcd's messages and back. `base` is the base path, put before every key of ours.
namespace aurum::dcs::etcd {

/// The end of the range that holds every key beginning with `prefix` ("\0": to the end of all
/// keys).
std::string prefix_end(std::string_view prefix);

etcdserverpb::TxnRequest encode_txn(const model::Txn& txn, const std::string& base);
etcdserverpb::RangeRequest encode_read(const std::string& base);
etcdserverpb::WatchRequest encode_watch(const std::string& base, model::Revision from);

Result<Keys> decode_read(const std::string& message, const std::string& base);
/// Code::unknown_outcome when the answer can not be read: the server has carried it out or not.
Result<model::TxnDone> decode_txn(const std::string& message);
/// Puts the events of one response behind `changes`.
void decode_events(const etcdserverpb::WatchResponse& response, const std::string& base,
                   std::vector<Change>& changes);

}  // namespace aurum::dcs::etcd
