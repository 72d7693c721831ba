#include "stack/plan.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "base/testing/temp_dir.h"
#include "stack/config.h"
#include "stack/rest.h"
#include "stack/terminal.h"

namespace aurum::stack {
namespace {

TEST(Plan, the_default_ports_are_those_users_expect) {
  const auto plan = default_plan("/x");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->nodes[2].postgres_port, 5434);
  EXPECT_EQ(plan->nodes[2].rest_port, 8010);
  EXPECT_EQ(plan->etcds[0].client_port, 2379);
  EXPECT_EQ(plan->etcds[2].peer_port, 2384);
  EXPECT_TRUE(check(*plan));
}

TEST(Plan, survives_its_file) {
  auto plan = default_plan("/x", 5, 20000);
  ASSERT_TRUE(plan);
  plan->agent = {"patroni"};
  plan->sync = "quorum";
  plan->overrides = R"({"aurum":{"profile":"fast"}})";
  plan->nodes[1].network_namespace = "lab-2";
  const auto again = plan_from_json(to_json(*plan), "/x");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(to_json(*again), to_json(*plan));
}

TEST(Plan, a_broken_file_is_one_error) {
  EXPECT_FALSE(plan_from_json("{", "/x"));
  EXPECT_FALSE(plan_from_json(R"({"aurum_stack": 2})", "/x"));
  EXPECT_FALSE(plan_from_json(R"({"aurum_stack": 1, "ttl": "x"})", "/x"));
}

TEST(Plan, refuses_what_cannot_work) {
  EXPECT_FALSE(default_plan("/x", 0));
  EXPECT_FALSE(default_plan("/x", 8));
  EXPECT_FALSE(default_plan("/x", 3, 80));
  auto plan = default_plan("/x").value();
  plan.ttl = 1;
  EXPECT_FALSE(check(plan));
  plan.ttl = 5;
  plan.sync = "maybe";
  EXPECT_FALSE(check(plan));
  plan.sync = "off";
  plan.nodes[0].rest_port = plan.nodes[1].postgres_port;
  EXPECT_FALSE(check(plan));
  plan = default_plan("/x").value();
  plan.overrides = "[1]";
  EXPECT_FALSE(check(plan));
}

TEST(Plan, timing_keeps_the_rule_of_the_time_to_live) {
  for (int ttl = 2; ttl <= 60; ++ttl) {
    Plan plan;
    set_ttl(plan, ttl);
    EXPECT_LE(plan.loop_wait + 2 * plan.retry_timeout, std::max(ttl, 3)) << ttl;
    EXPECT_GE(plan.retry_timeout, 1);
  }
}

TEST(Plan, an_agent_brings_its_times) {
  const auto named = [](const std::string& name) {
    Plan plan;
    EXPECT_TRUE(set_agent(plan, name)) << name;
    return plan;
  };
  const Plan fastest = named("patroni"), shipped = named("patroni@default");
  EXPECT_EQ(fastest.agent, shipped.agent);
  EXPECT_EQ(fastest.ttl, 20);
  EXPECT_EQ(shipped.ttl, 30);
  EXPECT_EQ(shipped.loop_wait, 10);
  EXPECT_EQ(shipped.retry_timeout, 10);
  EXPECT_TRUE(shipped.overrides.empty());
  EXPECT_EQ(named("aurum").ttl, 5);
  EXPECT_EQ(named("aurum@fast").ttl, 30);
  Plan plan;
  EXPECT_FALSE(set_agent(plan, "aurum@quickest"));
  ASSERT_TRUE(set_profile(plan, "fast"));
  EXPECT_EQ(plan.overrides, R"({"aurum":{"profile":"fast"}})");
  ASSERT_TRUE(set_agent(plan, "patroni"));
  EXPECT_EQ(set_profile(plan, "fast").error().message, "patroni has no profiles");
}

TEST(Plan, free_ports_are_all_different) {
  const auto ports = free_ports(40);
  ASSERT_TRUE(ports);
  EXPECT_EQ(std::set<std::uint16_t>(ports->begin(), ports->end()).size(), 40U);
  for (const auto port : *ports) EXPECT_FALSE(port_busy("127.0.0.1", port));
}

TEST(Plan, data_is_served_by_its_own_version_or_by_none) {
  aurum::testing::TempDir dir;
  Plan plan = default_plan(dir.path()).value();
  const auto newest = find_postgres_bin_dir(plan);
  if (!newest) GTEST_SKIP() << newest.error().text();
  std::filesystem::create_directories(dir / "data/node-2");
  std::ofstream(dir / "data/node-2/PG_VERSION") << "9.6\n";
  auto found = find_postgres_bin_dir(plan);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().text(),
            "the data in " + dir.path().string() +
                " is of PostgreSQL 9.6, which is not installed (hint: apt-get install "
                "postgresql-9.6.)");
  plan.postgres_bin_dir = *newest;
  found = find_postgres_bin_dir(plan);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::invalid);
  const auto version = program_version(*newest + "/postgres");
  std::ofstream(dir / "data/node-2/PG_VERSION") << version.substr(0, version.find('.')) << "\n";
  EXPECT_EQ(find_postgres_bin_dir(plan).value(), *newest);
  plan.postgres_bin_dir.clear();
  EXPECT_EQ(find_postgres_bin_dir(plan).value(), *newest);
}

