#include "cli/generate_command.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <ifaddrs.h>
#include <iostream>
#include <memory>
#include <netdb.h>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "cli/generate_config.h"
#include "cli/prompt.h"
#include "pg/files.h"
#include "pg/programs.h"
#include "runtime/environment.h"

namespace aurum::cli {

namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;
using Parsed = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

struct Options {
  bool sample = false;
  std::string dsn, file;
};

Result<Options> parse(int argc, char** argv) {
  Options options;
  bool running = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--generate-sample-config") {
      options.sample = true;
    } else if (arg == "--generate-config") {
      running = true;
    } else if (arg == "--dsn") {
      if (++i == argc) return fail(Code::invalid, "--dsn needs a connection string");
      options.dsn = argv[i];
    } else if (arg.starts_with("--dsn=")) {
      options.dsn = arg.substr(6);
    } else if (arg.starts_with("-")) {
      return fail(Code::invalid, fmt::format("unknown option {}", arg));
    } else if (options.file.empty()) {
      options.file = arg;
    } else {
      return fail(Code::invalid, fmt::format("more than one file: {} and {}", options.file, arg));
    }
  }
  if (options.sample && running)
    return fail(Code::invalid, "--generate-config and --generate-sample-config exclude each other");
  if (options.sample && !options.dsn.empty())
    return fail(Code::invalid, "--dsn belongs to --generate-config");
  return options;
}

/// "" for an address that other hosts can not use.
std::string usable_text(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* raw = nullptr;
  if (address->sa_family == AF_INET)
    raw = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  else if (address->sa_family == AF_INET6)
    raw = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  if (raw == nullptr || ::inet_ntop(address->sa_family, raw, text, sizeof text) == nullptr)
    return {};
  const bool v6 = address->sa_family == AF_INET6;
  const bool link_local = std::string_view(text).starts_with(v6 ? "fe80" : "169.254.");
  if (model::is_wildcard_or_loopback(text) || link_local) return {};
  return v6 ? fmt::format("[{}]", text) : text;
}

/// What the host's own name stands for; where that is loopback, as on Debian, the first address of
/// an interface that is not.
std::string own_address(const std::string& host) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) == 0) {
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next)
      if (auto text = usable_text(one->ai_addr); !text.empty()) return text;
  }
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, ::freeifaddrs);
  std::string best;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    auto text = usable_text(one->ifa_addr);
    if (!text.empty() && (best.empty() || best.starts_with('['))) best = std::move(text);
  }
  return best;
}

ThisHost look_at_host() {
  ThisHost host;
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) == 0) host.name = name;
  host.address = own_address(host.name);
  std::error_code unknown;
  if (const auto program = pg::find_pg_program({}, "postgres", 0))
    host.bin_dir = std::filesystem::canonical(*program, unknown).parent_path().string();
  return host;
}

std::string one_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

/// A DSN, or nothing, as libpq's keywords, with defaults that it does not have itself.
Result<std::vector<std::pair<std::string, std::string>>> keywords_of(const std::string& dsn) {
  std::vector<std::pair<std::string, std::string>> out;
  char* error = nullptr;
  const Parsed parsed(PQconninfoParse(dsn.c_str(), &error), PQconninfoFree);
  if (!parsed) {
    const std::string said = error != nullptr ? one_line(error) : "out of memory";
    PQfreemem(error);
    return fail(Code::invalid, "--dsn: " + said,
                "Write it as host=localhost port=5432 user=postgres, or postgres://…");
  }
  for (const auto* option = parsed.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) out.emplace_back(option->keyword, option->val);
  const auto otherwise = [&](const char* name, const char* variable, const char* value) {
    const bool given = std::ranges::any_of(out, [&](const auto& o) { return o.first == name; });
    if (!given && std::getenv(variable) == nullptr) out.emplace_back(name, value);
  };
  otherwise("dbname", "PGDATABASE", "postgres");
  otherwise("connect_timeout", "PGCONNECT_TIMEOUT", "10");
  out.emplace_back("fallback_application_name", "aurum");
  return out;
}

Connection open(const std::vector<std::pair<std::string, std::string>>& keywords) {
  std::vector<const char*> names, values;
  for (const auto& [name, value] : keywords) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  return {PQconnectdbParams(names.data(), values.data(), 0), PQfinish};
}

/// Asks for a password when the server wants one and a person is there to give it.
Result<Connection> connect(const std::string& dsn) {
  auto keywords = keywords_of(dsn);
  if (!keywords) return fail(keywords.error());
  Connection connection = open(*keywords);
  if (PQstatus(connection.get()) != CONNECTION_OK &&
      PQconnectionNeedsPassword(connection.get()) != 0) {
    Console console{std::cin, std::cout, std::cerr};
    auto password = ask_password(console);
    if (!password) return fail(password.error());
    keywords->emplace_back("password", *password);
    connection = open(*keywords);
  }
  if (PQstatus(connection.get()) == CONNECTION_OK) return connection;
  return fail(Code::unavailable, one_line(PQerrorMessage(connection.get())),
              "Name the server with --dsn, or PGHOST, PGPORT and PGUSER; run it as its owner.");
}

