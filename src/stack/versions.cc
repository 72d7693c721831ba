#include "stack/versions.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <nlohmann/json.hpp>

#include "stack/cluster.h"
#include "stack/libpq.h"
#include "stack/plan.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

bool same_bytes(const fs::path& one, const fs::path& other) {
  std::ifstream a(one, std::ios::binary), b(other, std::ios::binary);
  std::array<char, 65536> x{}, y{};
  while (a && b) {
    a.read(x.data(), x.size());
    b.read(y.data(), y.size());
    if (a.gcount() != b.gcount()) return false;
    if (std::memcmp(x.data(), y.data(), static_cast<std::size_t>(a.gcount())) != 0) return false;
  }
  return a.eof() && b.eof();
}

/// PostgreSQL says it to each client that connects.
std::string server_version(const std::string& conninfo) {
  const Connection conn(PQconnectdb(conninfo.c_str()));
  if (!conn || PQstatus(conn.get()) != CONNECTION_OK) return {};
  const char* said = PQparameterStatus(conn.get(), "server_version");
  return said != nullptr ? said : "";
}

Result<std::string> installed_aurum() {
  auto program = own_program();
  if (!program) return program;
  const auto version = program_version(*program);
  if (version.empty())
    return fail(Code::io, fmt::format("{} --version says nothing", *program), "Install it anew.");
  return "aurum " + version;
}

std::string name_of(const std::vector<std::string>& agent) {
  return fs::path(agent.front()).filename().string();
}

std::string running_agent(const Cluster& cluster, std::size_t node) {
  const auto process = cluster.agent(node);
  if (!process) return {};
  const auto& agent = cluster.plan().agent_of(node);
  if (agent.empty()) {
    const auto installed = installed_aurum();
    const auto program = own_program();
    const bool same =
        installed && program && same_bytes(fmt::format("/proc/{}/exe", process->pid), *program);
    return same ? *installed : "aurum, another build";
  }
  auto reply = cluster.rest(node, "GET", "/patroni");
  if (!reply) return {};
  const auto doc = nlohmann::json::parse(reply->body, nullptr, false);
  const auto about =
      doc.is_object() ? doc.value("patroni", nlohmann::json::object()) : nlohmann::json::object();
  return about.is_object() ? fmt::format("{} {}", name_of(agent), about.value("version", "?"))
                           : std::string();
}

}  // namespace

std::string Versions::text() const {
  return fmt::format("PostgreSQL {}, {}", postgres.substr(0, postgres.find(' ')), agent);
}

Result<Versions> installed_versions(const Cluster& cluster, std::size_t node) {
  const auto bin_dir = find_postgres_bin_dir(cluster.plan());
  if (!bin_dir) return fail(bin_dir.error());
  const auto program = (fs::path(*bin_dir) / "postgres").string();
  const std::string line = version_line(program);
  constexpr std::string_view kName = "postgres (PostgreSQL) ";
  if (!line.starts_with(kName)) {
    return fail(Code::io, fmt::format("{} --version does not say which it is", program),
                "Its package is broken: install it anew.");
  }
  Versions found{.postgres = line.substr(kName.size()), .agent = {}};
  const auto& agent = cluster.plan().agent_of(node);
  if (!agent.empty()) {
    found.agent = fmt::format("{} {}", name_of(agent), program_version(agent.front()));
    return found;
  }
  auto aurum = installed_aurum();
  if (!aurum) return fail(aurum.error());
  found.agent = std::move(*aurum);
  return found;
}

Versions running_versions(const Cluster& cluster, std::size_t node) {
  return {.postgres = server_version(cluster.conninfo(node)),
          .agent = running_agent(cluster, node)};
}

std::string major_version(const std::string& version) {
  return version.substr(0, version.find_first_not_of("0123456789"));
}

}  // namespace aurum::stack
