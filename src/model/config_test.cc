// patroni.yml: what is read, and that each mistake gets one line naming file, key and remedy (issue
// 2, bad input).
#include "model/config.h"

#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/testing/config_text.h"

namespace aurum::model {
namespace {

using testing::errors;
using ::testing::HasSubstr;
using testing::warnings;

constexpr std::string_view kMinimal = R"(
scope: demo
name: n1
restapi: {listen: "10.0.0.1:8008"}
etcd3: {hosts: "10.0.0.1:2379,10.0.0.2"}
postgresql:
  listen: 10.0.0.1:5432
  data_dir: /data/pg
  authentication:
    superuser: {username: postgres, password: secret}
    replication: {username: repl, password: '007', sslmode: require}
)";

/// The minimal file with more text behind it.
Loaded with(std::string_view more, Environment env = {}) {
  return parse_config(std::string(kMinimal) + std::string(more), env);
}

TEST(Config, MinimalFileGetsDefaults) {
  const Loaded loaded = with("", {{"HOME", "/home/pg"}});
  ASSERT_TRUE(loaded.config) << errors(loaded);
  EXPECT_TRUE(loaded.findings.empty()) << warnings(loaded);
  const LocalConfig& c = *loaded.config;
  EXPECT_EQ(c.ns, "/service");
  EXPECT_EQ(c.etcd.hosts, (std::vector<std::string>{"10.0.0.1:2379", "10.0.0.2:2379"}));
  EXPECT_EQ(c.rest.connect_address, "10.0.0.1:8008");
  EXPECT_EQ(c.pg.connect_address, "10.0.0.1:5432");
  EXPECT_EQ(c.pg.port(), 5432);
  EXPECT_EQ(c.pg.listen_addresses(), "10.0.0.1");
  EXPECT_EQ(c.pg.config_dir, "/data/pg");
  EXPECT_EQ(c.pg.pgpass, "/home/pg/pgpass");
  EXPECT_EQ(c.pg.replication.password, "007");
  EXPECT_EQ(c.pg.replication.options.at("sslmode"), "require");
  EXPECT_EQ(c.pg.rewind, c.pg.superuser);
  EXPECT_EQ(c.pg.create_replica_methods, std::vector<std::string>{"basebackup"});
  EXPECT_EQ(c.watchdog.mode, "automatic");
  EXPECT_FALSE(c.bootstrap.present);
  EXPECT_TRUE(c.tags.is_null());
}

TEST(Config, FullerFileIsRead) {
  const Loaded loaded = parse_config(R"(
namespace: /db/
scope: demo
name: n1
log: {type: json, level: DEBUG, dir: /var/log, file_size: 1MB, static_fields: {a: b}}
restapi:
  listen: "*:8008"
  connect_address: db1:8008
  authentication: {username: admin, password: "x"}
  certfile: /c
  keyfile: /k
  cafile: /ca
  verify_client: optional
  allowlist: [10.0.0.0/8, db2]
  http_extra_headers: {X-Frame-Options: SAMEORIGIN}
ctl: {insecure: on, cacert: /ca}
etcd3:
  hosts: ["https://[::1]", "h2:4"]
  username: u
  password: p
postgresql:
  listen: 10.0.0.1,127.0.0.1:5433
  connect_address: db1:5433
  data_dir: /d
  bin_name: {postgres: pg}
  parameters: {max_connections: 100, wal_level: replica}
  pg_hba: ["host all all all md5"]
  create_replica_methods: [backup, basebackup]
  backup: {command: /bin/backup, keep_data: true}
  basebackup: [{max-rate: 100M}]
  use_pg_rewind: yes
  pg_ctl_timeout: 2min
  authentication:
    superuser: {username: su, password: p}
    replication: {username: r}
    rewind: {username: rw}
  callbacks: {on_start: /bin/true}
bootstrap:
  dcs: {ttl: 30, postgresql: {use_slots: true, parameters: {a: 1}, callbacks: {}}}
  method: clone
  clone: {command: /bin/clone}
  initdb: [data-checksums, {encoding: UTF8}]
watchdog: {mode: off, safety_margin: -1}
tags: {nofailover: false, own: '1'}
aurum: {profile: fast, run_dir: /run/aurum, fence: {reads: on, wait: 2s, library: /f.so},
        disk: {low: 5%, critical: 1GB, ballast: 0, hand_over: off}}
)",
                                     {});
  ASSERT_TRUE(loaded.config) << errors(loaded);
  EXPECT_EQ(warnings(loaded), "");
  const LocalConfig& c = *loaded.config;
  EXPECT_EQ(c.etcd.hosts, (std::vector<std::string>{"[::1]:2379", "h2:4"}));
  EXPECT_EQ(c.etcd.protocol, "https");
  EXPECT_EQ(c.log.file_size, 1 << 20);
  EXPECT_EQ(c.rest.allowlist.size(), 2U);
  EXPECT_EQ(c.rest.http_extra_headers[0].second, "SAMEORIGIN");
  EXPECT_TRUE(c.ctl.insecure);
  EXPECT_EQ(c.ctl.tls.cafile, "/ca");
  EXPECT_EQ(c.pg.listen_addresses(), "10.0.0.1,127.0.0.1");
  EXPECT_EQ(c.pg.port(), 5433);
  EXPECT_EQ(c.pg.pg_ctl_timeout_s, 120);
  EXPECT_EQ(c.pg.use_pg_rewind, true);
  EXPECT_EQ(c.pg.remove_data_directory_on_rewind_failure, std::nullopt);
  EXPECT_EQ(c.pg.rewind.username, "rw");
  EXPECT_EQ(c.pg.methods.at({"backup", "keep_data"})->as_bool(), true);
  EXPECT_EQ(c.bootstrap.method, "clone");
  EXPECT_EQ(to_json(c.bootstrap.dcs.find("ttl")[0]), "30");
  EXPECT_EQ(c.watchdog.mode, "off");
  EXPECT_EQ(c.watchdog.safety_margin_s, -1);
  EXPECT_EQ(c.aurum.profile, "fast");
  EXPECT_TRUE(c.aurum.fence.commit);
  EXPECT_TRUE(c.aurum.fence.reads);
  EXPECT_EQ(c.aurum.fence.wait_s, 2);
  EXPECT_EQ(c.aurum.fence.library, "/f.so");
  EXPECT_EQ(c.aurum.disk.low, (DiskLimit{.percent = 5}));
  EXPECT_EQ(c.aurum.disk.critical, (DiskLimit{.bytes = 1 << 30}));
  EXPECT_EQ(c.aurum.disk.ballast, 0U);
  EXPECT_FALSE(c.aurum.disk.hand_over);
  EXPECT_EQ(to_json(c.tags), R"({"nofailover":false,"own":"1"})");
}

