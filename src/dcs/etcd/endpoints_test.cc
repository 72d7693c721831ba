#include "dcs/etcd/endpoints.h"

#include <gtest/gtest.h>

namespace aurum::dcs::etcd {
namespace {

TEST(ParseEndpoint, reads_the_forms_people_write) {
  const std::vector<std::pair<std::string, Endpoint>> cases = {
      {"10.0.0.1:2379", {"10.0.0.1", 2379}},
      {"etcd-1:4001", {"etcd-1", 4001}},
      {"etcd-1", {"etcd-1", 2379}},
      {"[::1]:2380", {"::1", 2380}},
      {"[fe80::1]", {"fe80::1", 2379}},
      {"::1", {"::1", 2379}},
      {"http://etcd-1:2379", {"etcd-1", 2379}},
      {"https://etcd-1:2379/path", {"etcd-1", 2379}},
  };
  for (const auto& [text, expected] : cases) {
    const auto got = parse_endpoint(text);
    ASSERT_TRUE(got) << text;
    EXPECT_EQ(*got, expected) << text;
  }
  EXPECT_EQ((Endpoint{"::1", 2379}.text()), "[::1]:2379");
}

TEST(ParseEndpoint, names_what_it_can_not_read) {
  for (const char* text : {"", ":2379", "host:", "host:0", "host:70000", "host:http", "[::1",
                           "[::1]x", "[::1]:", "a b:1", "a,b:1", "user@host:1"}) {
    const auto got = parse_endpoint(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().code, Code::invalid);
    EXPECT_NE(got.error().message.find("'" + std::string(text) + "'"), std::string::npos);
  }
}

TEST(UsableAdvertised, leaves_out_what_can_not_be_reached_from_here) {
  const std::vector<std::string> urls = {"http://10.0.0.1:2379", "http://localhost:2379",
                                         "http://0.0.0.0:2379",  "https://10.0.0.2:2379",
                                         "http://[::]:2379",     "nonsense",
                                         "http://10.0.0.1:2379", "http://127.0.0.1:2379"};
  const std::vector<Endpoint> remote = {{"10.0.0.9", 2379}};
  EXPECT_EQ(usable_advertised(urls, "http", remote), (std::vector<Endpoint>{{"10.0.0.1", 2379}}));
  const std::vector<Endpoint> local = {{"127.0.0.1", 2379}};
  EXPECT_EQ(usable_advertised(urls, "http", local),
            (std::vector<Endpoint>{{"10.0.0.1", 2379}, {"localhost", 2379}, {"127.0.0.1", 2379}}));
}

TEST(EndpointList, stays_with_one_that_works_and_goes_round_when_it_fails) {
  EndpointList list({{"a", 1}, {"b", 1}, {"c", 1}});
  EXPECT_EQ(list.current().host, "a");
  list.worked();
  EXPECT_EQ(list.current().host, "a");
  EXPECT_FALSE(list.failed("x"));
  EXPECT_EQ(list.current().host, "b");
  list.worked();
  EXPECT_FALSE(list.failed("y"));
  EXPECT_EQ(list.current().host, "c");
  EXPECT_FALSE(list.failed("z"));
  EXPECT_EQ(list.current().host, "a");
  EXPECT_TRUE(list.failed("refused")) << "all three failed since b worked";
  EXPECT_EQ(list.failures(), "a:1 (refused), b:1 (y), c:1 (z)");
}

TEST(EndpointList, one_endpoint_is_a_round_of_its_own) {
  EndpointList list({{"a", 1}, {"a", 1}});
  EXPECT_EQ(list.size(), 1u);
  EXPECT_TRUE(list.failed("x"));
  EXPECT_EQ(list.current().host, "a");
}

TEST(EndpointList, advertised_ones_come_after_configured_ones_until_they_worked) {
  EndpointList list({{"a", 1}, {"b", 1}});
  list.worked();
  list.set_discovered({{"x", 1}, {"b", 1}});
  EXPECT_EQ(list.size(), 3u);
  list.failed("");
  EXPECT_EQ(list.current().host, "b");
  list.failed("");
  EXPECT_EQ(list.current().host, "x");
  list.worked();
  list.failed("");
  EXPECT_EQ(list.current().host, "a");
  list.failed("");
  EXPECT_EQ(list.current().host, "b");
}

TEST(EndpointList, keeps_the_configured_and_the_current_one_through_discovery) {
  EndpointList list({{"a", 1}});
  list.set_discovered({{"x", 1}, {"y", 1}});
  list.failed("");
  EXPECT_EQ(list.current().host, "x");
  list.set_discovered({});
  EXPECT_EQ(list.current().host, "x");
  EXPECT_EQ(list.size(), 2u);
  list.failed("");
  EXPECT_EQ(list.current().host, "a");
  list.set_discovered({});
  EXPECT_EQ(list.size(), 1u);
}

}  // namespace
}  // namespace aurum::dcs::etcd
