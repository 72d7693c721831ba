#include "pg/postmaster.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "pg/files.h"

namespace aurum::pg {

namespace asio = runtime::asio;

namespace {

template <class T>
bool read_number(std::string_view text, T& out) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size();
}

bool same_directory(const fs::path& a, const fs::path& b) {
  struct stat x{}, y{};
  return ::stat(a.c_str(), &x) == 0 && ::stat(b.c_str(), &y) == 0 && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

std::string proc(int pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

bool is_dead(const ProcessStat& process) { return process.state == 'Z' || process.state == 'X'; }

/// Wall-clock second at which the process began, from the kernel's boot time.
std::int64_t start_epoch(const ProcessStat& process) {
  auto text = read_file("/proc/stat");
  if (!text) return 0;
  auto at = text->find("\nbtime ");
  if (at == std::string::npos) return 0;
  const auto boot = std::strtoll(text->c_str() + at + 7, nullptr, 10);
  return boot + static_cast<std::int64_t>(process.start_ticks) / ::sysconf(_SC_CLK_TCK);
}

}  // namespace

std::optional<PostmasterPid> parse_postmaster_pid(std::string_view text) {
  std::array<std::string_view, 8> lines;
  for (auto& line : lines) {
    auto end = text.find('\n');
    line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  PostmasterPid out;
  if (!read_number(lines[0], out.pid) || out.pid <= 0) return std::nullopt;
  out.data_dir = lines[1];
  read_number(lines[2], out.start_epoch);
  read_number(lines[3], out.port);
  out.socket_dir = lines[4];
  out.listen_address = lines[5];
  auto status = lines[7];
  while (!status.empty() && status.back() == ' ') status.remove_suffix(1);
  out.status = status;
  return out;
}

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  // "pid (name) S ppid …": the name may hold blanks and parentheses, so count from the last one.
  auto close = text.rfind(')');
  if (close == std::string_view::npos || close + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(close + 2);
  ProcessStat out;
  out.state = text.front();
  for (int field = 3; field < 22; ++field) {
    auto blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    text.remove_prefix(blank + 1);
  }
  if (!read_number(text.substr(0, text.find(' ')), out.start_ticks)) return std::nullopt;
  return out;
}

std::optional<ProcessStat> read_process(int pid) {
  auto text = read_file(proc(pid, "stat"));
  return text ? parse_process_stat(*text) : std::nullopt;
}

std::optional<LivePostmaster> find_postmaster(const fs::path& data_dir) {
  auto text = read_file(data_dir / "postmaster.pid");
  if (!text) return std::nullopt;
  auto file = parse_postmaster_pid(*text);
  if (!file) return std::nullopt;
  auto process = read_process(file->pid);
  if (!process || is_dead(*process)) return std::nullopt;
  const auto cwd = proc(file->pid, "cwd");
  struct stat info{};
  if (::stat(cwd.c_str(), &info) == 0) {
    if (!same_directory(cwd, data_dir)) return std::nullopt;
  } else {
    // The lock file is written a moment after the process began; 60 s allow for a stepped wall
    // clock.
    const auto began = start_epoch(*process);
    if (began > file->start_epoch + 60) return std::nullopt;
  }
  return LivePostmaster{std::move(*file), *process};
}

std::vector<int> processes_in(const fs::path& data_dir) {
  std::vector<int> out;
  DIR* dir = ::opendir("/proc");
  if (!dir) return out;
  while (const auto* entry = ::readdir(dir)) {
    int pid = 0;
    if (!read_number(std::string_view(entry->d_name), pid)) continue;
    char name[256];
    const auto length = ::readlink(proc(pid, "exe").c_str(), name, sizeof name - 1);
    if (length <= 0) continue;
    std::string_view program(name, static_cast<std::size_t>(length));
    program = program.substr(program.rfind('/') + 1);
    if (!program.starts_with("postgres")) continue;
    if (same_directory(proc(pid, "cwd"), data_dir)) out.push_back(pid);
  }
  ::closedir(dir);
  return out;
}

runtime::Task<bool> wait_process_end(int pid, Duration timeout) {
  using namespace asio::experimental::awaitable_operators;
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) co_return true;
  auto process = read_process(pid);
  auto executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor ended(executor, fd);
  if (!process || is_dead(*process)) co_return true;
  asio::steady_timer timer(executor);
  timer.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(timeout));
  auto who =
      co_await (ended.async_wait(asio::posix::stream_descriptor::wait_read, runtime::use_task) ||
                timer.async_wait(runtime::use_task));
  co_return who.index() == 0;
}

}  // namespace aurum::pg