TEST(Config, MissingKeysAreNamedAllAtOnce) {
  const Loaded loaded = parse_config("log: {level: INFO}\n", {}, ConfigUse::agent, "/etc/p.yml");
  EXPECT_FALSE(loaded.config);
  for (const char* key : {"name", "scope", "restapi.listen", "postgresql.listen",
                          "postgresql.data_dir", "etcd3.hosts"})
    EXPECT_THAT(errors(loaded), HasSubstr(std::string(key) + " is not defined (in /etc/p.yml)"));
  EXPECT_THAT(errors(parse_config("", {})), HasSubstr("Config is empty."));
  EXPECT_THAT(errors(parse_config("[1]", {})), HasSubstr("it holds a list, not a map"));
  EXPECT_THAT(errors(parse_config("a: [", {}, ConfigUse::agent, "p.yml")),
              HasSubstr("invalid config file p.yml: line 1, column"));
}

TEST(Config, IllTypedKeysAreErrors) {
  struct Case {
    const char *more, *line;
  };
  for (const auto& c : {
           Case{"log: {file_num: many}", "log.file_num: must be an integer, not \"many\""},
           Case{"log: 7", "log: must be a map, not the integer 7"},
           Case{"tags: [a]", "tags: must be a map, not a list"},
           Case{"ctl: {insecure: maybe}", "ctl.insecure: must be a boolean"},
           Case{"namespace: on", "namespace: must be text, not the boolean true"},
           Case{"ctl: {authentication: {password: {a: 1}}}", "password: must be text, not a map"},
           Case{"bootstrap: {dcs: {ttl: soon}}", "bootstrap.dcs.ttl: must be a number of seconds"},
           Case{"bootstrap: {pg_hba: text}", "bootstrap.pg_hba: must be a list"},
           Case{"bootstrap: {method: x}", "bootstrap.method: there is no section bootstrap.x"},
           Case{"bootstrap: {initdb: [{pwfile: x}]}", "the option \"pwfile\" is not allowed"},
           Case{"watchdog: {mode: perhaps}", "watchdog.mode: \"perhaps\" is none of"},
           Case{"log: {type: xml}", "log.type: \"xml\" is none of the possible values"},
           Case{"aurum: {profile: faster}", "Use one of: fast, default, patroni."},
           Case{"aurum: {profil: fast}",
                "aurum.profil is not a known key (in patroni.yml) (hint: Did you "
                "mean \"profile\"?)"},
           Case{"aurum: {xyzzy_q: 1}",
                "Known keys here: profile, run_dir, fence, routing, access, disk, backup."},
           Case{"aurum: {fence: {read: on}}", "aurum.fence.read is not a known key"},
           Case{"aurum: {fence: {wait: 2h}}", "aurum.fence.wait: 7200 is not between 0 and 3600"},
           Case{"aurum: {fence: {library: fence.so}}", "aurum.fence.library: must be"},
           Case{"aurum: {disk: {low: 20}}", "aurum.disk.low: \"20\" is no size"},
           Case{"aurum: {disk: {critical: 110%}}", "Write it as 10% or 20GB."},
           Case{"aurum: {disk: {ballast: 3%}}", "aurum.disk.ballast is a share"},
           Case{"consul: {host: x}", "consul is not supported yet"},
           Case{"citus: {group: 0, database: d}", "citus is not supported yet"},
           Case{"name: a/b", "name: must not contain \"/\""},
           Case{"watchdog: {safety_margin: -7}", "-7 is not between -1 and"},
       }) {
    const Loaded loaded = with(c.more);
    EXPECT_FALSE(loaded.config) << c.more;
    EXPECT_THAT(errors(loaded), HasSubstr(c.line)) << c.more;
  }
}

