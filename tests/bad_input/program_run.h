#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "dcs/testing/etcd_servers.h"

/// Runs the program on a configuration in a folder of its own, as a user who is not root.
namespace aurum::bad_input {

namespace fs = std::filesystem;

/// Path -> mode, size, time of change: equal when nothing was made, removed or written.
using Snapshot = std::map<std::string, std::string>;
Snapshot snapshot_of(const fs::path& dir);

struct Outcome {
  int exit_code = 0;
  std::string output;  ///< both streams
  /// Lines that are errors: "error: …" and log lines of level ERROR or CRITICAL.
  std::vector<std::string> errors() const;
};

/// Some user who may run PostgreSQL: "postgres" when we are root, else ourselves.
class Place {
 public:
  Place();
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const fs::path& dir() const { return dir_; }
  const fs::path& run_dir() const { return run_dir_; }
  fs::path config_file() const { return dir_ / "node.yml"; }
  fs::path log() const { return outside_ / "output"; }
  fs::path tools_log() const { return outside_ / "tools"; }
  /// Gives everything in dir() to the user.
  void give();
  /// A program's end as that user, killed after 60 s.
  int run(std::vector<std::string> argv) const;
  /// `aurum agent OPTIONS node.yml` to its end, killed after 30 s (exit code 124).
  Outcome agent(std::vector<std::string> options = {}, bool as_root = false) const;
  /// The same, left running.
  dcs::testing::ChildProcess start_agent() const;
  std::string output() const;
  /// The log holds `text` within 30 s.
  bool says(const std::string& text) const;

 private:
  std::vector<std::string> as_user(std::vector<std::string> argv) const;
  std::vector<std::string> agent_command(std::vector<std::string> options) const;

  fs::path dir_, outside_, run_dir_;
};

bool is_root();
/// A configuration that is good but for what a test does to it.
std::string good_config(const Place& place, int rest_port, int postgres_port, int etcd_port);
std::string file_text(const fs::path& file);
void write_text(const fs::path& file, const std::string& text);

}  // namespace aurum::bad_input
