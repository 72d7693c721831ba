#include "stack/bench_rest.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <netinet/tcp.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "stack/bench.h"
#include "stack/interrupts.h"
#include "stack/nap.h"
#include "stack/scratch.h"
#include "stack/terminal.h"

namespace aurum::stack {

namespace {

using json = nlohmann::ordered_json;

/// Asks one thing again and again, on one connection for as long as the other side keeps it.
class Asker {
 public:
  Asker(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {
    request_ = fmt::format("GET /primary HTTP/1.1\r\nHost: {}:{}\r\nConnection: keep-alive\r\n\r\n",
                           host_, port_);
  }
  ~Asker() { close(); }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  /// The status; 0 when there was no answer.
  int ask() {
    if (fd_ < 0 && !open()) return 0;
    if (::send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size()))
      return lost();
    wire_.clear();
    char buffer[16384];
    for (;;) {
      const auto n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n < 0) return lost();
      if (n == 0) break;
      wire_.append(buffer, static_cast<std::size_t>(n));
      if (whole()) return status();
    }
    close();
    return wire_.empty() ? 0 : status();
  }

 private:
  bool open() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    ::inet_pton(AF_INET, host_.c_str(), &to.sin_addr);
    const int on = 1;
    const timeval patience{5, 0};
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return true;
    close();
    return false;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int lost() {
    close();
    return 0;
  }
  int status() const {
    int code = 0;
    constexpr std::size_t kAt = 9;  // "HTTP/1.1 "
    if (wire_.size() > kAt + 3) std::from_chars(wire_.data() + kAt, wire_.data() + kAt + 3, code);
    return code;
  }
  /// By its length; a reply without one ends with the connection.
  bool whole() const {
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const auto end = wire_.find("\r\n\r\n");
    const auto at = wire_.find(kLength);
    if (end == std::string::npos || at == std::string::npos || at > end) return false;
    std::size_t size = 0;
    std::from_chars(wire_.data() + at + kLength.size(), wire_.data() + end, size);
    return wire_.size() >= end + 4 + size;
  }

  std::string host_, request_, wire_;
  std::uint16_t port_;
  int fd_ = -1;
};

struct Arm {
  std::string label;
  std::unique_ptr<Scratch> scratch;
  std::size_t leader = 0;
  std::vector<double> rates;         ///< answers a second, of each round
  std::vector<double> latencies_ms;  ///< of all rounds
  std::size_t failures = 0;
  std::optional<double> writes_per_minute;  ///< to etcd
  Cost cost;
  Cluster& cluster() { return scratch->cluster(); }
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

/// The value that so many of a hundred do not exceed.
double percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto at = static_cast<std::size_t>(static_cast<double>(values.size()) * percent / 100.0);
  return values[std::min(at, values.size() - 1)];
}

void ask_for_a_while(Arm& arm, int for_s, Interrupts& interrupts) {
  const NodePlan& node = arm.cluster().plan().nodes[arm.leader];
  Asker asker(node.host, node.rest_port);
  for (int i = 0; i < 20; ++i) asker.ask();  // what is slow only once
  std::size_t answers = 0;
  const Instant began = runtime::now(), until = began + seconds(for_s);
  for (Instant before = began; before < until && (answers % 64 != 0 || !interrupts.came());) {
    const int status = asker.ask();
    const Instant now = runtime::now();
    if (status == 200) {
      ++answers;
      arm.latencies_ms.push_back(to_seconds(now - before) * 1000);
    } else if (++arm.failures > 1000) {
      break;
    }
    before = now;
  }
  arm.rates.push_back(static_cast<double>(answers) / to_seconds(runtime::now() - began));
}

/// etcd's revision: it counts transactions that write.
std::optional<std::int64_t> revision(const Cluster& cluster) {
  const auto& etcd = cluster.plan().etcds.front();
  const auto reply = rest_call(
      {etcd.host, etcd.client_port, "POST", "/v3/kv/range", R"({"key":"YQ=="})", {}, seconds(3)});
  if (!reply || reply->status != 200) return std::nullopt;
  const json doc = json::parse(reply->body, nullptr, false);
  if (!doc.is_object() || !doc.contains("header")) return std::nullopt;
  return std::atoll(doc["header"].value("revision", "0").c_str());
}

Status start_arm(Arm& arm, const RestBenchOptions& options, int ttl) {
  auto scratch = Scratch::make();
  if (!scratch) return fail(scratch.error());
  arm.scratch = std::move(*scratch);
  Plan& plan = arm.scratch->plan();
  if (auto known = set_agent(plan, arm.label); !known) return known;
  plan.tls = options.tls;
  set_ttl(plan, ttl);
  auto started = arm.scratch->start(seconds(90));
  if (!started) return started;
  const auto leader = arm.cluster().leader();
  if (!leader) return fail(Code::unavailable, "nobody leads");
  arm.leader = *leader;
  return {};
}

/// Both clusters at once: they write little.
void count_writes(std::vector<Arm>& arms, const RestBenchOptions& options, Progress& progress,
                  Interrupts& interrupts) {
  std::vector<std::optional<std::int64_t>> before;
  for (Arm& arm : arms) before.push_back(options.tls ? std::nullopt : revision(arm.cluster()));
  const Instant began = runtime::now(), until = began + seconds(options.idle_s);
  while (runtime::now() < until && !interrupts.came()) {
    progress.detail(fmt::format("{:.0f} s", to_seconds(until - runtime::now())));
    nap(milliseconds(200));
  }
  const double minutes = to_seconds(runtime::now() - began) / 60;
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (!before[i]) continue;
    if (const auto after = revision(arms[i].cluster()))
      arms[i].writes_per_minute = static_cast<double>(*after - *before[i]) / minutes;
  }
}