/// Of a file that says nothing wrong but what it names.
TEST(Config, EachOtherStoreAndCitusGetOneLine) {
  const std::string_view etcd = "etcd3: {hosts: \"10.0.0.1:2379,10.0.0.2\"}\n";
  std::string without(kMinimal);
  without.erase(without.find(etcd), etcd.size());
  for (const std::string store : {"consul", "zookeeper", "exhibitor", "raft", "kubernetes"}) {
    const std::string line = store +
                             " is not supported yet (in patroni.yml) (hint: Use etcd3, or "
                             "stay with Patroni for this cluster.)\n";
    EXPECT_EQ(errors(parse_config(without + store + ": {hosts: x}\n", {})), line);
    EXPECT_EQ(errors(with(store + ": {hosts: x}\n")), line);
    std::string variable = "PATRONI_" + store + "_HOST";
    for (char& c : variable) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_THAT(errors(parse_config(without, {{variable, "x"}})),
                AllOf(HasSubstr(store + " is not supported yet"), Not(HasSubstr("etcd3.hosts"))));
  }
  EXPECT_EQ(errors(with("citus: {group: 0, database: d}\n")),
            "citus is not supported yet (in patroni.yml) (hint: Remove it, or stay with Patroni "
            "for this cluster.)\n");
}