TEST(Config, strings_that_yaml_would_take_for_something_else_are_quoted) {
  const auto yaml = json_to_yaml(
      R"({"a":"on","b":"012","c":"plain-word","d":true,"e":["x",{"k":"v"},{}],"f":{},"g":"a: b #c","h":"12:30","i":null,"j":"","k":[{"m":1,"p":2}]})");
  ASSERT_TRUE(yaml);
  EXPECT_EQ(*yaml,
            "a: \"on\"\nb: \"012\"\nc: plain-word\nd: true\ne:\n  - x\n  - k: v\n  - {}\nf: {}\ng: "
            "\"a: b #c\"\n"
            "h: \"12:30\"\ni: null\nj: \"\"\nk:\n  -\n    m: 1\n    p: 2\n");
  EXPECT_FALSE(json_to_yaml("[1]"));
}

TEST(Config, overrides_are_merged_and_the_sync_mode_is_written) {
  auto plan = default_plan("/base").value();
  plan.sync = "strict";
  plan.overrides = R"({"tags":{"nofailover":true},"postgresql":{"pg_hba":null}})";
  const auto yaml = agent_config(plan, Secrets{"s", "r", "w", "t", "k"}, 1, {"/pg/bin", ""});
  ASSERT_TRUE(yaml);
  for (const char* part :
       {"name: node-2\n", "synchronous_mode_strict: true\n", "nofailover: true\n",
        "listen: \"127.0.0.1:5433\"\n", "data_dir: /base/data/node-2\n", "bin_dir: /pg/bin\n"}) {
    EXPECT_NE(yaml->find(part), std::string::npos) << part << *yaml;
  }
  EXPECT_EQ(yaml->find("pg_hba"), std::string::npos);
}

TEST(Config, a_node_under_another_agent_has_no_section_of_ours) {
  auto plan = default_plan("/base").value();
  ASSERT_TRUE(set_profile(plan, "fast"));
  plan.nodes[1].agent = std::vector<std::string>{"patroni"};
  const auto text = [&](std::size_t node) {
    return agent_config(plan, Secrets{"s", "r", "w", "t", "k"}, node, {"/pg/bin", "/f.so"}).value();
  };
  EXPECT_NE(text(0).find("\naurum:\n"), std::string::npos);
  EXPECT_EQ(text(1).find("\naurum:\n"), std::string::npos) << text(1);
}

TEST(Config, with_tls_every_link_has_its_certificates) {
  auto plan = default_plan("/base").value();
  plan.tls = true;
  const auto yaml = agent_config(plan, Secrets{"s", "r", "w", "t", "k"}, 0, {"/pg/bin", ""});
  ASSERT_TRUE(yaml);
  for (const char* part :
       {"certfile: /base/certs/node-1/rest.crt\n", "protocol: https\n", "ssl: \"on\"\n",
        "hostnossl all all 127.0.0.1/32 reject", "clientcert=verify-ca",
        "sslkey: /base/certs/node-1/replication.key\n", "sslmode: verify-full\n"}) {
    EXPECT_NE(yaml->find(part), std::string::npos) << part << *yaml;
  }
  const auto etcd = etcd_arguments(plan, Secrets{"s", "r", "w", "t", "k"}, 1);
  const auto has = [&](const std::string& word) {
    return std::ranges::find(etcd, word) != etcd.end();
  };
  EXPECT_TRUE(has("https://127.0.0.1:2381") && has("--client-cert-auth") &&
              has("/base/certs/etcd-2/peer.key"));
  EXPECT_EQ(connection_string(plan, Access::any),
            "postgresql://postgres@127.0.0.1:5432,127.0.0.1:5433,127.0.0.1:5434/postgres?"
            "sslmode=verify-full&sslrootcert=/base/certs/node-1/ca.crt");
  EXPECT_TRUE(plan_from_json(to_json(plan), "/base")->tls);
}

TEST(Config, secrets_are_long_different_and_survive_their_file) {
  const auto one = make_secrets();
  const auto two = make_secrets();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->superuser.size(), 24U);
  EXPECT_NE(one->superuser, two->superuser);
  EXPECT_NE(one->superuser, one->replication);
  EXPECT_EQ(secrets_from_json(to_json(*one))->rest, one->rest);
  EXPECT_FALSE(secrets_from_json("{}"));
}

TEST(Rest, base64_both_ways) {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    EXPECT_EQ(from_base64(base64(text)).value(), text);
  }
  EXPECT_EQ(base64("foob"), "Zm9vYg==");  // RFC 4648 §10
  EXPECT_FALSE(from_base64("a b"));
}

TEST(Rest, replies_are_read_by_length_by_chunks_and_to_the_end) {
  const auto plain = parse_http_reply("HTTP/1.0 503 Service Unavailable\r\nServer: x\r\n\r\nbody");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->status, 503);
  EXPECT_EQ(plain->body, "body");
  EXPECT_EQ(parse_http_reply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokrest")->body, "ok");
  EXPECT_EQ(
      parse_http_reply(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
          ->body,
      "abcde");
}

TEST(Rest, a_broken_reply_is_an_error) {
  for (const char* wire :
       {"", "hello", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"}) {
    EXPECT_FALSE(parse_http_reply(wire)) << wire;
  }
}

TEST(Terminal, columns_are_as_wide_as_their_widest_cell) {
  EXPECT_EQ(table({{"A", "BB"}, {"long", ""}, {"é", "x"}}, ""), "A     BB\nlong\né     x\n");
}

}  // namespace
}  // namespace aurum::stack
