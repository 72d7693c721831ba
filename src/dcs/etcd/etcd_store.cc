#include "dcs/etcd_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "dcs/etcd/client.h"
#include "dcs/etcd/codec.h"
#include "dcs/etcd/tls.h"
#include "dcs/etcd/watch.h"

namespace aurum::dcs {

namespace {

using etcd::CallKind;
using etcd::Client;

/// Each call is a free coroutine that holds the client itself, so that it may outlive the store.
Task<Result<Keys>> read_keys(std::shared_ptr<Client> client, std::string base, Duration timeout) {
  etcd::Rpc rpc{.path = "/etcdserverpb.KV/Range",
                .request = etcd::encode_read(base).SerializeAsString()};
  auto answer = co_await client->call(rpc, timeout);
  if (!answer) co_return fail(answer.error().within("read"));
  co_return etcd::decode_read(*answer, base);
}

Task<Result<model::TxnDone>> run_txn(std::shared_ptr<Client> client, std::string base,
                                     model::Txn txn, Duration timeout) {
  etcd::Rpc rpc{.path = "/etcdserverpb.KV/Txn",
                .request = etcd::encode_txn(txn, base).SerializeAsString(),
                .kind = txn.then.empty() ? CallKind::read : CallKind::write};
  auto answer = co_await client->call(rpc, timeout);
  if (!answer) co_return fail(answer.error().within("transaction"));
  co_return etcd::decode_txn(*answer);
}

Task<Result<LeaseInfo>> grant_lease(std::shared_ptr<Client> client, Duration ttl,
                                    Duration timeout) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(std::chrono::ceil<seconds>(ttl).count());
  etcd::Rpc rpc{.path = "/etcdserverpb.Lease/LeaseGrant",
                .request = request.SerializeAsString(),
                .kind = CallKind::write,
                .check_revision = false};
  auto answer = co_await client->call(rpc, timeout);
  if (!answer) co_return fail(answer.error().within("lease grant"));
  etcdserverpb::LeaseGrantResponse response;
  if (!response.ParseFromString(*answer) || response.id() == 0 || response.ttl() <= 0) {
    co_return fail(Code::protocol, "lease grant: an answer without lease");
  }
  co_return LeaseInfo{.id = response.id(), .ttl = seconds(response.ttl())};
}

Task<Result<Duration>> renew_lease(std::shared_ptr<Client> client, model::LeaseId lease,
                                   Duration timeout) {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcd::Rpc rpc{.path = "/etcdserverpb.Lease/LeaseKeepAlive",
                .request = request.SerializeAsString(),
                .kind = CallKind::renewal,
                .check_revision = false};
  auto answer = co_await client->call(rpc, timeout);
  if (!answer) co_return fail(answer.error().within("lease keep-alive"));
  etcdserverpb::LeaseKeepAliveResponse response;
  if (!response.ParseFromString(*answer) || response.id() != lease) {
    co_return fail(Code::protocol, "lease keep-alive: an answer for another lease");
  }
  if (response.ttl() <= 0) co_return fail(Code::rejected, "lease keep-alive: the lease is gone");
  co_return Duration(seconds(response.ttl()));
}

Task<Status> revoke_lease(std::shared_ptr<Client> client, model::LeaseId lease, Duration timeout) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  etcd::Rpc rpc{.path = "/etcdserverpb.Lease/LeaseRevoke",
                .request = request.SerializeAsString(),
                .kind = CallKind::write,
                .check_revision = false};
  auto answer = co_await client->call(rpc, timeout);
  if (!answer) co_return fail(answer.error().within("lease revoke"));
  co_return Status{};
}

Task<Result<std::string>> ask_version(std::shared_ptr<Client> client, Duration timeout) {
  etcd::Rpc rpc{.path = "/etcdserverpb.Maintenance/Status",
                .request = etcdserverpb::StatusRequest().SerializeAsString(),
                .check_revision = false};
  auto answer = co_await client->call(rpc, timeout);
  if (!answer) co_return fail(answer.error().within("status"));
  etcdserverpb::StatusResponse response;
  if (!response.ParseFromString(*answer) || response.version().empty()) {
    co_return fail(Code::protocol, "status: an answer without version");
  }
  co_return response.version();
}

class EtcdStore final : public Store {
 public:
  EtcdStore(boost::asio::any_io_executor executor, model::EtcdConfig config, std::string base,
            runtime::Logger& log)
      : client_(std::make_shared<Client>(std::move(executor), std::move(config), log)),
        base_(std::move(base)) {}
  ~EtcdStore() override { client_->close(); }

  Task<Result<Keys>> read(Duration timeout) override { return read_keys(client_, base_, timeout); }
  Task<Result<model::TxnDone>> txn(model::Txn txn, Duration timeout) override {
    return run_txn(client_, base_, std::move(txn), timeout);
  }
  Task<Result<LeaseInfo>> grant(Duration ttl, Duration timeout) override {
    return grant_lease(client_, ttl, timeout);
  }
  Task<Result<Duration>> keep_alive(model::LeaseId lease, Duration timeout) override {
    return renew_lease(client_, lease, timeout);
  }
  Task<Status> revoke(model::LeaseId lease, Duration timeout) override {
    return revoke_lease(client_, lease, timeout);
  }
  Task<Error> watch(model::Revision from, Duration silence,
                    std::function<void(const WatchBatch&)> on_batch) override {
    return etcd::watch_prefix(client_, base_, from, silence, std::move(on_batch));
  }
  Task<Result<std::string>> server_version(Duration timeout) override {
    return ask_version(client_, timeout);
  }
  void close() override { client_->close(); }

 private:
  std::shared_ptr<Client> client_;
  std::string base_;
};

}  // namespace

std::unique_ptr<Store> make_etcd_store(boost::asio::any_io_executor executor,
                                       model::EtcdConfig config, std::string base_path,
                                       runtime::Logger& log) {
  return std::make_unique<EtcdStore>(std::move(executor), std::move(config), std::move(base_path),
                                     log);
}

Status check_etcd_config(const model::EtcdConfig& config) {
  if (config.hosts.empty() && config.srv.empty())
    return fail(Code::invalid, "etcd3.hosts: no endpoint is configured");
  for (const std::string& host : config.hosts) {
    const auto endpoint = etcd::parse_endpoint(host);
    if (!endpoint) return fail(endpoint.error().within("etcd3.hosts"));
  }
  // With srv it is DNS that says whether it is https.
  if (config.protocol != "https" && (config.srv.empty() || config.cacert.empty())) return {};
  const auto tls = etcd::TlsContext::load(config);
  if (!tls) return fail(tls.error());
  return {};
}

}  // namespace aurum::dcs
