#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <netinet/in.h>
#include <random>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "stack/plan.h"
#include "stack/versions.h"

namespace aurum::stack {

namespace fs = std::filesystem;

namespace {

/// Numbers of "etcd-3.5.30" or "17", so that 3.5.30 comes behind 3.5.4.
std::vector<int> version_numbers(const std::string& text) {
  std::vector<int> numbers;
  bool inside = false;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !inside) numbers.push_back(0);
    if (digit) numbers.back() = std::min(numbers.back(), 99'999'999) * 10 + (c - '0');
    inside = digit;
  }
  return numbers;
}

/// <root>/<prefix>*/<below> that is a program, newest version first.
std::vector<fs::path> newest_first(const fs::path& root, const std::string& prefix,
                                   const fs::path& below) {
  std::vector<fs::path> dirs;
  std::error_code ec;
  for (fs::directory_iterator it(root, ec), end; !ec && it != end; it.increment(ec)) {
    const auto program = it->path() / below;
    if (it->path().filename().string().starts_with(prefix) &&
        ::access(program.c_str(), X_OK) == 0) {
      dirs.push_back(it->path());
    }
  }
  std::sort(dirs.begin(), dirs.end(), [](const fs::path& a, const fs::path& b) {
    return version_numbers(a.filename()) > version_numbers(b.filename());
  });
  for (auto& dir : dirs) dir /= below;
  return dirs;
}

std::string in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream dirs(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string dir; std::getline(dirs, dir, ':');) {
    const auto program = fs::path(dir) / name;
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

/// PG_VERSION of the first node that has data; "" = none has.
std::string major_of_data(const Plan& plan) {
  for (const auto& node : plan.nodes) {
    std::ifstream file(plan.dir / "data" / node.name / "PG_VERSION");
    std::string line;
    if (std::getline(file, line) && !line.empty()) return line;
  }
  return {};
}

fs::path self() {
  std::error_code ec;
  return fs::read_symlink("/proc/self/exe", ec);
}

sockaddr_in address(const std::string& host, std::uint16_t port) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &where.sin_addr);
  return where;
}

}  // namespace

bool port_busy(const std::string& host, std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const int on = 1;
  // As servers do: connections of a former run in TIME_WAIT do not make a port busy.
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto where = address(host, port);
  const bool busy = ::bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
                    ::listen(fd, 1) != 0;
  ::close(fd);
  return busy;
}

Result<std::vector<std::uint16_t>> free_ports(std::size_t count) {
  std::random_device seed;
  std::uniform_int_distribution<int> any(15000, 32000);
  std::vector<std::uint16_t> ports;
  for (int tries = 0; tries < 5000 && ports.size() < count; ++tries) {
    const auto port = static_cast<std::uint16_t>(any(seed));
    if (std::find(ports.begin(), ports.end(), port) != ports.end()) continue;
    if (!port_busy("127.0.0.1", port)) ports.push_back(port);
  }
  if (ports.size() < count)
    return fail(Code::unavailable, "no free TCP ports between 15000 and 32000");
  return ports;
}

Result<std::string> own_program() {
  if (const char* set = std::getenv("AURUM_PROGRAM"); set != nullptr && *set != '\0')
    return std::string(set);
  const auto me = self();
  if (me.filename() == "aurum") return me.string();
  const auto beside = me.parent_path() / "aurum";  // tests are built into the same folder
  if (::access(beside.c_str(), X_OK) == 0) return beside.string();
  return fail(Code::not_found, fmt::format("no program aurum beside {}", me.string()),
              "Build it, or name it in AURUM_PROGRAM.");
}

Result<std::string> find_etcd(const Plan& plan) {
  if (!plan.etcd_bin_dir.empty()) {
    const auto program = fs::path(plan.etcd_bin_dir) / "etcd";
    if (::access(program.c_str(), X_OK) == 0) return program.string();
    return fail(Code::not_found, fmt::format("no etcd in {}", plan.etcd_bin_dir));
  }
  // tools/fetch-etcd puts it into build/tools/etcd-VERSION; we live in build/PRESET.
  const auto fetched = newest_first(self().parent_path().parent_path() / "tools", "etcd-", "etcd");
  if (!fetched.empty()) return fetched.front().string();
  if (auto program = in_path("etcd"); !program.empty()) return program;
  return fail(Code::not_found, "etcd is not installed",
              "apt-get install etcd-server, or tools/fetch-etcd.");
}

Result<std::string> find_postgres_bin_dir(const Plan& plan) {
  const std::string major = major_of_data(plan);
  if (!plan.postgres_bin_dir.empty()) {
    const auto program = fs::path(plan.postgres_bin_dir) / "postgres";
    if (::access(program.c_str(), X_OK) != 0)
      return fail(Code::not_found, fmt::format("no postgres in {}", plan.postgres_bin_dir));
    if (major.empty()) return plan.postgres_bin_dir;
    const auto version = program_version(program);
    if (major_version(version) == major) return plan.postgres_bin_dir;
    return fail(Code::invalid,
                fmt::format("{} is PostgreSQL {}, and the data in {} is of PostgreSQL {}",
                            program.string(), version, plan.dir.string(), major),
                "Name the programs of that version; pg_upgrade takes data to another one.");
  }
  for (const auto& program : newest_first("/usr/lib/postgresql", major, "bin/postgres"))
    if (major.empty() || program.parent_path().parent_path().filename() == major)
      return program.parent_path().string();
  const auto program = in_path("postgres");
  if (!program.empty() && (major.empty() || major_version(program_version(program)) == major))
    return fs::path(program).parent_path().string();
  if (major.empty())
    return fail(Code::not_found, "PostgreSQL is not installed", "apt-get install postgresql-15.");
  return fail(Code::not_found,
              fmt::format("the data in {} is of PostgreSQL {}, which is not installed",
                          plan.dir.string(), major),
              fmt::format("apt-get install postgresql-{}.", major));
}

Result<std::string> find_server(const std::string& name) {
  for (const char* dir : {"/usr/sbin", "/usr/local/sbin"}) {
    const auto program = fs::path(dir) / name;
    if (::access(program.c_str(), X_OK) == 0) return program.string();
  }
  if (auto program = in_path(name); !program.empty()) return program;
  return fail(Code::not_found, name + " is not installed", "apt-get install " + name + ".");
}

std::string find_fence(const std::string& postgres_bin_dir) {
  const auto program = own_program();
  if (!program) return {};
  const auto major =
      major_version(program_version((fs::path(postgres_bin_dir) / "postgres").string()));
  std::error_code ec;
  const auto library =
      fs::weakly_canonical(*program, ec).parent_path() / "fence" / major / "aurum_fence.so";
  return !major.empty() && fs::is_regular_file(library, ec) ? library.string() : std::string();
}

std::string version_line(const std::string& program) {
  // The path comes from our own search, but may hold blanks.
  std::string quoted = "'";
  for (const char c : program) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  FILE* out = ::popen((quoted + "' --version 2>/dev/null").c_str(), "re");
  if (out == nullptr) return {};
  std::array<char, 512> line{};
  const bool got = std::fgets(line.data(), line.size(), out) != nullptr;
  ::pclose(out);
  std::string said = got ? line.data() : "";
  if (said.ends_with('\n')) said.pop_back();
  return said;
}

std::string program_version(const std::string& program) {
  std::istringstream words(version_line(program));
  for (std::string word; words >> word;) {
    if (!word.empty() && word.front() >= '0' && word.front() <= '9') return word;
  }
  return {};
}

}  // namespace aurum::stack
