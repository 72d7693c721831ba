#include "dcs/etcd/watch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "dcs/etcd/codec.h"
#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace {

/// A batch that arrives in fragments is held until its last one.
constexpr std::size_t kMaxChanges = 100'000;
constexpr int kMaxLogins = 2;

/// What a watch learned from one response.
struct Watching {
  std::string base;
  bool created = false;
  model::Revision delivered = 0;  ///< all changes up to here were handed over
  std::vector<Change> fragments;
};

Error watch_error(std::string message) {
  return {Code::unavailable, "watch: " + std::move(message), {}};
}

/// Why the server ended the watch by a message (FAILURES F7), judged like the end of a call.
Verdict cancelled_by(const etcdserverpb::WatchResponse& response) {
  if (response.compact_revision() > 0) {
    return {watch_error("the changes up to revision " +
                        std::to_string(response.compact_revision()) + " are compacted away"),
            Verdict::Next::give_up};
  }
  GrpcReply reply{.end = GrpcReply::End::answered,
                  .sent = true,
                  .status = {grpc_code::unknown, response.cancel_reason()}};
  if (reply.status.message.empty())
    reply.status.message = "cancelled by the server without a reason";
  // Older servers put only the gist of the error into the reason.
  for (const char* text :
       {"permission denied", "invalid auth token", "revision of auth store is old"}) {
    if (response.cancel_reason().find(text) != std::string::npos) {
      reply.status.message = "etcdserver: " + std::string(text);
    }
  }
  Verdict verdict = judge(reply, CallKind::read);
  verdict.error.message = "watch: " + verdict.error.message;
  if (verdict.error.code != Code::permission) verdict.error.code = Code::unavailable;
  return verdict;
}

/// Hands over what `message` brings; a verdict when the watch is over.
std::optional<Verdict> take(const std::string& message, Watching& watching,
                            const std::function<void(const WatchBatch&)>& on_batch) {
  etcdserverpb::WatchResponse response;
  if (!response.ParseFromString(message)) {
    return Verdict{{Code::protocol, "watch: an answer that is no watch response", {}}};
  }
  if (response.canceled()) return cancelled_by(response);
  if (response.created()) {
    watching.created = true;
    return std::nullopt;
  }
  decode_events(response, watching.base, watching.fragments);
  if (watching.fragments.size() > kMaxChanges) {
    return Verdict{watch_error("more changes at once than can be held")};
  }
  if (response.fragment()) return std::nullopt;
  WatchBatch batch{.changes = std::exchange(watching.fragments, {})};
  for (const Change& change : batch.changes) {
    watching.delivered = std::max(watching.delivered, change.kv.mod_revision);
  }
  batch.revision = watching.delivered;
  on_batch(batch);
  return std::nullopt;
}

/// Follows one stream to its end.
Task<Verdict> follow(std::shared_ptr<Client> client, std::shared_ptr<H2Connection> connection,
                     std::string token, Watching& watching, model::Revision from, Duration silence,
                     const std::function<void(const WatchBatch&)>& on_batch) {
  auto executor = co_await asio::this_coro::executor;
  const CallOptions options{.token = std::move(token), .long_lived = true};
  GrpcStream stream(executor, connection, "/etcdserverpb.Watch/Watch", options, std::nullopt);
  stream.send(encode_watch(watching.base, from).SerializeAsString(), false);
  etcdserverpb::WatchRequest progress;
  progress.mutable_progress_request();
  bool asked = true;  // the creation is to be confirmed
  for (;;) {
    auto message = co_await stream.next(runtime::now() + silence);
    if (client->closed()) co_return Verdict{{Code::cancelled, "the store was closed", {}}};
    if (message) {
      asked = false;
      auto over = take(*message, watching, on_batch);
      if (over) co_return *over;
      continue;
    }
    if (stream.ended()) {
      Verdict verdict = judge(stream.reply(), CallKind::read);
      if (verdict.error.code != Code::permission) verdict.error.code = Code::unavailable;
      verdict.error.message = "watch: " + verdict.error.message;
      co_return verdict;
    }
    if (asked) {
      client->leave(connection, "a watch gets no answer");
      co_return Verdict{watch_error("no answer for " + std::to_string(to_ms(silence * 2)) + " ms")};
    }
    asked = true;
    stream.send(progress.SerializeAsString(), false);
  }
}

}  // namespace

Task<Error> watch_prefix(std::shared_ptr<Client> client, std::string base, model::Revision from,
                         Duration silence, std::function<void(const WatchBatch&)> on_batch) {
  Watching watching{.base = std::move(base), .delivered = std::max<model::Revision>(from - 1, 0)};
  for (int logins = 1;; ++logins) {
    const Instant deadline = runtime::now() + silence;
    auto connection = co_await client->connection(deadline);
    if (client->closed()) co_return Error{Code::cancelled, "the store was closed", {}};
    if (!connection) co_return client->unreachable().within("watch");
    std::string token;
    if (client->auth().wanted()) {
      auto login = co_await client->auth().login(connection, deadline);
      if (client->closed()) co_return Error{Code::cancelled, "the store was closed", {}};
      if (!login.reply.ok()) {
        co_return client->describe(judge(login.reply, CallKind::read).error, *connection)
            .within("watch");
      }
      token = std::move(login.token);
    }
    auto verdict = co_await follow(client, connection, token, watching, from, silence, on_batch);
    const bool again = verdict.next == Verdict::Next::authenticate && client->auth().wanted() &&
                       !watching.created && logins < kMaxLogins;
    if (verdict.next == Verdict::Next::authenticate) client->auth().refused(token);
    if (!again) {
      const bool ours = verdict.error.code == Code::cancelled;
      co_return ours ? verdict.error : client->describe(verdict.error, *connection);
    }
  }
}

}  // namespace aurum::dcs::etcd
