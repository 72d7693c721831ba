// The store is set up anew, and knows nothing of a cluster that has its data.
#include "support/cluster_test.h"
#include "support/scripts.h"

namespace aurum::tests {
namespace {

class LostStore : public ClusterTest {};

TEST_F(LostStore, a_cluster_comes_back_with_its_rows_its_identity_and_its_configuration) {
  const std::size_t lead = leader();
  ask(lead, "PATCH", "/config", R"({"ttl": 6, "postgresql": {"parameters": {"work_mem": "7MB"}}})",
      200);
  for (std::size_t i = 0; i < 3; ++i) {
    wait_for("the configuration on disk", [&] {
      return file_text(cluster().data_of(i) / "patroni.dynamic.json").find("7MB") !=
             std::string::npos;
    });
  }
  const std::string identity = need(get_key(cluster(), "initialize"));
  for (const std::size_t i : {(lead + 1) % 3, (lead + 2) % 3, lead}) need(cluster().stop_node(i));
  need(forget_cluster(cluster()));
  // Who was the primary, for nobody else may say what cluster this is.
  need(cluster().start_node(lead));
  EXPECT_EQ(leader(), lead);
  wait_for("the configuration in the store", [&] {
    return get_key(cluster(), "config").value_or("").find("7MB") != std::string::npos;
  });
  EXPECT_NE(need(get_key(cluster(), "config")).find("\"ttl\":6"), std::string::npos);
  EXPECT_EQ(need(get_key(cluster(), "initialize")), identity);
  for (const std::size_t i : {(lead + 1) % 3, (lead + 2) % 3}) need(cluster().start_node(i));
  settle_and_judge();
  EXPECT_EQ(sql(cluster(), (lead + 1) % 3, "SHOW work_mem").value_or("?"), "7MB");
}

}  // namespace
}  // namespace aurum::tests
