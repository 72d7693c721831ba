// The fence is loaded first, beside what the user has preloaded, and nothing in a file takes it
// out.
#include "pg/commit_fence.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pg/render.h"

namespace aurum::pg {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr const char* kInstalled = "$libdir/aurum_fence";

WantedSettings loaded(std::string library, std::string_view others) {
  WantedSettings wanted;
  wanted.file["shared_preload_libraries"] = std::string(others);
  load_fence(wanted, {std::move(library), "/run/lease", {.reads = true, .wait_s = 2}}, others);
  return wanted;
}

TEST(CommitFence, comes_before_what_the_user_preloads) {
  const struct {
    const char *others, *all;
  } cases[] = {
      {"", "$libdir/aurum_fence"},
      {"pg_stat_statements", "$libdir/aurum_fence, pg_stat_statements"},
      {" a ,\"b, c\",d", "$libdir/aurum_fence, a, \"b, c\", d"},
      // As a configuration that was written by us, or by a cautious user, says it.
      {"$libdir/aurum_fence, a", "$libdir/aurum_fence, a"},
      {"a,/old/aurum_fence.so", "$libdir/aurum_fence, a"},
      {"\"/o, ld/aurum_fence\"", "$libdir/aurum_fence"},
      {"aurum_fence_of_others", "$libdir/aurum_fence, aurum_fence_of_others"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(loaded(kInstalled, c.others).command_line["shared_preload_libraries"], c.all);
  EXPECT_EQ(loaded("/my, dir/aurum_fence.so", "a").command_line["shared_preload_libraries"],
            "\"/my, dir/aurum_fence.so\", a");
}

TEST(CommitFence, stands_on_the_command_line_and_in_the_file) {
  const auto wanted = loaded(kInstalled, "a");
  const auto arguments = postmaster_arguments("/d", "/d/postgresql.conf", wanted);
  EXPECT_THAT(arguments, ::testing::Contains("--shared_preload_libraries=$libdir/aurum_fence, a"));
  EXPECT_THAT(arguments, ::testing::Contains("--aurum.lease_page=/run/lease"));
  const auto conf = render_postgresql_conf(wanted, {"base", "/hba", "/ident"}, {});
  EXPECT_THAT(conf, HasSubstr("\nshared_preload_libraries = '$libdir/aurum_fence, a'\n"));
  EXPECT_THAT(conf, HasSubstr("\naurum.lease_page = '/run/lease'\n"));
  EXPECT_THAT(conf, HasSubstr("\naurum.fence_wait = '2s'\n"));
  EXPECT_THAT(conf, HasSubstr("\naurum.fence_reads = 'on'\n"));
}

TEST(CommitFence, a_running_server_without_it_waits_for_a_restart) {
  const auto wanted = loaded(kInstalled, "a");
  const RunningSetting without{"shared_preload_libraries", "a", "", "string", "a"};
  EXPECT_EQ(
      model::to_json(pending_restart_reason({without}, wanted)),
      R"({"shared_preload_libraries":{"old_value":"a","new_value":"$libdir/aurum_fence, a"}})");
  const RunningSetting with{"shared_preload_libraries", "$libdir/aurum_fence, a", "", "string", ""};
  EXPECT_TRUE(pending_restart_reason({with}, wanted).is_null());
}

TEST(CommitFence, is_found_where_the_server_has_its_libraries) {
  std::string name = "/tmp/aurum-fence-test-XXXXXX";
  const fs::path root = ::mkdtemp(name.data());
  const fs::path server = root / "15" / "bin" / "postgres";
  fs::create_directories(server.parent_path());
  fs::create_directories(root / "15" / "lib");
  std::ofstream(server) << "";
  auto none = find_fence_library({}, server);
  std::ofstream(root / "15" / "lib" / "aurum_fence.so") << "";
  auto installed = find_fence_library({}, server);
  auto named = find_fence_library(root / "15" / "lib" / "aurum_fence.so", server);
  auto wrong = find_fence_library(root / "other.so", server);
  fs::remove_all(root);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::not_found);
  EXPECT_EQ(installed.value_or(""), kInstalled);
  EXPECT_EQ(named.value_or(""), (root / "15" / "lib" / "aurum_fence.so").string());
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text(), HasSubstr("aurum.fence.library"));
}

}  // namespace
}  // namespace aurum::pg