TEST(Config, EtcdIsFoundInEveryWayOfPatroni) {
  const std::string_view etcd = "etcd3: {hosts: \"10.0.0.1:2379,10.0.0.2\"}\n";
  std::string without(kMinimal);
  without.erase(without.find(etcd), etcd.size());
  const auto read = [&](const std::string& section) {
    const Loaded loaded = parse_config(without + section + "\n", {});
    EXPECT_TRUE(loaded.config) << section << errors(loaded);
    return loaded.config ? loaded.config->etcd : EtcdConfig{};
  };
  using Hosts = std::vector<std::string>;
  EXPECT_EQ(read("etcd3: {host: 'a:1'}").hosts, (Hosts{"a:1"}));
  EXPECT_EQ(read("etcd3: {hosts: 'a:1, b'}").hosts, (Hosts{"a:1", "b:2379"}));
  EXPECT_EQ(read("etcd3: {hosts: ['a:1', '[::1]:2']}").hosts, (Hosts{"a:1", "[::1]:2"}));
  const auto url = read("etcd3: {url: 'https://a:1'}");
  EXPECT_EQ(url.hosts, (Hosts{"a:1"}));
  EXPECT_EQ(url.protocol, "https");
  const auto proxy = read("etcd3: {proxy: 'http://a:1'}");
  EXPECT_EQ(proxy.hosts, (Hosts{"a:1"}));
  EXPECT_TRUE(proxy.use_proxies);
  EXPECT_EQ(read("etcd3: {hosts: a, protocol: https}").protocol, "https");
  for (const char* key : {"srv", "discovery_srv", "srv_domain"}) {
    const auto srv = read(std::string("etcd3: {") + key + ": example.org, srv_suffix: foo}");
    EXPECT_TRUE(srv.hosts.empty());
    EXPECT_EQ(srv.srv, "example.org");
    EXPECT_EQ(srv.srv_suffix, "foo");
  }
}

TEST(Config, UnknownKeysAreWarningsWithTheNearestName) {
  const Loaded loaded = with("watchdog: {devise: /x}\nlogg: {}\nbootstrap: {dcs: {loopwait: 3}}\n");
  ASSERT_TRUE(loaded.config) << errors(loaded);
  EXPECT_THAT(warnings(loaded), HasSubstr("watchdog.devise is not a known key and is ignored"));
  EXPECT_THAT(warnings(loaded), HasSubstr("Did you mean \"device\"?"));
  EXPECT_THAT(warnings(loaded), HasSubstr("Did you mean \"log\"?"));
  EXPECT_THAT(warnings(loaded), HasSubstr("bootstrap.dcs.loopwait"));
  EXPECT_THAT(warnings(loaded), HasSubstr("Did you mean \"loop_wait\"?"));
  EXPECT_EQ(warnings(with("tags: {anything: 1}\nlog: {loggers: {x: INFO}}\n")), "");
}

TEST(Config, EtcdSectionIsReadWithAWarning) {
  std::string text(kMinimal);
  text.replace(text.find("etcd3"), 5, "etcd");
  const Loaded loaded = parse_config(text, {});
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->etcd.hosts.size(), 2U);
  EXPECT_THAT(warnings(loaded), HasSubstr("etcd is read as etcd3"));
  EXPECT_EQ(warnings(with("etcd: {host: other}")), "");
}

