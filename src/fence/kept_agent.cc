#include "fence/kept_agent.h"

#include <algorithm>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/child.h"
#include "fence/guard_start.h"

namespace aurum::fence {

namespace {

constexpr Duration kFirstPause = milliseconds(100);
constexpr Duration kLongestPause = seconds(5);
/// One that ran so long was well: the next start is at once again.
constexpr Duration kWell = seconds(30);

}  // namespace

KeptAgent::KeptAgent(std::vector<std::string> command, int oom_score)
    : command_(std::move(command)), oom_score_(oom_score) {
  for (auto& word : command_) argv_.push_back(word.data());
  argv_.push_back(nullptr);
}

Instant KeptAgent::due() const { return !exists() || runs() || retired_ ? kNever : next_; }

void KeptAgent::start(Instant now) {
  started_ = now;
  const auto pid = start_child("", argv_.data(), environ, oom_score_);
  if (pid) {
    pid_ = *pid;
    return;
  }
  guard_log("CRITICAL", "the agent: %s", pid.error().text().c_str());
  exit_code_ = 1;
  pause_ = std::min(std::max(pause_ * 2, kFirstPause), kLongestPause);
  next_ = now + pause_;
}

void KeptAgent::ended(int wait_status, bool server_lives, Instant now) {
  pid_ = 0;
  const bool by_itself = WIFEXITED(wait_status);
  exit_code_ = by_itself ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  if (retired_ || (by_itself && !server_lives)) return retire();
  if (now - started_ > kWell) pause_ = {};
  next_ = now + pause_;
  guard_log("WARNING", "the agent ended (%s %d); it is started again in %lld ms",
            by_itself ? "exit code" : "signal", by_itself ? exit_code_ : WTERMSIG(wait_status),
            static_cast<long long>(to_ms(pause_)));
  pause_ = std::min(std::max(pause_ * 2, kFirstPause), kLongestPause);
}

void KeptAgent::signal(int signo) const {
  if (runs()) ::kill(pid_, signo);  // our own child, not reaped yet: the pid is its
}

}  // namespace aurum::fence
