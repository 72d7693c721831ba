#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/node.h"

namespace aurum::api::testing {

using model::PgState;
using model::Role;

/// A node in a cluster of three (node-0 leads, node-1 and node-2 follow), as values to change at
/// will. It is node-0.
class FakeNode final : public Node {
 public:
  FakeNode() {
    config.name = "node-0";
    config.scope = "demo";
    cluster.revision = 10;
    cluster.initialize = "7711";
    cluster.leader = model::Leader{.name = "node-0"};
    cluster.config = model::parse_json(R"({"ttl":30,"loop_wait":10})").value();
    cluster.config_revision = 5;
    cluster.status.optime = model::Lsn{1000};
    for (int i = 0; i < 3; ++i) {
      model::Member m;
      m.name = "node-" + std::to_string(i);
      m.api_url = "http://127.0.0.1:801" + std::to_string(i) + "/patroni";
      m.conn_url = "postgres://127.0.0.1:555" + std::to_string(i) + "/postgres";
      m.state = PgState::running;
      m.role = i == 0 ? Role::primary : Role::replica;
      cluster.members[m.name] = m;
      model::PeerStatus peer;
      peer.running = true;
      peers[m.api_url] = peer;
    }
    lead();
  }

  /// A running primary with the lock.
  void lead() {
    fill_view();
    view_.role = Role::primary;
    view_.is_leader = true;
    view_.lease_remaining_s = 21.5;
    view_.lease_span_s = 28.7;
    view_.disk.data = {.available = 1000, .capacity = 2000, .ballast = 30};
    view_.disk.wal = model::Volume{.available = 5, .capacity = 600, .ballast = 0};
    view_.disk_level = model::DiskLevel::critical;
    view_.facts.in_recovery = false;
    view_.facts.flush_lsn = model::Lsn{1000};
  }
  /// A streaming replica (still named node-0) of a leader elsewhere.
  void follow() {
    fill_view();
    view_.role = Role::replica;
    view_.facts.in_recovery = true;
    view_.facts.replayed_lsn = model::Lsn{900};
    view_.facts.received_lsn = model::Lsn{950};
    view_.facts.replication_state = "streaming";
  }

  NodeView view() const override {
    NodeView v = view_;
    v.config = &config;
    v.dynamic = &dynamic;
    v.cluster = has_cluster ? &cluster : nullptr;
    return v;
  }
  Task<Result<model::ClusterView>> read_cluster() override {
    ++reads;
    if (on_read) on_read(reads);
    if (read_error) co_return fail(*read_error);
    co_return cluster;
  }
  Task<Result<model::TxnDone>> write(model::Txn txn) override {
    written.push_back(txn);
    if (on_write) on_write();
    if (write_error) co_return fail(*write_error);
    co_return model::TxnDone{.succeeded = compare_holds};
  }
  Task<std::pair<int, std::string>> request(core::Request r) override {
    requests.push_back(std::move(r));
    co_return reply;
  }
  Task<void> look() override {
    ++looks;
    co_return;
  }
  Task<std::optional<model::PeerStatus>> ask_peer(std::string api_url) override {
    asked.push_back(api_url);
    auto found = peers.find(api_url);
    co_return found == peers.end() ? std::nullopt : std::optional(found->second);
  }
  void reload() override { ++reloads; }
  void wake() override { ++wakes; }
  void audit(const std::string& line) override { audited.push_back(line); }

  model::LocalConfig config;
  model::DynamicConfig dynamic;
  model::ClusterView cluster;
  bool has_cluster = true;
  NodeView view_;
  std::map<std::string, model::PeerStatus> peers;
  std::function<void(int)> on_read;
  std::function<void()> on_write;
  std::optional<Error> read_error, write_error;
  bool compare_holds = true;
  std::pair<int, std::string> reply{200, "restarted successfully"};

  std::vector<model::Txn> written;
  std::vector<core::Request> requests;
  std::vector<std::string> asked, audited;
  int reads = 0, reloads = 0, wakes = 0, looks = 0;

 private:
  void fill_view() {
    view_ = NodeView{};
    view_.state = PgState::running;
    view_.dcs_fresh = true;
    view_.dcs_last_seen_epoch_s = 1795382025;
    view_.epoch = 7;
    auto& f = view_.facts;
    f.data_dir = model::DataDir::ready;
    f.process_alive = f.accepting = true;
    f.timeline = 1;
    f.server_version = 150020;
    f.system_identifier = "7711";
    f.postmaster_start_time = "2026-11-22 21:11:18.551593+00:00";
    f.postmaster_start_epoch = 1795381878.551593;
  }
};

}  // namespace aurum::api::testing
