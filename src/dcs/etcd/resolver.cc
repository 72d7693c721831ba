#include "dcs/etcd/resolver.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>

#include <boost/asio/post.hpp>

#include "runtime/clock.h"

namespace aurum::dcs::etcd {

/// What a lookup thread may touch. `owner` is null once the resolver is gone.
struct Resolver::Shared {
  std::mutex mutex;
  Resolver* owner = nullptr;
};

Resolver::Resolver(asio::any_io_executor executor, Lookup lookup)
    : executor_(executor),
      lookup_(std::move(lookup)),
      changed_(executor),
      shared_(std::make_shared<Shared>()) {
  shared_->owner = this;
}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->owner = nullptr;
}

Task<Result<Resolver::Addresses>> Resolver::resolve(std::string host, Duration patience) {
  boost::system::error_code ec;
  const auto numeric = asio::ip::make_address(host, ec);
  if (!ec) co_return Addresses{numeric};

  Name& name = names_[host];
  const int seen = name.answers;
  if (!name.asking) start(host);
  const Instant deadline = runtime::now() + patience;
  while (name.answers == seen && runtime::now() < deadline) co_await changed_.wait_until(deadline);
  if (!name.last_good.empty()) co_return name.last_good;
  co_return fail(Code::unavailable, "cannot resolve '" + host + "': " +
                                        (name.failure.empty() ? "no answer" : name.failure));
}

void Resolver::start(const std::string& host) {
  names_[host].asking = true;
  const auto work = [host, lookup = lookup_, shared = shared_] {
    auto answer = lookup(host);
    // Under the lock: while the resolver lives, so does its executor's context.
    const std::lock_guard lock(shared->mutex);
    if (shared->owner == nullptr) return;
    asio::post(shared->owner->executor_, [host, shared, answer = std::move(answer)]() mutable {
      // In the resolver's own thread, which alone can end it.
      if (shared->owner != nullptr) shared->owner->finished(host, std::move(answer));
    });
  };
  try {
    std::thread(work).detach();
  } catch (const std::system_error& error) {
    finished(host, fail(Code::unavailable, error.what()));
  }
}

void Resolver::finished(const std::string& host, Result<Addresses> answer) {
  Name& name = names_[host];
  name.asking = false;
  ++name.answers;
  name.failure = answer ? std::string() : answer.error().message;
  if (answer && !answer->empty()) name.last_good = std::move(*answer);
  changed_.notify();
}

Result<Resolver::Addresses> Resolver::system_lookup(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &wanted, &list);
  if (failed != 0) return fail(Code::unavailable, ::gai_strerror(failed));
  Addresses addresses;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, one->ai_addr, sizeof v4);
      addresses.emplace_back(asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)));
    } else if (one->ai_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, one->ai_addr, sizeof v6);
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
      addresses.emplace_back(asio::ip::address_v6(bytes, v6.sin6_scope_id));
    }
  }
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace aurum::dcs::etcd
