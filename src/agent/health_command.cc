// `aurum health`: one question to this node's own REST interface, for health checks of containers.
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "agent/commands.h"
#include "agent/rest_tls.h"
#include "agent/startup.h"
#include "model/config.h"
#include "net/http_client.h"
#include "runtime/environment.h"

namespace aurum::agent {

namespace {

constexpr const char* kHelp = R"(Usage: aurum health [-c CONFIG] [PATH]

Asks the agent of this node, by the addresses and certificates of CONFIG (default:
PATRONI_CONFIG_FILE). PATH is one of its health checks: /health (the default:
PostgreSQL takes connections), /liveness, /readiness, /primary, /replica.
Exit code: 0 the answer was yes, 1 it was no, or none came.

Examples
  aurum health -c /etc/aurum/patroni.yml
  aurum health /primary && echo "this node leads"
)";

/// Where the server listens, as seen from this machine.
std::string own_address(const model::RestConfig& rest) {
  const auto listen = model::parse_listen(rest.listen, 8008);
  const std::string first = listen ? listen->hosts.substr(0, listen->hosts.find(',')) : "127.0.0.1";
  const std::string host = model::is_wildcard(first) ? "127.0.0.1" : first;
  return fmt::format("{}:{}", host.contains(':') ? "[" + host + "]" : host,
                     listen ? listen->port : 8008);
}

int ask(const model::LocalConfig& config, const std::string& path) {
  net::HttpCall call;
  call.url = fmt::format("{}://{}{}", config.rest.tls.certfile.empty() ? "http" : "https",
                         own_address(config.rest), path);
  call.tls = peer_tls(config);
  call.timeout = seconds(3);
  boost::asio::io_context io;
  std::optional<Result<net::HttpResponse>> answer;
  boost::asio::co_spawn(io, net::http_call(std::move(call)),
                        [&answer](std::exception_ptr thrown, Result<net::HttpResponse> reply) {
                          if (thrown)
                            answer = fail(Code::internal, "the call failed");
                          else
                            answer = std::move(reply);
                        });
  io.run();
  if (!answer || !*answer) {
    std::fprintf(stderr, "error: %s\n", answer ? answer->error().text().c_str() : "no answer");
    return 1;
  }
  if ((*answer)->status == 200) return 0;
  std::fprintf(stderr, "error: %s answers %d\n", path.c_str(), (*answer)->status);
  return 1;
}

}  // namespace

int health_main(int argc, char** argv) {
  std::string path = "/health";
  const auto env = runtime::environment();
  const auto named = env.find("PATRONI_CONFIG_FILE");
  std::string config_path = named == env.end() ? "" : named->second;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") return std::fputs(kHelp, stdout) >= 0 ? 0 : 1;
    if (word == "-c" && i + 1 < argc) {
      config_path = argv[++i];
    } else if (word.starts_with("/")) {
      path = word;
    } else {
      std::fprintf(stderr, "error: unknown argument '%s'\nhint: aurum health --help\n", argv[i]);
      return 2;
    }
  }
  const auto loaded = model::load_config(config_path, env);
  if (!loaded.config) {
    print_findings(loaded);
    return 1;
  }
  return ask(*loaded.config, path);
}

}  // namespace aurum::agent
