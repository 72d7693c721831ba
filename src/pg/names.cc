#include "pg/names.h"

#include <algorithm>
#include <arpa/inet.h>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>
#include <vector>

namespace aurum::pg {

namespace {

bool is_address(const std::string& host) {
  in6_addr buffer{};
  return ::inet_pton(AF_INET, host.c_str(), &buffer) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

Result<std::vector<std::string>> look_up(const std::string& host) {
  addrinfo wish{};
  wish.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &wish, &found);
  if (error != 0)
    return fail(error == EAI_NONAME ? Code::not_found : Code::unavailable,
                "cannot resolve host name " + host + ": " + ::gai_strerror(error));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  std::vector<std::string> out;
  for (const auto* at = found; at; at = at->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) !=
        0)
      continue;
    if (std::find(out.begin(), out.end(), text) == out.end()) out.emplace_back(text);
  }
  if (out.empty()) return fail(Code::not_found, "host name " + host + " has no address");
  return out;
}

}  // namespace

Task<Result<Keywords>> Names::host_keywords(std::string host, Duration timeout) {
  if (host.empty()) co_return fail(Code::invalid, "no host to connect to");
  if (host.front() == '/' || host.front() == '@') co_return Keywords{{"host", host}};
  if (is_address(host)) co_return Keywords{{"host", host}, {"hostaddr", host}};
  const Instant deadline = runtime::now() + timeout;
  std::string hosts, addresses;
  std::string rest = host;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string name = rest.substr(0, comma);
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    if (name.empty()) continue;
    std::vector<std::string> found{name};
    if (!is_address(name)) {
      auto answer = co_await lookups_.run(pool_, [name] { return look_up(name); }, deadline);
      if (!answer)
        co_return fail(Code::timeout, "the name server did not answer for " + name + " in time");
      if (!*answer) co_return fail(answer->error());
      found = **answer;
    }
    for (const auto& address : found) {
      hosts += (hosts.empty() ? "" : ",") + name;
      addresses += (addresses.empty() ? "" : ",") + address;
    }
  }
  co_return Keywords{{"host", hosts}, {"hostaddr", addresses}};
}

}  // namespace aurum::pg
