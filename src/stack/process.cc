#include "stack/process.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime/clock.h"

namespace aurum::stack {

namespace {

std::optional<std::string> slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

void nap(Duration d) {
  const timespec pause{d.count() / 1'000'000'000, d.count() % 1'000'000'000};
  ::nanosleep(&pause, nullptr);
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return pids;
  while (const dirent* entry = ::readdir(proc)) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (ec == std::errc{} && end == name.data() + name.size()) pids.push_back(pid);
  }
  ::closedir(proc);
  return pids;
}

bool lives(const ProcessInfo& info) { return info.state != 'Z' && info.state != 'X'; }

}  // namespace

std::optional<ProcessInfo> inspect(pid_t pid) {
  const auto text = slurp(fmt::format("/proc/{}/stat", pid));
  if (!text) return std::nullopt;
  // The name stands in parentheses and may hold any character, also ')'.
  const auto open = text->find('(');
  const auto close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  ProcessInfo info;
  info.id.pid = pid;
  info.name = text->substr(open + 1, close - open - 1);
  std::istringstream rest(text->substr(close + 1));
  std::string skipped;
  rest >> info.state >> info.parent;
  for (int field = 5; field < 22; ++field) rest >> skipped;
  rest >> info.id.start;
  if (!rest) return std::nullopt;
  return info;
}

bool alive(ProcessId id) {
  const auto info = inspect(id.pid);
  return info && info->id == id && lives(*info);
}

bool send_signal(ProcessId id, int signal) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0));
  if (fd < 0) return false;
  // The pidfd pins the process; only now does the start time prove that it is the one we mean.
  const bool sent = alive(id) && ::syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0) == 0;
  ::close(fd);
  return sent;
}

bool wait_gone(ProcessId id, Duration timeout) {
  const Instant until = runtime::now() + timeout;
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0));
  while (alive(id)) {
    const Duration left = until - runtime::now();
    if (left <= Duration::zero()) break;
    if (fd >= 0) {
      pollfd wait{fd, POLLIN, 0};
      ::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(to_ms(left) + 1, 200)));
    } else {
      nap(milliseconds(10));
    }
  }
  if (fd >= 0) ::close(fd);
  return !alive(id);
}

std::vector<ProcessInfo> process_table() {
  std::vector<ProcessInfo> table;
  for (const pid_t pid : all_pids()) {
    if (auto info = inspect(pid)) table.push_back(std::move(*info));
  }
  return table;
}

std::vector<ProcessId> with_descendants(const std::vector<ProcessId>& roots) {
  const auto table = process_table();
  std::set<pid_t> wanted;
  for (const auto& root : roots) wanted.insert(root.pid);
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& info : table) {
      if (wanted.contains(info.parent) && wanted.insert(info.id.pid).second) grew = true;
    }
  }
  std::vector<ProcessId> found;
  for (const auto& info : table) {
    if (!wanted.contains(info.id.pid) || !lives(info)) continue;
    const auto root = std::find_if(roots.begin(), roots.end(),
                                   [&](const ProcessId& r) { return r.pid == info.id.pid; });
    if (root == roots.end() || *root == info.id) found.push_back(info.id);
  }
  return found;
}

std::vector<ProcessId> working_in(const std::filesystem::path& dir) {
  std::vector<ProcessId> found;
  std::error_code ec;
  const auto wanted = std::filesystem::weakly_canonical(dir, ec);
  for (const pid_t pid : all_pids()) {
    const auto cwd = std::filesystem::read_symlink(fmt::format("/proc/{}/cwd", pid), ec);
    if (ec || cwd != wanted) continue;
    const auto info = inspect(pid);
    if (info && lives(*info)) found.push_back(info->id);
  }
  return found;
}

std::vector<ProcessId> with_environment(std::string_view assignment) {
  std::vector<ProcessId> found;
  for (const pid_t pid : all_pids()) {
    const auto block = slurp(fmt::format("/proc/{}/environ", pid));
    if (!block || block->empty()) continue;
    // Lines end in NUL; the one in front of the first is added here, so that a name is matched
    // whole.
    const std::string haystack = std::string(1, '\0') + *block;
    const std::string needle =
        std::string(1, '\0') + std::string(assignment) + std::string(1, '\0');
    if (haystack.find(needle) == std::string::npos) continue;
    const auto info = inspect(pid);
    if (info && lives(*info)) found.push_back(info->id);
  }
  return found;
}

bool kill_all(const std::function<std::vector<ProcessId>()>& find) {
  for (int round = 0; round < 200; ++round) {
    const auto found = find();
    if (found.empty()) return true;
    for (const auto& id : found) send_signal(id, SIGSTOP);
    for (const auto& id : found) send_signal(id, SIGKILL);
    for (const auto& id : found) wait_gone(id, seconds(5));
  }
  return find().empty();
}

Status write_pid_file(const std::filesystem::path& file, ProcessId id) {
  const auto fresh = file.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::trunc);
    out << id.pid << ' ' << id.start << '\n';
    if (!out.flush()) return fail(Code::io, fmt::format("cannot write {}", fresh));
  }
  std::error_code ec;
  std::filesystem::rename(fresh, file, ec);
  if (ec) return fail(Code::io, fmt::format("cannot write {}: {}", file.string(), ec.message()));
  return {};
}

std::optional<ProcessId> read_pid_file(const std::filesystem::path& file) {
  std::ifstream in(file);
  ProcessId id;
  if (!(in >> id.pid >> id.start) || !alive(id)) return std::nullopt;
  return id;
}

}  // namespace aurum::stack
