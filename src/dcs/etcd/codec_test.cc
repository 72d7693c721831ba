#include "dcs/etcd/codec.h"

#include <gtest/gtest.h>

namespace aurum::dcs::etcd {
namespace {

TEST(PrefixEnd, is_the_first_key_behind_all_with_the_prefix) {
  EXPECT_EQ(prefix_end("/service/"), "/service0");
  EXPECT_EQ(prefix_end("a\xff"), "b");
  EXPECT_EQ(prefix_end("\xff\xff"), std::string(1, '\0'));
  EXPECT_EQ(prefix_end(""), std::string(1, '\0'));
}

TEST(Codec, a_compare_with_zero_is_written_out) {
  // Left out of a oneof, etcd would compare with whatever its default is.
  const auto txn =
      encode_txn({.when = {{"leader", model::Compare::What::absent}}, .then = {}}, "/s/");
  ASSERT_EQ(txn.compare_size(), 1);
  EXPECT_EQ(txn.compare(0).target_union_case(), etcdserverpb::Compare::kCreateRevision);
  EXPECT_EQ(txn.compare(0).key(), "/s/leader");
}

TEST(Codec, keys_come_back_without_the_base_path) {
  etcdserverpb::RangeResponse response;
  response.mutable_header()->set_revision(7);
  auto& kv = *response.add_kvs();
  kv.set_key("/s/members/a");
  kv.set_value("v");
  kv.set_lease(3);
  kv.set_create_revision(4);
  kv.set_mod_revision(5);
  const auto keys = decode_read(response.SerializeAsString(), "/s/");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->revision, 7);
  EXPECT_EQ(keys->keys.at(0), (model::KeyValue{"members/a", "v", 3, 4, 5}));
}

TEST(Codec, bytes_that_are_no_message_are_a_protocol_error_for_reads_and_unknown_for_writes) {
  EXPECT_EQ(decode_read("\xff\xff", "/").error().code, Code::protocol);
  EXPECT_EQ(decode_txn("\xff\xff").error().code, Code::unknown_outcome);
}

}  // namespace
}  // namespace aurum::dcs::etcd
