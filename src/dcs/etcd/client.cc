#include "dcs/etcd/client.h"

#include <algorithm>

#include "etcd.pb.h"
#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace {

constexpr Duration kLeastBudget = milliseconds(300);
constexpr Duration kFirstPause = milliseconds(20);
constexpr Duration kLongestPause = milliseconds(250);
/// A fresh token that is refused too is no matter of tokens.
constexpr int kMaxLogins = 2;

/// Counts the calls that need a connection, so that nobody connects for no one.
class Waiting {
 public:
  explicit Waiting(int& count) : count_(count) { ++count_; }
  ~Waiting() { --count_; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  int& count_;
};

std::vector<Endpoint> parse_hosts(const model::EtcdConfig& config, std::string& problem) {
  std::vector<Endpoint> endpoints;
  for (const std::string& host : config.hosts) {
    auto endpoint = parse_endpoint(host);
    if (endpoint) {
      endpoints.push_back(std::move(*endpoint));
    } else {
      problem = "etcd3.hosts: " + endpoint.error().message;
    }
  }
  if (endpoints.empty() && problem.empty() && config.srv.empty())
    problem = "etcd3.hosts: no endpoint is configured";
  return endpoints;
}

Error closed_error() { return {Code::cancelled, "the store was closed", {}}; }

}  // namespace

/// What one call carries from try to try.
struct Client::Attempt {
  Instant deadline{};
  Duration budget{};
  int logins = 0;
  std::string token;
  GrpcReply reply;
};

Client::Client(asio::any_io_executor executor, model::EtcdConfig config, runtime::Logger& log,
               SrvLookup srv_lookup)
    : executor_(executor),
      config_(std::move(config)),
      log_(log),
      configured_(parse_hosts(config_, config_problem_)),
      endpoints_(configured_),
      auth_(executor, config_.username, config_.password),
      resolver_(executor),
      srv_lookup_(std::move(srv_lookup)),
      changed_(executor) {
  if (!config_problem_.empty()) log_.error("etcd.hosts", config_problem_);
}

Task<std::shared_ptr<H2Connection>> Client::connection(Instant deadline) {
  const auto self = shared_from_this();
  const Waiting here(waiting_);
  while (!closed_ && runtime::now() < deadline) {
    if (current_ && current_->usable()) co_return current_;
    start_connecting();
    co_await changed_.wait_until(deadline);
  }
  co_return nullptr;
}

Task<Result<std::string>> Client::call(Rpc rpc, Duration timeout) {
  const auto self = shared_from_this();
  Attempt state{.deadline = runtime::now() + timeout, .budget = budget(rpc.kind, timeout)};
  std::optional<Error> last;
  bool maybe_applied = false;
  Duration pause{};
  for (;;) {
    auto connection = co_await this->connection(state.deadline);
    if (closed_) co_return fail(closed_error());
    if (!connection) break;
    auto verdict = co_await attempt(rpc, connection, state);
    if (closed_) co_return fail(closed_error());
    if (!verdict) co_return std::move(state.reply.message);

    maybe_applied = maybe_applied || verdict->maybe_applied;
    last = describe(verdict->error, *connection);
    const bool late = state.reply.end == GrpcReply::End::expired;
    if (verdict->next == Verdict::Next::other_endpoint || verdict->maybe_applied || late) {
      leave(connection, verdict->error.message);
    }
    if (verdict->next == Verdict::Next::authenticate && auth_.wanted() &&
        state.logins < kMaxLogins) {
      auth_.refused(state.token);
      continue;
    }
    if (verdict->next != Verdict::Next::other_endpoint) co_return fail(*last);
    const Instant again = std::min(runtime::now() + pause, state.deadline);
    while (!closed_ && runtime::now() < again) co_await changed_.wait_until(again);
    pause = std::clamp(pause * 2, kFirstPause, kLongestPause);
  }
  Error error = last && current_ && current_->usable() ? *last : unreachable();
  if (maybe_applied) error.code = Code::unknown_outcome;
  co_return fail(std::move(error));
}

