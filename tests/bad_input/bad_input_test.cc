// Bad input: each row breaks one thing and runs the program. It must end with exit code 1 and one
// line that names file or key and says what to do, and leave the disk and the store as they were.

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/config.h"
#include "net/certificate.h"
#include "pg/programs.h"
#include "program_run.h"
#include "runtime/clock.h"

namespace aurum::bad_input {
namespace {

using dcs::testing::ChildProcess;
using dcs::testing::EtcdCluster;
using dcs::testing::free_ports;
using ::testing::HasSubstr;

/// Holds a port of loopback for as long as it lives.
class Listener {
 public:
  explicit Listener(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  int fd_;
};

/// What a row may break before the program runs.
struct World {
  Place place;
  std::string config;
  int rest = 0, postgres = 0, etcd = 0;
  std::unique_ptr<Listener> holder;

  /// Replaces a line of the configuration (found by how it begins, indentation included).
  void line(const std::string& begins, const std::string& instead) {
    const auto at = config.find("\n" + begins);
    ASSERT_NE(at, std::string::npos) << begins;
    config.replace(at + 1, config.find('\n', at + 1) - at - 1, instead);
  }
  void append(const std::string& text) { config += text; }
  fs::path data() const { return place.dir() / "data"; }
  void file(const std::string& name, const std::string& text) const {
    fs::create_directories((place.dir() / name).parent_path());
    write_text(place.dir() / name, text);
  }
};

struct Row {
  const char* name;
  std::function<void(World&)> break_it;
  std::vector<std::string> says;          ///< each is in the one line
  std::vector<std::string> options = {};  ///< of the program
  std::vector<std::string> warns = {};    ///< somewhere in the output
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

void other_version(World& w) {
  w.file("data/PG_VERSION", "9\n");
  w.file("data/global/pg_control", "x");
  fs::permissions(w.data(), fs::perms::owner_all);
}

/// A file that only its owner reads.
std::string secret_file(const World& w, const std::string& name, const std::string& text) {
  w.file(name, text);
  const fs::path file = w.place.dir() / name;
  fs::permissions(file, fs::perms(0600));
  return file.string();
}

/// What --validate-config is content with: it rejects addresses of loopback.
void give_addresses(World& w) {
  w.line("  connect_address:", "  connect_address: 192.0.2.1:8008");
  const auto at = w.config.rfind("connect_address: 127.0.0.1");
  w.config.replace(at, 26, "connect_address: 192.0.2.1");
}

/// REST by TLS: a certificate of `issuer` that begins `days` ago and is good for ten.
void rest_certificate(World& w, const std::string& issuer, int days) {
  constexpr std::int64_t day_us = 86'400'000'000;
  const WallTime now = runtime::wall_now();
  const auto authority = [&](const std::string& name) {
    return *net::make_authority({.common_name = name}, *net::make_key(), now);
  };
  const auto ours = authority("ours"), others = authority("others");
  const auto key = *net::make_key();
  secret_file(w, "rest.key", key);
  w.file("ca.crt", ours.certificate);
  w.file("rest.crt", *net::issue(issuer == "ours" ? ours : others,
                                 {.common_name = "node-1", .days = 10, .server = true}, key,
                                 {now.us - days * day_us}));
  w.line("restapi:", fmt::format("restapi:\n  certfile: {0}/rest.crt\n  keyfile: {0}/rest.key\n"
                                 "  cafile: {0}/ca.crt",
                                 w.place.dir().string()));
  give_addresses(w);
}

const std::vector<Row> kRows = {
    // The file.
    {"missing_file", [](World& w) { w.config.clear(); }, {"node.yml", "no such file"}},
    {"empty_file", [](World& w) { w.config = "# nothing\n"; }, {"Config is empty.", "hint: "}},
    {"list_file", [](World& w) { w.config = "- a\n- b\n"; }, {"node.yml", "not a map"}},
    {"broken_yaml", [](World& w) { w.config = "a: [1\nb: 2\n"; }, {"node.yml", "line "}},
    // Keys.
    {"ill_typed",
     [](World& w) { w.append("watchdog: {safety_margin: soon}\n"); },
     {"watchdog.safety_margin", "must be a number of seconds", "node.yml", "hint: "}},
    {"boolean_for_text",
     [](World& w) { w.line("name:", "name: on"); },
     {"name: must be text", "node.yml", "quotes"}},
    {"no_listen",
     [](World& w) { w.line("  data_dir:", ""); },
     {"postgresql.data_dir is not defined", "node.yml"}},
    {"unknown_below_aurum",
     [](World& w) { w.append("  profil: fast\n"); },
     {"aurum.profil is not a known key", "node.yml", "Did you mean \"profile\"?"}},
    {"unknown_elsewhere_is_a_warning",
     [](World& w) {
       w.line("  pgpass:", "  pgpas: x");
       w.line("  data_dir:", fmt::format("  data_dir: {}/node.yml", w.place.dir().string()));
     },
     {"postgresql.data_dir", "is no directory"},
     {},
     {"postgresql.pgpas is not a known key", "Did you mean \"pgpass\"?"}},
    {"port_out_of_range",
     [](World& w) { w.line("  listen: 127", "  listen: 127.0.0.1:70000"); },
     {"restapi.listen", "70000", "node.yml"}},
    {"missing_password_file",
     [](World& w) {
       w.line("    superuser:",
              fmt::format("    superuser: {{username: postgres, password_file: {}/no}}",
                          w.place.dir().string()));
     },
     {"postgresql.authentication.superuser.password_file", "/no", "hint: "}},
    // Certificates.
    {"etcd_certificate",
     [](World& w) { w.line("  hosts:", "  hosts: ['https://127.0.0.1:1']\n  cacert: /no/ca.pem"); },
     {"cacert", "/no/ca.pem", "node.yml"}},
    {"rest_certificate",
     [](World& w) { w.line("restapi:", "restapi:\n  certfile: /no/server.pem"); },
     {"restapi", "certfile", "/no/server.pem", "node.yml"}},
    {"rest_certificate_is_none",
     [](World& w) {
       w.file("server.pem", "hello");
       w.line("restapi:",
              fmt::format("restapi:\n  certfile: {}/server.pem", w.place.dir().string()));
     },
     {"restapi", "server.pem", "PEM"}},
    {"expired_certificate",
     [](World& w) { rest_certificate(w, "ours", 20); },
     {"restapi.certfile", "/rest.crt ended on 20", "aurum certs renew", "node.yml"},
     {"--validate-config"}},
    {"certificate_of_another_authority",
     [](World& w) { rest_certificate(w, "others", 0); },
     {"restapi.certfile", "is not of the authority", "/ca.crt", "node.yml"},
     {"--validate-config"}},
    {"key_that_everybody_may_read",
     [](World& w) {
       rest_certificate(w, "ours", 0);
       fs::permissions(w.place.dir() / "rest.key", fs::perms(0644));
     },
     {"restapi.keyfile", "everybody on this machine may read", "chmod 0600", "node.yml"},
     {"--validate-config"}},
    // Who may do what.
    {"role_that_is_none",
     [](World& w) {
       w.append(fmt::format("  access: [{{role: boss, token_file: {}}}]\n",
                            secret_file(w, "token", "0123456789abcdef\n")));
     },
     {"aurum.access[1].role", "\"boss\" is no role", "viewer, operator, admin", "node.yml"}},
    {"missing_token",
     [](World& w) { w.append("  access: [{role: viewer, token_file: /no/token}]\n"); },
     {"aurum.access[1].token_file", "/no/token", "hint: "}},
    {"token_that_everybody_may_read",
     [](World& w) {
       const auto file = secret_file(w, "token", "0123456789abcdef\n");
       fs::permissions(file, fs::perms(0644));
       w.append(fmt::format("  access: [{{role: viewer, token_file: {}}}]\n", file));
     },
     {"aurum.access[1].token_file", "everybody on this host may read", "chmod 0640"}},
    {"token_of_two_roles",
     [](World& w) {
       w.append(fmt::format(
           "  access: [{{role: viewer, token_file: {0}}}, {{role: admin, token_file: {0}}}]\n",
           secret_file(w, "token", "0123456789abcdef\n")));
     },
     {"aurum.access[2].token_file", "listed twice"}},
    // Programs and directories.
    {"missing_programs",
     [](World& w) { w.line("  pgpass:", "  bin_dir: /no/bin"); },
     {"postgresql.bin_dir", "/no/bin/postgres", "hint: "}},
    {"strangers_in_the_data_directory",
     [](World& w) { w.file("data/letters.txt", "dear"); },
     {"postgresql.data_dir", "/data is not empty", "Nothing in it is overwritten"}},
    {"other_version",
     other_version,
     {"postgresql.data_dir", "was made by PostgreSQL 9", "postgresql.bin_dir", "pg_upgrade"}},
    {"readable_data_directory",
     [](World& w) {
       other_version(w);
       fs::permissions(w.data(), fs::perms(0755));
     },
     {"postgresql.data_dir", "mode 0755", "chmod 0700"}},
    {"data_directory_that_can_not_be_made",
     [](World& w) { w.line("  data_dir:", "  data_dir: /proc/no/data"); },
     {"postgresql.data_dir", "/proc/no/data can not be made"}},
    {"missing_config_dir",
     [](World& w) { w.line("  pgpass:", "  config_dir: /no/conf"); },
     {"postgresql.config_dir", "/no/conf"}},
    {"unwritable_pgpass",
     [](World& w) { w.line("  pgpass:", "  pgpass: /proc/pgpass"); },
     {"postgresql.pgpass", "/proc/pgpass can not be written"}},
    // Ports.
    {"busy_rest_port",
     [](World& w) { w.holder = std::make_unique<Listener>(w.rest); },
     {"restapi.listen: port ", "is in use by ", "ss -ltnp"}},
    {"busy_postgres_port",
     [](World& w) { w.holder = std::make_unique<Listener>(w.postgres); },
     {"postgresql.listen: port ", "is in use by ", "ss -ltnp"}},
    {"strange_address",
     [](World& w) { w.line("  listen: 127", "  listen: 203.0.113.7:18008"); },
     {"restapi.listen: this machine has no address 203.0.113.7"}},
    // --validate-config.
    {"validation_finds_the_busy_port",
     [](World& w) {
       w.holder = std::make_unique<Listener>(w.postgres);
       give_addresses(w);
     },
     {"postgresql.listen: port "},
     {"--validate-config"}},
};

class BadInput : public ::testing::TestWithParam<Row> {
 public:
  static void SetUpTestSuite() {
    etcd_ = std::make_unique<EtcdCluster>(dcs::testing::ClusterOptions{});
    etcd_->start_all();
    for (int i = 0; i < 200 && etcd_->ctl({"put", "/ready", "1"}) != 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  static void TearDownTestSuite() { etcd_.reset(); }

 protected:
  void SetUp() override {
    const auto ports = free_ports(2);
    world_.rest = ports[0];
    world_.postgres = ports[1];
    const std::string host = etcd_->config().hosts.at(0);
    world_.etcd = std::stoi(host.substr(host.rfind(':') + 1));
    world_.config = good_config(world_.place, world_.rest, world_.postgres, world_.etcd);
  }
  void write_config() {
    if (!world_.config.empty()) write_text(world_.place.config_file(), world_.config);
    world_.place.give();
  }
  static void put(const std::string& key, const std::string& value) {
    EXPECT_EQ(etcd_->ctl({"put", "/service/bad/" + key, value}), 0);
  }
  static void erase_all() { EXPECT_EQ(etcd_->ctl({"del", "--prefix", "/service/"}), 0); }
  /// Whether anything stands below /service/: etcdctl finds the key that a compare asks for.
  static std::string store() {
    const auto file = fs::temp_directory_path() / fmt::format("aurum-bad-keys-{}", ::getpid());
    dcs::testing::run_program({"env", "ETCDCTL_API=3", dcs::testing::etcd_program("etcdctl"),
                               "--endpoints", etcd_->config().hosts.at(0), "get", "--prefix", "/"},
                              file);
    std::ifstream in(file);
    std::ostringstream text;
    text << in.rdbuf();
    fs::remove(file);
    return text.str();
  }
  static std::unique_ptr<EtcdCluster> etcd_;
  World world_;
};
std::unique_ptr<EtcdCluster> BadInput::etcd_;

void expect_one_line(const Outcome& outcome, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  const auto errors = outcome.errors();
  ASSERT_EQ(errors.size(), 1U) << outcome.output;
  for (const auto& part : parts) EXPECT_THAT(errors[0], HasSubstr(part));
}

TEST_P(BadInput, GetsOneClearLineAndNothingIsChanged) {
  const Row& row = GetParam();
  row.break_it(world_);
  write_config();
  const Snapshot before = snapshot_of(world_.place.dir());
  const std::string keys = store();
  const Outcome outcome = world_.place.agent(row.options);
  expect_one_line(outcome, row.says);
  for (const auto& text : row.warns) EXPECT_THAT(outcome.output, HasSubstr(text));
  EXPECT_EQ(snapshot_of(world_.place.dir()), before);
  EXPECT_EQ(store(), keys);
}

INSTANTIATE_TEST_SUITE_P(Rows, BadInput, ::testing::ValuesIn(kRows),
                         [](const auto& info) { return std::string(info.param.name); });

/// What needs more than a row: a store with something in it, a server, another user.
class BadSurroundings : public BadInput {};
INSTANTIATE_TEST_SUITE_P(One, BadSurroundings, ::testing::Values(Row{"", {}, {}}));

TEST_P(BadSurroundings, UnreadableConfiguration) {
  if (!is_root()) GTEST_SKIP() << "only root can make a file that its user can not read";
  write_config();
  fs::permissions(world_.place.config_file(), fs::perms::owner_all);
  static_cast<void>(::chown(world_.place.config_file().c_str(), 0, 0));
  expect_one_line(world_.place.agent(), {"node.yml", "Permission denied", "hint: "});
}

TEST_P(BadSurroundings, RootIsRefused) {
  if (!is_root()) GTEST_SKIP() << "only root is root";
  write_config();
  expect_one_line(world_.place.agent({}, true), {"can not run as root", "sudo -u"});
}

TEST_P(BadSurroundings, AnotherUsersDataDirectory) {
  if (!is_root()) GTEST_SKIP() << "only root can make a directory of another user";
  write_config();
  fs::create_directory(world_.data());
  expect_one_line(world_.place.agent(), {"postgresql.data_dir", "belongs to root", "chown"});
}

TEST_P(BadSurroundings, AMemberOfTheSameNameThatAnswers) {
  write_config();
  put("members/node-1",
      fmt::format(
          R"({{"conn_url":"postgres://127.0.0.1:1/postgres","api_url":"http://127.0.0.1:{}/patroni",)"
          R"("state":"running","role":"replica","version":"4.1.4"}})",
          world_.etcd));  // etcd answers HTTP there, which is all that is asked
  const std::string keys = store();
  const Snapshot before = snapshot_of(world_.place.dir());
  expect_one_line(world_.place.agent(),
                  {"Can't start; there is already a node named 'node-1' running"});
  EXPECT_EQ(snapshot_of(world_.place.dir()), before);
  EXPECT_EQ(store(), keys);
  erase_all();
}

TEST_P(BadSurroundings, LoopbackAddressesBesideAMemberOfAnotherHost) {
  write_config();
  put("members/node-2",
      R"({"conn_url":"postgres://192.0.2.7:5432/postgres","api_url":"http://192.0.2.7:8008/patroni",)"
      R"("state":"running","role":"primary","version":"4.1.4"})");
  const Snapshot before = snapshot_of(world_.place.dir());
  expect_one_line(world_.place.agent(),
                  {"restapi.connect_address", "node-2 is on another host", "hint: "});
  EXPECT_EQ(snapshot_of(world_.place.dir()), before);
  erase_all();
}

/// A data directory made by hand, as `initdb` leaves it.
void make_data_directory(World& w) {
  const auto initdb = pg::find_pg_program(model::PgConfig{}, "initdb", 0);
  ASSERT_TRUE(initdb) << initdb.error().text();
  w.place.give();
  ASSERT_EQ(w.place.run({*initdb, "-D", w.data().string(), "-U", "postgres", "-A", "trust",
                         "--no-sync", "--no-instructions"}),
            0);
}

TEST_P(BadSurroundings, TheDataDirectoryOfAnotherCluster) {
  write_config();
  make_data_directory(world_);
  put("initialize", "7000000000000000001");
  const std::string keys = store();
  const Snapshot before = snapshot_of(world_.place.dir());
  expect_one_line(world_.place.agent(), {"system ID mismatch, node node-1 belongs to a different "
                                         "cluster: 7000000000000000001 != "});
  EXPECT_EQ(snapshot_of(world_.place.dir()), before);
  EXPECT_EQ(store(), keys);
  erase_all();
}

TEST_P(BadSurroundings, WrongCredentialsForEtcd) {
  EtcdCluster closed{dcs::testing::ClusterOptions{}};
  closed.start_all();
  for (int i = 0; i < 200 && closed.ctl({"user", "add", "root:right"}) != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_EQ(closed.ctl({"user", "grant-role", "root", "root"}), 0);
  ASSERT_EQ(closed.ctl({"auth", "enable"}), 0);
  world_.line("  hosts:", fmt::format("  hosts: ['{}']\n  username: root\n  password: wrong",
                                      closed.config().hosts.at(0)));
  write_config();
  const Snapshot before = snapshot_of(world_.place.dir());
  expect_one_line(world_.place.agent(), {"etcd", "username", "password"});
  EXPECT_EQ(snapshot_of(world_.place.dir()), before);
}

TEST_P(BadSurroundings, AStoreThatDoesNotAnswerIsWaitedForWithoutAFlood) {
  world_.line("  hosts:", fmt::format("  hosts: ['127.0.0.1:{}']", free_ports(1)[0]));
  write_config();
  ChildProcess agent = world_.place.start_agent();
  ASSERT_TRUE(world_.place.says("waiting on etcd: ")) << world_.place.output();
  std::this_thread::sleep_for(std::chrono::seconds(7));
  const std::string said = world_.place.output();
  int lines = 0;
  for (auto at = said.find("waiting on etcd"); at != std::string::npos;
       at = said.find("waiting on etcd", at + 1))
    ++lines;
  EXPECT_EQ(lines, 2) << said;
  EXPECT_LE(std::ranges::count(said, '\n'), 8) << said;
  agent.signal(SIGTERM);
  EXPECT_EQ(agent.wait(), 0);
  EXPECT_FALSE(fs::exists(world_.data()));
}

TEST_P(BadSurroundings, ANodeOfALoopbackClusterStartsWithoutNoise) {
  write_config();
  world_.holder.reset();
  put("initialize", "7000000000000000001");  // so that there is nothing to do but wait
  ChildProcess agent = world_.place.start_agent();
  ASSERT_TRUE(world_.place.says("waiting for leader to bootstrap")) << world_.place.output();
  EXPECT_THAT(world_.place.output(), ::testing::Not(HasSubstr("can not reach")));
  EXPECT_THAT(world_.place.output(), ::testing::Not(HasSubstr("ERROR")));
  agent.signal(SIGTERM);
  EXPECT_EQ(agent.wait(), 0);
  erase_all();
}

}  // namespace
}  // namespace aurum::bad_input
