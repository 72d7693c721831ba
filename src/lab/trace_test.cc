#include "lab/trace.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "lab/report.h"

namespace aurum::lab {
namespace {

class TraceFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "aurum-trace-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string file() const { return folder_ / "trace"; }
  void put(const std::string& text) { std::ofstream(file()) << text; }

 private:
  std::filesystem::path folder_;
};

TEST_F(TraceFile, is_read_as_it_was_written_and_tells_of_every_node) {
  sim::RunOptions options{.seed = 7,
                          .profile = *sim::parse_profile("sync-fast-3"),
                          .faults = *sim::parse_faults("default"),
                          .trace = true};
  const sim::RunResult result = sim::run(options);
  ASSERT_TRUE(write_trace(file(), options, result));
  const auto trace = read_trace(file());
  ASSERT_TRUE(trace) << trace.error().text();
  EXPECT_EQ(trace->entries.size(), result.trace.size());
  EXPECT_EQ(trace->nodes(), (std::vector<std::string>{"n1", "n2", "n3"}));
  EXPECT_EQ(trace->replay, "aurum sim --seed 7 --profile sync-fast-3 --faults default");
  EXPECT_NE(story_text(*trace).find("THE LEADER IS"), std::string::npos);
  EXPECT_NE(story_html(*trace).find("class=lane><b>n3"), std::string::npos);
}

TEST_F(TraceFile, of_another_form_or_none_is_refused_in_one_line) {
  put("{\"aurum_trace\":99}\n");
  EXPECT_NE(read_trace(file()).error().message.find("a trace of form 99"), std::string::npos);
  put("hello\n");
  EXPECT_NE(read_trace(file()).error().message.find("no trace"), std::string::npos);
  put("{\"aurum_trace\":1,\"us\":5}\n{\"kind\":\"nonsense\",\"us\":1}\n");
  EXPECT_NE(read_trace(file()).error().message.find("line 2"), std::string::npos);
}

TEST(Replay, names_everything_that_differs_from_the_usual) {
  const sim::RunOptions options{.seed = 3,
                                .profile = *sim::parse_profile("async"),
                                .faults = *sim::parse_faults("storm"),
                                .faulty = seconds(120),
                                .without = {1, 4}};
  EXPECT_EQ(replay_command(options),
            "aurum sim --seed 3 --profile async --faults storm --minutes 2 --without 1,4");
}

}  // namespace
}  // namespace aurum::lab
