#include "cli/world.h"

#include <map>
#include <optional>
#include <set>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "cli/editor.h"
#include "cli/query.h"
#include "dcs/etcd_store.h"
#include "net/http_client.h"
#include "runtime/clock.h"

namespace aurum::cli {

namespace {

constexpr Duration kStoreTimeout = seconds(5);

class RealWorld final : public World {
 public:
  RealWorld(model::LocalConfig config, runtime::Logger& log)
      : config_(std::move(config)), log_(log) {}

  ~RealWorld() override {
    for (auto& [path, store] : stores_) store->close();
    stores_.clear();
    io_.restart();
    io_.poll();
  }

  Result<model::ClusterView> read(const ClusterId& cluster) override {
    const auto keys = wait<Result<dcs::Keys>>(store_of(cluster).read(kStoreTimeout));
    if (!keys) return fail(explained(keys.error()));
    return model::decode_cluster(keys->revision, keys->keys);
  }

  Result<model::TxnDone> txn(const ClusterId& cluster, model::Txn txn) override {
    const auto done =
        wait<Result<model::TxnDone>>(store_of(cluster).txn(std::move(txn), kStoreTimeout));
    if (!done) return fail(explained(done.error()));
    return *done;
  }

  Result<std::vector<std::string>> clusters() override {
    const auto keys =
        wait<Result<dcs::Keys>>(store_at(model::base_path(config_.ns, "")).read(kStoreTimeout));
    if (!keys) return fail(explained(keys.error()));
    std::set<std::string> names;
    for (const auto& kv : keys->keys)
      if (const auto slash = kv.key.find('/'); slash != std::string::npos)
        names.insert(kv.key.substr(0, slash));
    return std::vector<std::string>(names.begin(), names.end());
  }

  Result<Reply> call(const model::Member& member, std::string_view method, std::string_view path,
                     std::string body, Duration timeout) override {
    const auto reply = wait<Result<net::HttpResponse>>(
        net::http_call(call_of(member, method, path, std::move(body), timeout)));
    if (!reply) return fail(reply.error());
    return Reply{reply->status, reply->body};
  }

  QueryResult query(const Query& query) override { return run_query(query); }
  WallTime wall_now() override { return runtime::wall_now(); }
  void sleep(Duration time) override { std::this_thread::sleep_for(time); }
  Result<std::string> edit(std::string_view text, std::string_view name) override {
    return edit_text(text, name);
  }

 private:
  dcs::Store& store_of(const ClusterId& cluster) {
    const std::string scope =
        cluster.group.empty() ? cluster.scope : fmt::format("{}/{}", cluster.scope, cluster.group);
    return store_at(model::base_path(config_.ns, scope));
  }

  dcs::Store& store_at(const std::string& base_path) {
    auto& store = stores_[base_path];
    if (!store) store = dcs::make_etcd_store(io_.get_executor(), config_.etcd, base_path, log_);
    return *store;
  }

  /// Runs the loop until this one task is done; a connection kept open by a store stays behind for
  /// the next call.
  template <class T>
  T wait(runtime::Task<T> task) {
    std::optional<T> out;
    boost::asio::co_spawn(io_, std::move(task), [&out](std::exception_ptr thrown, T value) {
      if (thrown)
        out = fail(Code::internal, "an unexpected exception ended the call");
      else
        out = std::move(value);
    });
    io_.restart();
    while (!out && io_.run_one() > 0) {
    }
    if (!out) return fail(Code::internal, "the call never ended");
    return std::move(*out);
  }

  net::HttpCall call_of(const model::Member& member, std::string_view method, std::string_view path,
                        std::string body, Duration timeout) const {
    net::HttpCall call;
    call.method = method;
    // api_url ends in "/patroni"; the actions stand beside it.
    const auto host_end = member.api_url.find('/', member.api_url.find("://") + 3);
    call.url = member.api_url.substr(0, host_end) + std::string(path);
    call.headers = {{"Content-Type", "application/json"}};
    call.body = std::move(body);
    if (!config_.ctl.token.empty()) {
      call.headers.emplace_back("Authorization", "Bearer " + config_.ctl.token);
    } else {
      const bool own = !config_.ctl.username.empty() || !config_.ctl.password.empty();
      call.username = own ? config_.ctl.username : config_.rest.username;
      call.password = own ? config_.ctl.password : config_.rest.password;
    }
    const model::TlsFiles& tls = config_.ctl.tls;
    call.tls.cafile = tls.cafile.empty() ? config_.rest.tls.cafile : tls.cafile;
    call.tls.certfile = tls.certfile;
    call.tls.keyfile = tls.keyfile;
    call.tls.keyfile_password = tls.keyfile_password;
    call.tls.verify_peer = !config_.ctl.insecure;
    call.timeout = timeout;
    return call;
  }

  /// Says which endpoints were tried: the usual cause is a wrong one.
  Error explained(Error error) const {
    if (error.code != Code::unavailable && error.code != Code::timeout) return error;
    if (error.hint.empty())
      error.hint = fmt::format(
          "Tried etcd at {}; check that it runs and that -c or -d name the right endpoints.",
          fmt::join(config_.etcd.hosts, ", "));
    return error;
  }

  model::LocalConfig config_;
  runtime::Logger& log_;
  boost::asio::io_context io_{1};
  std::map<std::string, std::unique_ptr<dcs::Store>> stores_;  ///< by base path
};

}  // namespace

std::unique_ptr<World> make_world(model::LocalConfig config, runtime::Logger& log) {
  return std::make_unique<RealWorld>(std::move(config), log);
}

}  // namespace aurum::cli
