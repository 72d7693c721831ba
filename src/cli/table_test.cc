#include "cli/table.h"

#include <gtest/gtest.h>

namespace aurum::cli {
namespace {

TEST(Table, OverwritesTheTopRuleWithItsTitle) {
  Table table{" Cluster: demo ", {{"Member"}, {"TL", Align::right}}, {{{"node-0"}, {"1"}}}};
  EXPECT_EQ(render(table),
            "+ Cluster: dem+\n"
            "| Member | TL |\n"
            "+--------+----+\n"
            "| node-0 |  1 |\n"
            "+--------+----+\n");
  table.columns.push_back({"A longer column"});
  table.rows[0].push_back({"x"});
  EXPECT_EQ(render(table),
            "+ Cluster: demo ----------------+\n"
            "| Member | TL | A longer column |\n"
            "+--------+----+-----------------+\n"
            "| node-0 |  1 | x               |\n"
            "+--------+----+-----------------+\n");
}

TEST(Table, SeparatesRowsOnlyWhenACellHasSeveralLines) {
  Table table{"", {{"A", Align::right}, {"B"}}, {{{"1"}, {"x"}}, {{"22"}, {"y"}}}};
  EXPECT_EQ(render(table),
            "+----+---+\n|  A | B |\n+----+---+\n|  1 | x |\n| 22 | y |\n+----+---+\n");
  table.rows[1][1].text = "y\nlong";
  EXPECT_EQ(render(table),
            "+----+------+\n|  A | B    |\n+----+------+\n|  1 | x    |\n+----+------+\n"
            "| 22 | y    |\n|    | long |\n+----+------+\n");
}

TEST(Table, WithoutRowsIsAHeaderBetweenRules) {
  EXPECT_EQ(render({"", {{"TL"}}, {}}), "+----+\n| TL |\n+----+\n+----+\n");
}

TEST(Table, MeasuresCodePointsAndLeavesColourOutOfTheWidth) {
  const Table table{"", {{"N"}, {"S"}}, {{{"żółw"}, {"run", "\033[32m"}}}};
  EXPECT_EQ(render(table),
            "+------+-----+\n| N    | S   |\n+------+-----+\n| żółw | \033[32mrun\033[0m |\n"
            "+------+-----+\n");
}

}  // namespace
}  // namespace aurum::cli