std::string short_label(const std::string& label) {
  return label.substr(label.rfind('/') + 1).substr(0, 20);
}

void print(const std::vector<Arm>& arms) {
  std::vector<std::vector<std::string>> rows = {
      {"AGENT", "ANSWERS/S", "P50 MS", "P99 MS", "FAILED", "ETCD WRITES/MIN", "PSS MB"}};
  for (const Arm& arm : arms) {
    const bool asked = !arm.latencies_ms.empty();
    rows.push_back({short_label(arm.label), asked ? fmt::format("{:.0f}", median(arm.rates)) : "-",
                    asked ? fmt::format("{:.3f}", median(arm.latencies_ms)) : "-",
                    asked ? fmt::format("{:.3f}", percentile(arm.latencies_ms, 99)) : "-",
                    std::to_string(arm.failures),
                    arm.writes_per_minute ? fmt::format("{:.0f}", *arm.writes_per_minute) : "-",
                    fmt::format("{:.1f}", arm.cost.pss_mb)});
  }
  std::printf("\n%s\n", table(rows, "").c_str());
  std::printf(
      "GET /primary of the leader, one client, one connection for as long as the agent\n"
      "keeps it. ETCD WRITES: of an idle cluster of three. PSS: of one agent and its\n"
      "helpers, PostgreSQL not counted.\n");
}

json results(const std::vector<Arm>& arms, const RestBenchOptions& options) {
  json doc = {{"bench", "rest"}, {"tls", options.tls}, {"idle_s", options.idle_s}};
  for (const Arm& arm : arms)
    doc["agents"].push_back(
        {{"agent", arm.label},
         {"ttl_s", arm.scratch->plan().ttl},
         {"answers_per_s", arm.rates},
         {"p50_ms", median(arm.latencies_ms)},
         {"p99_ms", percentile(arm.latencies_ms, 99)},
         {"failures", arm.failures},
         {"etcd_writes_per_minute", arm.writes_per_minute ? json(*arm.writes_per_minute) : json()},
         {"agent_pss_mb", arm.cost.pss_mb}});
  return doc;
}

}  // namespace

int run_rest_bench(const RestBenchOptions& options) {
  std::ofstream out;
  if (!options.json_file.empty()) {
    out.open(options.json_file);
    if (!out) return report({Code::io, fmt::format("cannot write {}", options.json_file), {}});
  }
  Interrupts interrupts;
  Progress progress;
  std::vector<Arm> arms(options.agents.size());
  const bool own_alone =
      std::ranges::all_of(options.agents, [](const auto& a) { return a == "aurum"; });
  for (std::size_t i = 0; i < arms.size(); ++i) {
    arms[i].label = options.agents[i];
    progress.step(fmt::format("starting a cluster under {}", arms[i].label));
    // The same for all: the shortest that every one of them takes.
    auto started = start_arm(arms[i], options, own_alone ? 5 : 20);
    if (!started) {
      progress.broken();
      return report(started.error().within(arms[i].label));
    }
  }
  progress.step("counting writes to etcd while nothing is done");
  count_writes(arms, options, progress, interrupts);
  progress.step("weighing the agents");
  for (Arm& arm : arms) arm.cost = measure_cost(arm.cluster(), seconds(1));
  if (!options.tls) {
    progress.step("asking GET /primary");
    for (int round = 0; round < options.rounds && !interrupts.came(); ++round)
      for (Arm& arm : arms) {
        progress.detail(short_label(arm.label));
        ask_for_a_while(arm, options.seconds, interrupts);
      }
  }
  if (interrupts.came()) {
    progress.broken();
    std::printf("Interrupted; the clusters are stopped and removed.\n");
    return 130;
  }
  progress.finish();
  print(arms);
  if (out.is_open() && !(out << results(arms, options).dump(2) << '\n').flush())
    return report({Code::io, fmt::format("cannot write {}", options.json_file), {}});
  return 0;
}

}  // namespace aurum::stack