Task<std::optional<Verdict>> Client::log_in(std::shared_ptr<H2Connection> connection,
                                            Attempt& state) {
  ++state.logins;
  auto login = co_await auth_.login(connection, state.deadline);
  if (login.reply.ok()) {
    state.token = login.token;
    co_return std::nullopt;
  }
  state.reply = std::move(login.reply);
  Verdict verdict = judge(state.reply, CallKind::read);
  // The call itself was not sent, whatever became of the login.
  if (verdict.error.code == Code::timeout) verdict.error.code = Code::unavailable;
  co_return verdict;
}

Task<std::optional<Verdict>> Client::attempt(const Rpc& rpc,
                                             std::shared_ptr<H2Connection> connection,
                                             Attempt& state) {
  state.token.clear();
  if (auth_.wanted()) {
    auto refused = co_await log_in(connection, state);
    if (refused) co_return refused;
  }
  const AnswerStamp known = freshness_.known();
  const CallOptions options{.token = state.token};
  const Instant deadline = std::min(state.deadline, runtime::now() + state.budget);
  state.reply = co_await unary(connection, rpc.path, options, rpc.request, deadline);
  if (!state.reply.ok()) co_return judge(state.reply, rpc.kind);
  if (fresh(rpc, state.reply.message, known, connection->authority())) co_return std::nullopt;

  Verdict stale{{Code::unavailable,
                 "answers from the past (older raft term or revision, or another cluster)",
                 {}},
                Verdict::Next::other_endpoint};
  if (rpc.kind == CallKind::write)
    stale = {{Code::unknown_outcome, stale.error.message, {}}, Verdict::Next::give_up, true};
  co_return stale;
}

bool Client::fresh(const Rpc& rpc, const std::string& answer, const AnswerStamp& known,
                   const std::string& endpoint) {
  etcdserverpb::AnyResponse any;
  if (!any.ParseFromString(answer) || !any.has_header()) return false;
  const auto& header = any.header();
  const AnswerStamp stamp{header.cluster_id(), header.raft_term(), header.revision()};
  const std::uint64_t before = freshness_.known().cluster_id;
  const bool good = freshness_.accept(stamp, known, {.revision = rpc.check_revision}, endpoint,
                                      endpoints_.size(), runtime::now());
  if (good && before != 0 && before != header.cluster_id()) {
    log_.warn("etcd.cluster_changed", "every etcd endpoint now belongs to another etcd cluster",
              {{"endpoint", endpoint}});
  }
  return good;
}

/// How long one endpoint may take. A write is sent once, so it gets all the time there is.
Duration Client::budget(CallKind kind, Duration timeout) const {
  if (kind == CallKind::write || endpoints_.size() < 2) return timeout;
  const auto tries = static_cast<int>(std::min<std::size_t>(endpoints_.size(), 3));
  return std::max(kLeastBudget, timeout / tries);
}

Error Client::describe(Error error, const H2Connection& connection) const {
  if (error.code == Code::permission) {
    const std::string who = config_.username.empty() ? std::string("refuses us")
                                                     : "refuses user '" + config_.username + "'";
    error.message = "etcd " + connection.authority() + " " + who + ": " + error.message;
    if (error.hint.empty()) {
      error.hint =
          config_.username.empty()
              ? "etcd demands a login: set etcd3.username and etcd3.password."
              : "Check etcd3.username and etcd3.password, and the roles of that user in etcd.";
    }
    return error;
  }
  return error.within("etcd " + connection.authority());
}

void Client::close() {
  if (closed_) return;
  closed_ = true;
  const Error why{Code::cancelled, "the store was closed", {}};
  if (being_made_) being_made_->close(why);
  if (current_) current_->close(why);
  current_.reset();
  changed_.notify();
}

}  // namespace aurum::dcs::etcd