TEST(Config, AdvertisedAddressesThatOthersCanNotReachAreWarningsWhereThereAreOthers) {
  const auto warned = [](std::string_view etcd, std::string_view rest, std::string_view pg) {
    std::string text =
        "{scope: s, name: n, restapi: {listen: '*:8008', connect_address: 'REST:8008'}, "
        "etcd3: {host: ETCD}, postgresql: {listen: ':5432', connect_address: 'PG:5432', "
        "data_dir: /d, authentication: {replication: {username: r}}}}";
    text.replace(text.find("REST"), 4, rest);
    text.replace(text.find("ETCD"), 4, etcd);
    text.replace(text.find("PG"), 2, pg);
    const Loaded loaded = parse_config(text, {});
    EXPECT_TRUE(loaded.config) << errors(loaded);
    return warnings(loaded);
  };
  EXPECT_EQ(warned("127.0.0.1", "localhost", "127.0.0.1"), "");  // all on one host
  EXPECT_EQ(warned("10.0.0.9", "10.0.0.1", "db1"), "");
  const std::string both = warned("10.0.0.9", "localhost", "127.0.0.1");
  EXPECT_THAT(both, HasSubstr("restapi.connect_address: other hosts can not reach"));
  EXPECT_THAT(both, HasSubstr("postgresql.connect_address: other hosts can not reach"));
  // Reached by luck on one host, and never elsewhere.
  EXPECT_THAT(warned("127.0.0.1", "0.0.0.0", "127.0.0.1"),
              HasSubstr("restapi.connect_address: other hosts can not reach"));
}

TEST(Config, LoopbackAndWildcardAddressesAreKnown) {
  for (std::string_view host : {"", "*", "0.0.0.0", "::", "[::]", "localhost", "127.0.0.5", "::1"})
    EXPECT_TRUE(is_wildcard_or_loopback(host)) << host;
  for (std::string_view host : {"10.0.0.1", "db1", "127.example.org", "fe80::1"})
    EXPECT_FALSE(is_wildcard_or_loopback(host)) << host;
}