/// Every value as text.
Result<std::vector<std::vector<std::string>>> rows_of(const Connection& connection,
                                                      const char* sql) {
  const Answer answer(PQexec(connection.get(), sql), PQclear);
  if (PQresultStatus(answer.get()) != PGRES_TUPLES_OK)
    return fail(Code::unavailable, one_line(PQerrorMessage(connection.get())));
  std::vector<std::vector<std::string>> rows;
  for (int row = 0; row < PQntuples(answer.get()); ++row) {
    rows.emplace_back();
    for (int i = 0; i < PQnfields(answer.get()); ++i)
      rows.back().emplace_back(PQgetvalue(answer.get(), row, i));
  }
  return rows;
}

/// The TLS and GSS options of the connection that are not libpq's own defaults.
std::vector<std::pair<std::string, std::string>> login_options(const Connection& connection) {
  static constexpr const char* kNames =
      " sslmode sslcert sslkey sslpassword sslrootcert sslcrl sslcrldir gssencmode "
      "channel_binding sslnegotiation ";
  std::vector<std::pair<std::string, std::string>> out;
  const Parsed used(PQconninfo(connection.get()), PQconninfoFree);
  for (const auto* o = used.get(); o != nullptr && o->keyword != nullptr; ++o) {
    const bool known = std::string_view(kNames).contains(fmt::format(" {} ", o->keyword));
    if (!known || o->val == nullptr || *o->val == '\0') continue;
    if (o->compiled == nullptr || std::string_view(o->compiled) != o->val)
      out.emplace_back(o->keyword, o->val);
  }
  return out;
}

constexpr const char* kFacts = R"(
SELECT current_setting('cluster_name'), current_setting('listen_addresses'),
       current_setting('port'), current_setting('data_directory'), current_setting('config_file'),
       (SELECT setting FROM pg_config() WHERE name = 'BINDIR'),
       pg_read_file(current_setting('hba_file')), pg_read_file(current_setting('ident_file')))";

constexpr const char* kSettings = R"(
SELECT name, current_setting(name), vartype FROM pg_settings
 WHERE context <> 'internal'
   AND source IN ('configuration file', 'command line', 'environment variable')
 ORDER BY name)";

Result<RunningServer> look_at_server(const std::string& dsn) {
  auto connection = connect(dsn);
  if (!connection) return fail(connection.error());
  RunningServer server;
  server.username = PQuser(connection->get());
  server.password = PQpass(connection->get());
  server.options = login_options(*connection);
  if (std::string_view(PQparameterStatus(connection->get(), "is_superuser")) != "on")
    return fail(Code::permission, fmt::format("\"{}\" is no superuser", server.username),
                "The agent needs one: name it in --dsn.");
  auto facts = rows_of(*connection, kFacts);
  if (!facts) return fail(facts.error());
  const auto& f = facts->at(0);
  server.cluster_name = f[0];
  server.listen_addresses = f[1];
  server.port = f[2];
  server.data_dir = f[3];
  server.config_file = f[4];
  server.bin_dir = f[5];
  server.hba_text = f[6];
  server.ident_text = f[7];
  auto settings = rows_of(*connection, kSettings);
  if (!settings) return fail(settings.error());
  for (const auto& row : *settings) server.settings.push_back({row[0], row[1], row[2]});
  return server;
}

int failed(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return error.code == Code::invalid ? 2 : 1;
}

/// Only the owner reads a file with passwords. What was there stays until the new one is whole.
int deliver(const std::string& text, const std::string& file) {
  if (file.empty()) return std::fputs(text.c_str(), stdout) >= 0 ? 0 : 1;
  if (const auto written = pg::write_file(file, text, 0600); !written)
    return failed(written.error());
  return 0;
}

}  // namespace

bool is_generate(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--help" || arg == "-h") return false;
    if (arg == "--generate-config" || arg == "--generate-sample-config") return true;
  }
  return false;
}

int generate_main(int argc, char** argv, const char* program_name) {
  const auto options = parse(argc, argv);
  if (!options) {
    std::fprintf(stderr, "error: %s\nhint: see %s --help\n", options.error().message.c_str(),
                 program_name);
    return 2;
  }
  const ThisHost host = look_at_host();
  const auto env = runtime::environment();
  Generated made;
  if (options->sample) {
    made = sample_config(host, env);
  } else {
    const auto server = look_at_server(options->dsn);
    if (!server) return failed(server.error());
    made = running_config(host, env, *server);
  }
  bool refused = false;
  for (const auto& finding : made.findings) {
    const bool error = finding.level == model::Finding::Level::error;
    std::fprintf(stderr, "%s: %s\n", error ? "error" : "warning", finding.text().c_str());
    refused |= error;
  }
  return refused ? 1 : deliver(config_text(made.tree), options->file);
}

}  // namespace aurum::cli
