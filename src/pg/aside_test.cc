// What is kept of old data directories, as a table.
#include "pg/aside.h"

#include <vector>

#include <gtest/gtest.h>

namespace aurum::pg {
namespace {

struct Row {
  const char* what;
  std::vector<std::uintmax_t> copies;  ///< oldest first
  AsideRoom room;
  std::optional<std::size_t> dropped;
};

TEST(Aside, keeps_what_leaves_the_database_its_room) {
  const Row rows[] = {
      {"room enough", {}, {10, 500, 1000}, 0},
      {"one more beside a former one", {10}, {10, 500, 1000}, 0},
      {"never more than two", {10, 10}, {10, 500, 1000}, 1},
      {"as many as a former rule left", {10, 10, 10, 10}, {10, 500, 1000}, 3},
      {"room for the copy and no tenth beside it", {}, {100, 199, 1000}, std::nullopt},
      {"a small one on a disk that is nearly full", {}, {10, 20, 1000}, 0},
      {"just enough", {}, {100, 200, 1000}, 0},
      {"the former one has to go", {100}, {100, 150, 1000}, 1},
      {"the oldest is enough", {60, 60}, {100, 150, 1000}, 1},
      {"all have to go", {20, 60}, {100, 150, 1000}, 2},
      {"that is not enough either", {20, 20}, {100, 150, 1000}, std::nullopt},
      {"unknown disk", {}, {0, 0, 0}, 0},
  };
  for (const Row& row : rows)
    EXPECT_EQ(copies_to_drop(row.copies, row.room), row.dropped) << row.what;
}

}  // namespace
}  // namespace aurum::pg