TEST(Config, EnvironmentOverridesTheFile) {
  const Loaded loaded = with("", {{"PATRONI_NAME", "n9"},
                                  {"PATRONI_ETCD3_HOSTS", "'a:1', b:2"},
                                  {"PATRONI_RESTAPI_ALLOWLIST", "[x, y]"},
                                  {"PATRONI_LOG_STATIC_FIELDS", "app: db, n: 1"},
                                  {"PATRONI_LOGLEVEL", "ERROR"},
                                  {"PATRONI_SUPERUSER_PASSWORD", "from_env"},
                                  {"PATRONI_REPLICATION_SSLMODE", "verify-full"},
                                  {"PATRONI_POSTGRESQL_BIN_INITDB", "initdb15"},
                                  {"PATRONI_RESTAPI_USERNAME", "u"},
                                  {"PATRONI_RESTAPI_PASSWORD", "p"},
                                  {"PATRONI_CTL_INSECURE", "on"},
                                  {"PATRONI_SCOP", "typo"},
                                  {"HOME", "/h"}});
  ASSERT_TRUE(loaded.config) << errors(loaded);
  const LocalConfig& c = *loaded.config;
  EXPECT_EQ(c.name, "n9");
  EXPECT_EQ(c.etcd.hosts, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(c.rest.allowlist, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(to_json(c.log.static_fields), R"({"app":"db","n":1})");
  EXPECT_EQ(c.log.level, "ERROR");
  EXPECT_EQ(c.pg.superuser.username, "postgres");
  EXPECT_EQ(c.pg.superuser.password, "from_env");
  EXPECT_EQ(c.pg.replication.options.at("sslmode"), "verify-full");
  EXPECT_EQ(c.pg.bin_name.at("initdb"), "initdb15");
  EXPECT_EQ(c.rest.username, "u");
  EXPECT_TRUE(c.ctl.insecure);
  EXPECT_THAT(warnings(loaded), HasSubstr("Did you mean \"PATRONI_SCOPE\"?"));
  EXPECT_THAT(errors(with("", {{"PATRONI_KUBERNETES_NAMESPACE", "x"}})),
              HasSubstr("kubernetes is not supported yet"));
}

TEST(Config, WholeConfigurationInOneVariableShutsOutTheOthers) {
  const Environment env = {{"PATRONI_CONFIGURATION", std::string(kMinimal)},
                           {"PATRONI_NAME", "n9"}};
  const Loaded loaded = load_config("", env);
  ASSERT_TRUE(loaded.config) << errors(loaded);
  EXPECT_EQ(loaded.config->name, "n1");
  EXPECT_THAT(errors(load_config("", {})), HasSubstr("Config is empty."));
}

TEST(Config, CtlNeedsLess) {
  EXPECT_TRUE(parse_config("scope: demo\netcd3: {host: h}\n", {}, ConfigUse::ctl).config);
  EXPECT_TRUE(load_config("", {}, ConfigUse::ctl).config);
  EXPECT_FALSE(parse_config("log: 7", {}, ConfigUse::ctl).config);
}

/// A directory that goes away with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aurum_config_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string write(const char* name, std::string_view text) const {
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(ConfigFiles, DirectoryIsMergedInOrder) {
  const TemporaryDirectory dir;
  dir.write("b.yaml", "name: second\nlog: {level: DEBUG}\n");
  dir.write("a.yml", kMinimal);
  dir.write("c.txt", "name: not read\n");
  const Loaded loaded = load_config(dir.path(), {});
  ASSERT_TRUE(loaded.config) << errors(loaded);
  EXPECT_EQ(loaded.config->name, "second");
  EXPECT_EQ(loaded.config->scope, "demo");

  const std::string bad = dir.write("d.yml", "a: {");
  EXPECT_THAT(errors(load_config(dir.path(), {})), HasSubstr("invalid config file " + bad));
  EXPECT_THAT(errors(load_config(dir.path() / "nothing.yml", {})),
              HasSubstr("invalid config path"));
}

TEST(ConfigFiles, PasswordsComeFromFiles) {
  const TemporaryDirectory dir;
  const std::string secret = dir.write("pw", "s3cret \n");
  const Loaded loaded =
      with("ctl: {authentication: {username: u, password_file: " + secret + "}}\n",
           {{"PATRONI_ETCD3_PASSWORD_FILE", secret}});
  ASSERT_TRUE(loaded.config) << errors(loaded);
  EXPECT_EQ(loaded.config->ctl.password, "s3cret ");
  EXPECT_EQ(loaded.config->etcd.password, "s3cret ");
  EXPECT_EQ(warnings(loaded), "");

  EXPECT_THAT(errors(with("ctl: {authentication: {password_file: /no/such}}")),
              HasSubstr("ctl.authentication.password_file: cannot read /no/such: No such file"));
  EXPECT_THAT(errors(with("ctl: {authentication: {password: x, password_file: " + secret + "}}")),
              HasSubstr("is set together with ctl.authentication.password"));
  EXPECT_THAT(errors(with("ctl: {authentication: {password_file: " + dir.write("e", "\n") + "}}")),
              HasSubstr("is empty"));
}

TEST(ListenAddresses, AreParsed) {
  struct Case {
    const char *text, *hosts;
    int port;
  };
  for (const auto& c :
       {Case{"10.0.0.1:5433", "10.0.0.1", 5433}, Case{"a,b:1", "a,b", 1}, Case{"[::1]:5", "::1", 5},
        Case{"[::1]", "::1", 9}, Case{"::1", "::1", 9}, Case{"h", "h", 9}, Case{":7", "", 7},
        Case{"*:7", "*", 7}, Case{"10.0.0.1, [::1]:7", "10.0.0.1,::1", 7}, Case{"", "", 9}}) {
    const auto parsed = parse_listen(c.text, 9);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(parsed->hosts, c.hosts) << c.text;
    EXPECT_EQ(parsed->port, c.port) << c.text;
  }
  for (const char* bad : {"h:", "h:x", "h:0", "h:65536", "[::1]x:5", "h:-1"})
    EXPECT_FALSE(parse_listen(bad, 9)) << bad;
}

}  // namespace
}  // namespace aurum::model
