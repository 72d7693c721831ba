#pragma once

#include <memory>
#include <string>

#include "dcs/etcd/grpc_call.h"

namespace aurum::dcs::etcd {

/// The token of a user and password login (Auth.Authenticate). One login at a time, shared by all
/// calls, because the server spends a tenth of a second of its processor on each (bcrypt).
class Auth {
 public:
  Auth(asio::any_io_executor executor, std::string user, std::string password)
      : user_(std::move(user)), password_(std::move(password)), changed_(std::move(executor)) {}

  /// Whether calls should carry a token; also false when the server said that it has authentication
  /// switched off.
  bool wanted() const { return !user_.empty() && !switched_off_; }
  const std::string& user() const { return user_; }

  struct Login {
    std::string token;  ///< "" with reply.ok(): authentication is switched off
    GrpcReply reply;    ///< not ok: why there is no token
  };
  /// The token known, or that of a new login over `connection`.
  Task<Login> login(std::shared_ptr<H2Connection> connection, Instant deadline);

  /// The server refused a call that carried `token`: the next login() asks anew, unless another
  /// call did already.
  void refused(const std::string& token);

 private:
  std::string user_, password_, token_;
  bool switched_off_ = false;
  bool asking_ = false;
  Signal changed_;
};

}  // namespace aurum::dcs::etcd
