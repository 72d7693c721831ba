#include "dcs/etcd/codec.h"

namespace aurum::dcs::etcd {

namespace {

model::KeyValue decode_key(const etcdserverpb::KeyValue& kv, const std::string& base) {
  std::string_view key = kv.key();
  if (key.starts_with(base)) key.remove_prefix(base.size());
  return {.key = std::string(key),
          .value = kv.value(),
          .lease = kv.lease(),
          .create_revision = kv.create_revision(),
          .mod_revision = kv.mod_revision()};
}

void encode_compare(const model::Compare& compare, const std::string& base,
                    etcdserverpb::Compare& out) {
  using What = model::Compare::What;
  out.set_key(base + compare.key);
  out.set_result(etcdserverpb::Compare::EQUAL);
  switch (compare.what) {
    case What::absent:
      out.set_target(etcdserverpb::Compare::CREATE);
      out.set_create_revision(0);
      break;
    case What::mod_revision:
      out.set_target(etcdserverpb::Compare::MOD);
      out.set_mod_revision(compare.number);
      break;
    case What::create_revision:
      out.set_target(etcdserverpb::Compare::CREATE);
      out.set_create_revision(compare.number);
      break;
    case What::value:
      out.set_target(etcdserverpb::Compare::VALUE);
      out.set_value(compare.text);
      break;
    case What::lease:
      out.set_target(etcdserverpb::Compare::LEASE);
      out.set_lease(compare.number);
      break;
  }
}

void encode_write(const model::Write& write, const std::string& base,
                  etcdserverpb::RequestOp& out) {
  using What = model::Write::What;
  const std::string key = base + write.key;
  if (write.what == What::put) {
    auto& put = *out.mutable_request_put();
    put.set_key(key);
    put.set_value(write.value);
    put.set_lease(write.lease);
    return;
  }
  auto& erase = *out.mutable_request_delete_range();
  erase.set_key(key);
  if (write.what == What::erase_prefix) erase.set_range_end(prefix_end(key));
}

}  // namespace

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    const auto last = static_cast<unsigned char>(end.back());
    if (last != 0xff) {
      end.back() = static_cast<char>(last + 1);
      return end;
    }
    end.pop_back();
  }
  return std::string(1, '\0');
}

etcdserverpb::TxnRequest encode_txn(const model::Txn& txn, const std::string& base) {
  etcdserverpb::TxnRequest request;
  for (const auto& compare : txn.when) encode_compare(compare, base, *request.add_compare());
  for (const auto& write : txn.then) encode_write(write, base, *request.add_success());
  // etcd (seen with 3.5.30) answers a transaction without operations from the member's own copy,
  // however old; a linearizable read in it makes the member ask the others first
  // (EtcdStore.without_quorum_a_transaction_that_only_compares_is_not_answered).
  if (txn.then.empty())
    request.add_success()->mutable_request_range()->set_key(
        base + (txn.when.empty() ? std::string() : txn.when.front().key));
  return request;
}

etcdserverpb::RangeRequest encode_read(const std::string& base) {
  etcdserverpb::RangeRequest request;
  request.set_key(base);
  request.set_range_end(prefix_end(base));
  return request;
}

etcdserverpb::WatchRequest encode_watch(const std::string& base, model::Revision from) {
  etcdserverpb::WatchRequest request;
  auto& create = *request.mutable_create_request();
  create.set_key(base);
  create.set_range_end(prefix_end(base));
  create.set_start_revision(from);
  create.set_fragment(true);
  return request;
}

Result<Keys> decode_read(const std::string& message, const std::string& base) {
  etcdserverpb::RangeResponse response;
  if (!response.ParseFromString(message)) {
    return fail(Code::protocol, "etcd answered a read with bytes that are no range response");
  }
  Keys keys{.revision = response.header().revision()};
  keys.keys.reserve(static_cast<std::size_t>(response.kvs_size()));
  for (const auto& kv : response.kvs()) keys.keys.push_back(decode_key(kv, base));
  return keys;
}

Result<model::TxnDone> decode_txn(const std::string& message) {
  etcdserverpb::TxnResponse response;
  if (!response.ParseFromString(message)) {
    return fail(Code::unknown_outcome,
                "etcd answered a transaction with bytes that are no txn response");
  }
  return model::TxnDone{response.succeeded(), response.header().revision()};
}

void decode_events(const etcdserverpb::WatchResponse& response, const std::string& base,
                   std::vector<Change>& changes) {
  for (const auto& event : response.events()) {
    changes.push_back({.kv = decode_key(event.kv(), base),
                       .deleted = event.type() == etcdserverpb::Event::DELETE});
  }
}

}  // namespace aurum::dcs::etcd
