#pragma once

#include <fcntl.h>
#include <filesystem>
#include <signal.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

/// Programs started by tests: ended by their pid, whatever becomes of the test.
namespace aurum::dcs::testing {

/// A running program; killed when this object ends, or when the test process does.
class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(std::vector<std::string> argv, const std::filesystem::path& output) {
    std::vector<char*> arguments;
    for (auto& word : argv) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(file, 1);
    ::dup2(file, 2);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ~ChildProcess() { kill(); }
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept {
    if (this != &other) {
      kill();
      pid_ = std::exchange(other.pid_, -1);
    }
    return *this;
  }

  bool running() const { return pid_ > 0; }
  void signal(int number) const {
    if (running()) ::kill(pid_, number);
  }
  void kill() {
    if (!running()) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  /// Waits for its end; its exit code.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  }

 private:
  pid_t pid_ = -1;
};

/// Runs a program to its end; its exit code.
inline int run_program(std::vector<std::string> argv,
                       const std::filesystem::path& output = "/dev/null") {
  return ChildProcess(std::move(argv), output).wait();
}

}  // namespace aurum::dcs::testing
