#include "support/backups.h"

#include <array>
#include <cstdio>
#include <sys/wait.h>

#include <fmt/format.h>

#include "model/restore.h"

namespace aurum::tests {

std::string repository_of(const stack::Plan& plan) {
  return (plan.dir / "data" / "repository").string();
}

/// No schedule: the tests take their own backups, at moments they know.
std::string backup_overrides(const stack::Plan& plan) {
  return fmt::format(
      R"({{"postgresql": {{"create_replica_methods": ["pgbackrest", "basebackup"],
                           "parameters": {{"unix_socket_directories": "{}"}}}},
          "aurum": {{"backup": {{"stanza": "{}",
             "full": "off", "diff": "off", "incr": "off", "verify": "off",
             "repositories": [{{"path": "{}", "retention": {{"full": 9}}, "bundle": true}}]}}}}}})",
      (plan.dir / "run").string(), plan.scope, repository_of(plan));
}

namespace {

std::string command_line(const stack::Cluster& cluster, std::size_t node,
                         const std::string& command, const std::string& more) {
  return fmt::format("{} {} -c {} {}", need(stack::own_program()), command,
                     cluster.config_of(node).string(), more);
}

Said run_to_end(const std::string& line) {
  Said said;
  std::FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + line);
  std::array<char, 4096> part{};
  while (const std::size_t n = std::fread(part.data(), 1, part.size(), pipe))
    said.text.append(part.data(), n);
  const int status = ::pclose(pipe);
  said.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return said;
}

}  // namespace

Said aurum(const stack::Cluster& cluster, std::size_t node, const std::string& command,
           const std::string& more) {
  return run_to_end(command_line(cluster, node, command, more) + " 2>&1 </dev/null");
}

Said aurum_on_terminal(const stack::Cluster& cluster, std::size_t node, const std::string& command,
                       const std::string& more) {
  return run_to_end(fmt::format("script -qec '{}' /dev/null </dev/null",
                                command_line(cluster, node, command, more)));
}

std::string BackupTest::back_up(const std::string& type) {
  const auto said = aurum(cluster(), leader(), "backup", "now --type " + type);
  if (said.code != 0) throw std::runtime_error("backup " + type + ": " + said.text);
  return said.text;
}

std::string BackupTest::restore_key() { return get_key(cluster(), "aurum_restore").value_or(""); }

std::string BackupTest::restore_step() {
  const auto restore = model::decode_restore(restore_key());
  return restore ? std::string(model::to_string(restore->step)) : "";
}

}  // namespace aurum::tests
