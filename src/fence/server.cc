#include "fence/server.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <unistd.h>
#include <utility>
extern "C" {
#include <sys/pidfd.h>
}

#include "fence/child.h"

namespace aurum::fence {

namespace {

Status refuse_second(pid_t pid) {
  return fail(Code::exists, "this guard has a server already: " + std::to_string(pid),
              "Stop it first; each cluster member has a guard of its own.");
}

}  // namespace

Status Server::launch(const char* working_dir, std::span<char*> argv, std::span<char*> env) {
  if (lives()) return refuse_second(pid_);
  if (argv.size() < 2) return fail(Code::invalid, "no program to launch");
  auto pid = start_child(working_dir, argv.data(), env.data(), oom_score_);
  if (!pid) return fail(pid.error());
  watch(*pid, ::pidfd_open(*pid, 0), false);
  return {};
}

Status Server::adopt(pid_t pid) {
  if (postmaster_runs() && pid == pid_) return {};
  if (lives()) return refuse_second(pid_);
  int fd = pid > 1 ? ::pidfd_open(pid, 0) : -1;
  ProcessFacts facts;
  bool there = fd >= 0 && read_process(pid, facts) && !facts.dead() && pid != ::getpid();
  bool ours = there && ::pidfd_send_signal(fd, 0, nullptr, 0) == 0;
  if (!ours) {
    if (fd >= 0) ::close(fd);
    std::string who = "process " + std::to_string(pid);
    return there ? fail(Code::permission, who + " belongs to another user")
                 : fail(Code::not_found, who + " does not run");
  }
  watch(pid, fd, facts.parent != ::getpid());
  return {};
}

void Server::watch(pid_t pid, int pidfd, bool adopted) {
  pid_ = pid;
  pidfd_ = pidfd;
  adopted_ = adopted;
  ended_ = killing_ = false;
  killed_ = 0;
  signalled_ = 0;
  program_ = program_of(pid);
  directory_ = adopted ? directory_of(pid) : FileIdentity{};
  rehearse();
}

Status Server::signal(int signo) {
  if (!postmaster_runs()) return fail(Code::not_found, "no server runs");
  if (::pidfd_send_signal(pidfd_, signo, nullptr, 0) == 0) return {};
  return fail(errno == ESRCH ? Code::not_found : Code::io,
              "cannot signal server " + std::to_string(pid_) + ": " + std::strerror(errno));
}

void Server::postmaster_ended(int wait_status) {
  ended_ = true;
  status_ = wait_status;
}

void Server::kill_everything() {
  if (!lives() || killing_) return;
  killing_ = true;
  if (adopted_ && !ended_) hold_postmaster();
  sweep();
  killed_ = static_cast<int>(count_);
}

/// Stopped, it forks no more; its children cannot be told from others' once it is gone.
void Server::hold_postmaster() {
  ProcessFacts facts;
  if (::pidfd_send_signal(pidfd_, SIGSTOP, nullptr, 0) != 0) return;
  for (int i = 0; i < 20 && read_process(pid_, facts) && facts.state != 'T' && !facts.dead(); ++i)
    ::poll(nullptr, 0, 1);
}

bool Server::sweep() {
  collect();
  for (std::size_t i = 0; i < count_; ++i) signal_process(members_[i], SIGKILL);
  signalled_ = count_;
  if (count_ > 0 || !ended_) return false;
  last_pid_ = std::exchange(pid_, 0);
  ::close(std::exchange(pidfd_, -1));
  return true;
}

void Server::rehearse() {
  collect();
  rehearsed_ = 0;
  for (std::size_t i = 0; i < count_; ++i) rehearsed_ += signal_process(members_[i], 0) ? 1 : 0;
}

bool Server::is_member(pid_t pid) const {
  return std::any_of(members_.begin(), members_.begin() + static_cast<std::ptrdiff_t>(count_),
                     [pid](const ProcessFacts& member) { return member.pid == pid; });
}

bool Server::belongs(const ProcessFacts& facts) const {
  if (facts.dead() || facts.pid == ::getpid() || facts.pid == spared_) return false;
  if (postmaster_runs() && (facts.pid == pid_ || facts.parent == pid_)) return true;
  bool runs_program = !program_.known() || program_of(facts.pid) == program_;
  if (facts.parent == ::getpid()) return killing_ || runs_program;
  if (killing_ && is_member(facts.parent)) return true;
  return adopted_ && program_.known() && runs_program && directory_of(facts.pid) == directory_;
}

/// What was signalled stays a member until it is dead: while it gives its memory back it shows no
/// program, and once its parent is dead no descent either
/// (Guard.a_process_of_an_adopted_server_that_dies_slowly_is_waited_for).
void Server::keep_dying() {
  count_ = 0;
  ProcessFacts now;
  for (std::size_t i = 0; i < signalled_; ++i) {
    const bool same =
        read_process(members_[i].pid, now) && now.started == members_[i].started && !now.dead();
    if (same) members_[count_++] = members_[i];
  }
  signalled_ = count_;
}

/// To a fixed point, since a child can have a lower pid than its parent. More than fit are left to
/// the next round.
void Server::collect() {
  keep_dying();
  std::size_t before = 0;
  do {
    before = count_;
    processes_.for_each([this](const ProcessFacts& facts) {
      if (count_ < kMaxMembers && !is_member(facts.pid) && belongs(facts))
        members_[count_++] = facts;
    });
  } while (count_ > before && count_ < kMaxMembers);
}

}  // namespace aurum::fence
