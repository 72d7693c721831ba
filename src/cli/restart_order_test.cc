#include "cli/restart_order.h"

#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

model::Member member(const std::string& name, const std::string& reason) {
  model::Member out;
  out.name = name;
  if (!reason.empty()) out.pending_restart_reason = model::parse_json(reason).value();
  return out;
}

/// a, b (the leader), c; all with the same reason.
std::string order_for(const std::string& reason, std::string* why = nullptr) {
  model::ClusterView view;
  view.leader = model::Leader{.name = "b"};
  const auto order =
      restart_order(view, {member("a", reason), member("b", reason), member("c", reason)});
  if (why != nullptr) *why = order.why;
  std::string names;
  for (const auto& one : order.members) names += one.name;
  return names;
}

TEST(RestartOrder,
     what_rises_rises_on_the_replicas_first_and_what_falls_falls_on_the_leader_first) {
  struct Case {
    const char* reason;
    const char* order;
    const char* in_why;
  };
  const Case cases[] = {
      {"", "acb", ""},
      {R"({"shared_buffers": {"old_value": "64MB", "new_value": "128MB"}})", "acb", ""},
      {R"({"max_connections": {"old_value": "100", "new_value": "120"}})", "acb",
       "max_connections rises"},
      {R"({"max_connections": {"old_value": "120", "new_value": "100"}})", "bac",
       "max_connections falls"},
      {R"({"max_wal_senders": {"old_value": "9", "new_value": "10"}})", "acb",
       "max_wal_senders rises"},
      {R"({"max_connections": {"old_value": "120", "new_value": "100"},
           "max_worker_processes": {"old_value": "8", "new_value": "16"}})",
       "acb", "they keep max_connections"},
      {R"({"max_connections": {"old_value": "120", "new_value": "many"}})", "acb", ""},
  };
  for (const Case& c : cases) {
    std::string why;
    EXPECT_EQ(order_for(c.reason, &why), c.order) << c.reason;
    EXPECT_NE(why.find(c.in_why), std::string::npos) << why;
    EXPECT_EQ(why.empty(), std::string(c.in_why).empty()) << why;
  }
}

TEST(RestartOrder, without_the_leader_among_them_members_keep_their_order) {
  model::ClusterView view;
  view.leader = model::Leader{.name = "b"};
  const std::string raised = R"({"max_connections": {"old_value": "1", "new_value": "2"}})";
  const auto order = restart_order(view, {member("c", raised), member("a", raised)});
  EXPECT_EQ(order.members.front().name, "c");
  EXPECT_TRUE(order.why.empty());
  EXPECT_FALSE(order.replicas_first);
}

}  // namespace
}  // namespace aurum::cli
