#include "program_run.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace aurum::bad_input {

namespace {

using dcs::testing::ChildProcess;
using dcs::testing::run_program;

fs::path new_folder(const std::string& above) {
  std::string name = above + "/aurum-bad-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary directory: " << name;
  ::chmod(name.c_str(), 0755);
  return name;
}

std::string program() {
  const char* other = std::getenv("AURUM_PROGRAM");
  if (other != nullptr && *other != '\0') return other;
  return (fs::read_symlink("/proc/self/exe").parent_path() / "aurum").string();
}

}  // namespace

bool is_root() { return ::geteuid() == 0; }

std::string file_text(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

Snapshot snapshot_of(const fs::path& dir) {
  Snapshot all;
  const auto options = fs::directory_options::skip_permission_denied;
  for (const auto& entry : fs::recursive_directory_iterator(dir, options)) {
    struct stat info{};
    if (::lstat(entry.path().c_str(), &info) != 0) continue;
    all[entry.path().string()] =
        fmt::format("{:o} {} {}.{}", info.st_mode, S_ISDIR(info.st_mode) ? 0 : info.st_size,
                    info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  }
  return all;
}

std::vector<std::string> Outcome::errors() const {
  std::vector<std::string> found;
  std::istringstream in(output);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("error: ") || line.find(" ERROR: ") != std::string::npos ||
        line.find(" CRITICAL: ") != std::string::npos)
      found.push_back(line);
  }
  return found;
}

Place::Place()
    : dir_(new_folder(fs::temp_directory_path().string())),
      outside_(new_folder(fs::temp_directory_path().string())),
      run_dir_(new_folder(fs::is_directory("/dev/shm") ? "/dev/shm" : "/tmp")) {
  give();
}

Place::~Place() {
  // A guard that was started stays for half a minute: its lock file names it.
  for (const auto& entry : fs::recursive_directory_iterator(run_dir_)) {
    if (entry.path().filename() != "guard.lock") continue;
    const int pid = std::atoi(file_text(entry.path()).c_str());
    if (pid > 1 && file_text(fmt::format("/proc/{}/comm", pid)) == "aurum-guard\n")
      ::kill(pid, SIGKILL);
  }
  std::error_code ignored;
  for (const auto& dir : {dir_, outside_, run_dir_}) fs::remove_all(dir, ignored);
}

void Place::give() {
  if (!is_root()) return;
  const passwd* user = ::getpwnam("postgres");
  if (user == nullptr) return;
  for (const auto& root : {dir_, run_dir_}) {
    static_cast<void>(::chown(root.c_str(), user->pw_uid, user->pw_gid));
    for (const auto& entry : fs::recursive_directory_iterator(root))
      static_cast<void>(::lchown(entry.path().c_str(), user->pw_uid, user->pw_gid));
  }
}

std::vector<std::string> Place::as_user(std::vector<std::string> argv) const {
  std::vector<std::string> all;
  if (is_root()) all = {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"};
  all.insert(all.end(), argv.begin(), argv.end());
  return all;
}

int Place::run(std::vector<std::string> argv) const {
  argv.insert(argv.begin(), {"timeout", "-k", "1", "60"});
  return run_program(as_user(std::move(argv)), tools_log());
}

std::vector<std::string> Place::agent_command(std::vector<std::string> options) const {
  std::vector<std::string> argv = {"env", "HOME=" + dir_.string(), program(), "agent"};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.push_back(config_file().string());
  return argv;
}

Outcome Place::agent(std::vector<std::string> options, bool as_root) const {
  auto argv = agent_command(std::move(options));
  argv.insert(argv.begin(), {"timeout", "-k", "1", "30"});
  fs::remove(log());
  Outcome out;
  out.exit_code = run_program(as_root ? argv : as_user(argv), log());
  out.output = output();
  return out;
}

ChildProcess Place::start_agent() const {
  fs::remove(log());
  return ChildProcess(as_user(agent_command({})), log());
}

std::string Place::output() const { return file_text(log()); }

bool Place::says(const std::string& text) const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (output().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::string good_config(const Place& place, int rest_port, int postgres_port, int etcd_port) {
  return fmt::format(R"(scope: bad
name: node-1
restapi:
  listen: 127.0.0.1:{1}
  connect_address: 127.0.0.1:{1}
etcd3:
  hosts: ['127.0.0.1:{3}']
bootstrap:
  dcs: {{ttl: 5, loop_wait: 1, retry_timeout: 2}}
  initdb: [{{encoding: UTF8}}, {{locale: C.UTF-8}}]
postgresql:
  listen: 127.0.0.1:{2}
  connect_address: 127.0.0.1:{2}
  data_dir: {0}/data
  pgpass: {0}/pgpass
  authentication:
    superuser: {{username: postgres, password: one}}
    replication: {{username: replicator, password: two}}
  parameters: {{unix_socket_directories: ''}}
  pg_hba: ['host all all 127.0.0.1/32 scram-sha-256', 'host replication all 127.0.0.1/32 scram-sha-256']
aurum:
  run_dir: {4}
)",
                     place.dir().string(), rest_port, postgres_port, etcd_port,
                     place.run_dir().string());
}

}  // namespace aurum::bad_input
