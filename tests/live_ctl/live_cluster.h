#pragma once

#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <signal.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "stack/scratch.h"

/// One live cluster for a whole suite, and the means of an operator: ctl, REST, SQL.
namespace aurum::live {

using json = nlohmann::json;

struct Output {
  int exit_code = -1;
  std::string text;  ///< both outputs
  bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
  std::size_t at(std::string_view part) const { return text.find(part); }
};

/// Runs through the shell, `input` on its standard input.
inline Output run(const std::string& command, const std::string& input = {}) {
  Output out;
  const std::string feed = input.empty() ? "</dev/null" : fmt::format("<<'END'\n{}END\n", input);
  FILE* pipe = ::popen(fmt::format("timeout 90 {} 2>&1 {}", command, feed).c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> piece;
  for (std::size_t n = 0; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
    out.text.append(piece.data(), n);
  const int status = ::pclose(pipe);
  out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

inline bool eventually(const std::function<bool()>& holds, Duration limit = seconds(20)) {
  for (const Instant end = runtime::now() + limit; runtime::now() < end;) {
    if (holds()) return true;
    ::usleep(50'000);
  }
  return holds();
}

class LiveCtl : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto made = stack::Scratch::make(3, 1);
    ASSERT_TRUE(made) << made.error().text();
    scratch_ = std::move(*made);
    // Commands are looked at here, not speed: a busy machine must not cost a leader its lease.
    stack::set_ttl(scratch_->plan(), 20);
    scratch_->plan().overrides =
        fmt::format(R"({{"postgresql": {{"callbacks": {0}}}}})", json{{"on_start", hook()},
                                                                      {"on_stop", hook()},
                                                                      {"on_restart", hook()},
                                                                      {"on_reload", hook()},
                                                                      {"on_role_change", hook()}}
                                                                     .dump());
    const auto started = scratch_->start(seconds(90));
    ASSERT_TRUE(started) << started.error().text();
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  void SetUp() override {
    ASSERT_NE(scratch_, nullptr);
    const auto healthy = cluster().wait_healthy(seconds(60));
    ASSERT_TRUE(healthy) << healthy.error().text();
  }

  static stack::Cluster& cluster() { return scratch_->cluster(); }
  static const std::string& scope() { return scratch_->plan().scope; }
  static std::string name(std::size_t node) { return scratch_->plan().nodes[node].name; }
  /// Who leads, once somebody does; 3 = nobody for long.
  static std::size_t leader() {
    std::optional<std::size_t> found;
    eventually([&] { return (found = cluster().leader()).has_value(); });
    return found.value_or(3);
  }
  static std::string callback_file() { return (scratch_->plan().dir / "run/callbacks").string(); }
  /// Appends its arguments to a file: member name is the scope's, so the role and action tell.
  static std::string hook() {
    return fmt::format("/bin/sh -c 'echo \"$0 $1 $2\" >> {}'", callback_file());
  }

  static Output ctl(const std::string& arguments, const std::string& input = {}) {
    return run(fmt::format("{} ctl -c {} {}", ::getenv("AURUM_PROGRAM"),
                           cluster().config_of(0).string(), arguments),
               input);
  }
  static json list() {
    const auto out = ctl("list -f json");
    return json::parse(out.text, nullptr, false);
  }
  static std::string rest(std::size_t node, const std::string& method, const std::string& path,
                          const std::string& body = {}, int* status = nullptr) {
    const auto reply = cluster().rest(node, method, path, body, seconds(60));
    if (status != nullptr) *status = reply ? reply->status : 0;
    return reply ? reply->body : reply.error().text();
  }
  static int status_of(std::size_t node, const std::string& path) {
    int status = 0;
    rest(node, "GET", path, {}, &status);
    return status;
  }
  static json patroni(std::size_t node) {
    return json::parse(rest(node, "GET", "/patroni"), nullptr, false);
  }
  static void patch(const std::string& body) {
    int status = 0;
    const auto text = rest(0, "PATCH", "/config", body, &status);
    ASSERT_EQ(status, 200) << body << ": " << text;
  }
  /// The first value of the first row; "" when there is none, "error: …" when it failed.
  static std::string sql(std::size_t node, const std::string& query) {
    std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectdb((cluster().conninfo(node) + " connect_timeout=5").c_str()), PQfinish);
    std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), query.c_str()),
                                                         PQclear);
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK)
      return std::string("error: ") + PQerrorMessage(connection.get());
    return PQntuples(result.get()) == 0 ? "" : PQgetvalue(result.get(), 0, 0);
  }
  static bool everywhere(const std::string& query, const std::string& value) {
    for (std::size_t i = 0; i < 3; ++i)
      if (sql(i, query) != value) return false;
    return true;
  }

  inline static std::unique_ptr<stack::Scratch> scratch_;
};

}  // namespace aurum::live
