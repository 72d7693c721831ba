#include "dcs/etcd/auth.h"

#include "etcd.pb.h"
#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace {

constexpr std::string_view kSwitchedOff = "etcdserver: authentication is not enabled";

/// Clears the flag and wakes those who wait for it, also when the coroutine is cancelled.
class Asking {
 public:
  Asking(bool& flag, Signal& changed) : flag_(flag), changed_(changed) { flag_ = true; }
  ~Asking() {
    flag_ = false;
    changed_.notify();
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  bool& flag_;
  Signal& changed_;
};

}  // namespace

Task<Auth::Login> Auth::login(std::shared_ptr<H2Connection> connection, Instant deadline) {
  while (asking_ && runtime::now() < deadline) co_await changed_.wait_until(deadline);
  Login login;
  login.reply = {.end = GrpcReply::End::answered, .status = {grpc_code::ok, {}}};
  login.token = token_;
  if (!token_.empty() || switched_off_) co_return login;
  if (asking_) {
    login.reply = {.end = GrpcReply::End::expired};
    co_return login;
  }

  const Asking asking(asking_, changed_);
  etcdserverpb::AuthenticateRequest request;
  request.set_name(user_);
  request.set_password(password_);
  std::string body = request.SerializeAsString();
  const CallOptions options;
  login.reply =
      co_await unary(connection, "/etcdserverpb.Auth/Authenticate", options, body, deadline);
  if (login.reply.end == GrpcReply::End::answered && login.reply.status.message == kSwitchedOff) {
    switched_off_ = true;
    login.reply.status = {grpc_code::ok, {}};
    co_return login;
  }
  if (!login.reply.ok()) co_return login;
  etcdserverpb::AuthenticateResponse answer;
  if (!answer.ParseFromString(login.reply.message) || answer.token().empty()) {
    login.reply.end = GrpcReply::End::garbled;
    login.reply.why = "a login without token";
    co_return login;
  }
  token_ = answer.token();
  login.token = token_;
  co_return login;
}

void Auth::refused(const std::string& token) {
  if (token == token_) token_.clear();
  switched_off_ = false;
}

}  // namespace aurum::dcs::etcd
