#include "dcs/etcd/splitter.h"

#include <gtest/gtest.h>

namespace aurum::dcs::etcd {
namespace {

TEST(MessageSplitter, puts_messages_together_wherever_they_are_cut) {
  const std::vector<std::string> messages = {"one", "", std::string(300, 'x'),
                                             std::string("\0\1", 2)};
  std::string stream;
  for (const auto& message : messages) stream += frame_message(message);
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    MessageSplitter splitter(1024);
    std::vector<std::string> got;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      ASSERT_TRUE(splitter.feed(std::string_view(stream).substr(at, piece), got));
    }
    ASSERT_EQ(got, messages) << "cut every " << piece << " bytes";
    ASSERT_TRUE(splitter.at_boundary());
  }
}

TEST(MessageSplitter, knows_when_a_message_is_unfinished) {
  MessageSplitter splitter(1024);
  std::vector<std::string> got;
  ASSERT_TRUE(splitter.feed(frame_message("abc").substr(0, 7), got));
  EXPECT_TRUE(got.empty());
  EXPECT_FALSE(splitter.at_boundary());
}

TEST(MessageSplitter, refuses_a_large_message_by_its_length_alone) {
  MessageSplitter splitter(1024);
  std::vector<std::string> got;
  ASSERT_TRUE(splitter.feed(frame_message(std::string(1024, 'x')), got));
  const auto status = splitter.feed(std::string("\0\0\0\x04\x01", 5), got);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::protocol);
  EXPECT_NE(status.error().message.find("1025"), std::string::npos);
}

TEST(MessageSplitter, refuses_compression) {
  MessageSplitter splitter(1024);
  std::vector<std::string> got;
  EXPECT_FALSE(splitter.feed(std::string("\1\0\0\0\0", 5), got));
}

TEST(MessageSplitter, writes_the_length_big_endian) {
  EXPECT_EQ(frame_message(std::string(258, 'x')).substr(0, 5), std::string("\0\0\0\x01\x02", 5));
}

}  // namespace
}  // namespace aurum::dcs::etcd
