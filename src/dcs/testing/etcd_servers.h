#pragma once

#include <arpa/inet.h>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "base/testing/ports.h"
#include "dcs/testing/child_process.h"
#include "model/config.h"

/// Real etcd members on loopback, in a temporary directory, for system tests.
namespace aurum::dcs::testing {

/// A directory that is removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "aurum-etcd-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary directory: " << name;
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

using aurum::testing::free_ports;

/// `name` of the etcd release under test: of AURUM_ETCD_DIR when that is set, else of PATH.
inline std::string etcd_program(const std::string& name) {
  const char* dir = std::getenv("AURUM_ETCD_DIR");
  return dir != nullptr && *dir != '\0' ? std::string(dir) + "/" + name : name;
}

/// Certificates made for one test: a CA, a server for 127.0.0.1 and localhost, a client.
struct TestCertificates {
  explicit TestCertificates(std::filesystem::path where) : dir(std::move(where)) {
    const auto run = [this](const std::string& command) {
      EXPECT_EQ(
          run_program({"sh", "-c", "cd '" + dir.string() + "' && " + command}, dir / "openssl.log"),
          0)
          << command;
    };
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "
        "ca.crt "
        "-days 2 -subj /CN=test-ca");
    for (const char* who : {"server", "client", "stranger"}) {
      const std::string name = who;
      run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name +
          ".key -out " + name + ".csr -subj /CN=" + name);
      const std::string names = name == "stranger" ? "subjectAltName=DNS:elsewhere"
                                                   : "subjectAltName=IP:127.0.0.1,DNS:localhost";
      run("echo '" + names + "' > " + name + ".ext && openssl x509 -req -in " + name +
          ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out " + name + ".crt -extfile " +
          name + ".ext");
    }
  }
  std::string file(const std::string& name) const { return (dir / name).string(); }
  std::filesystem::path dir;
};

struct ClusterOptions {
  std::size_t members = 1;
  const TestCertificates* tls = nullptr;  ///< client connections with mutual TLS
  std::string server_certificate = "server";
  std::vector<std::string> extra = {};  ///< further arguments of every member
};

class EtcdCluster {
 public:
  explicit EtcdCluster(ClusterOptions options) : options_(std::move(options)) {
    const auto ports = free_ports(options_.members * 2);
    for (std::size_t i = 0; i < options_.members; ++i) {
      members_.push_back(
          {.client_port = ports[i * 2], .peer_port = ports[i * 2 + 1], .process = {}});
    }
  }

  void start_all() {
    for (std::size_t i = 0; i < members_.size(); ++i) start(i);
  }
  void start(std::size_t member) {
    members_[member].process = ChildProcess(arguments(member), log_file(member));
  }
  void kill(std::size_t member) { members_[member].process.kill(); }
  void freeze(std::size_t member) { members_[member].process.signal(SIGSTOP); }
  void thaw(std::size_t member) { members_[member].process.signal(SIGCONT); }

  /// What a node's configuration says about this cluster.
  int peer_port(std::size_t member) const { return members_.at(member).peer_port; }
  model::EtcdConfig config() const {
    model::EtcdConfig config;
    for (const auto& member : members_) config.hosts.push_back(address(member.client_port));
    if (options_.tls != nullptr) {
      config.protocol = "https";
      config.cacert = options_.tls->file("ca.crt");
      config.cert = options_.tls->file("client.crt");
      config.key = options_.tls->file("client.key");
    }
    return config;
  }
  /// Runs etcdctl against the first member; its exit code.
  int ctl(std::vector<std::string> arguments) const {
    std::vector<std::string> argv = {"env", "ETCDCTL_API=3", etcd_program("etcdctl"), "--endpoints",
                                     url(members_[0].client_port)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run_program(std::move(argv), directory_.path() / "etcdctl.log");
  }
  /// The log of a member, for the message of a failed test.
  std::string log(std::size_t member) const {
    std::ifstream file(log_file(member));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::size_t size() const { return members_.size(); }

 private:
  struct Member {
    int client_port = 0, peer_port = 0;
    ChildProcess process;
  };

  static std::string address(int port) { return "127.0.0.1:" + std::to_string(port); }
  std::string url(int port) const {
    return (options_.tls != nullptr ? "https://" : "http://") + address(port);
  }
  std::filesystem::path log_file(std::size_t member) const {
    return directory_.path() / ("etcd" + std::to_string(member) + ".log");
  }

  std::vector<std::string> arguments(std::size_t index) const {
    const Member& member = members_[index];
    const auto name = [](std::size_t i) { return "m" + std::to_string(i); };
    std::string all;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      all += (i ? "," : "") + name(i) + "=http://" + address(members_[i].peer_port);
    }
    const std::string peer = "http://" + address(member.peer_port);
    std::vector<std::string> argv = {etcd_program("etcd"),
                                     "--name",
                                     name(index),
                                     "--data-dir",
                                     (directory_.path() / name(index)).string(),
                                     "--listen-client-urls",
                                     url(member.client_port),
                                     "--advertise-client-urls",
                                     url(member.client_port),
                                     "--listen-peer-urls",
                                     peer,
                                     "--initial-advertise-peer-urls",
                                     peer,
                                     "--initial-cluster",
                                     all,
                                     "--heartbeat-interval",
                                     "50",
                                     "--election-timeout",
                                     "500"};
    if (options_.tls != nullptr) {
      const auto& tls = *options_.tls;
      argv.insert(argv.end(), {"--client-cert-auth", "--trusted-ca-file", tls.file("ca.crt"),
                               "--cert-file", tls.file(options_.server_certificate + ".crt"),
                               "--key-file", tls.file(options_.server_certificate + ".key")});
    }
    argv.insert(argv.end(), options_.extra.begin(), options_.extra.end());
    return argv;
  }

  ClusterOptions options_;
  TemporaryDirectory directory_;  // outlives the members, which write into it
  std::vector<Member> members_;
};

}  // namespace aurum::dcs::testing
