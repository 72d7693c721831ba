#include "dcs/etcd/status.h"

#include <gtest/gtest.h>

namespace aurum::dcs::etcd {
namespace {

using Next = Verdict::Next;

GrpcReply answered(int code, std::string message) {
  return {.end = GrpcReply::End::answered, .sent = true, .status = {code, std::move(message)}};
}

struct Case {
  int grpc;
  const char* text;
  Code read;
  Code write;
  Next next_of_read;
  Next next_of_write;
};

// The codes are those that etcd's rpctypes gives with the texts.
const std::vector<Case> kCases = {
    {5, "etcdserver: requested lease not found", Code::rejected, Code::rejected, Next::give_up,
     Next::give_up},
    {14, "etcdserver: no leader", Code::unavailable, Code::unavailable, Next::other_endpoint,
     Next::other_endpoint},
    {8, "etcdserver: too many requests", Code::unavailable, Code::unavailable, Next::other_endpoint,
     Next::other_endpoint},
    {14, "etcdserver: rpc not supported for learner", Code::unavailable, Code::unavailable,
     Next::other_endpoint, Next::other_endpoint},
    {14, "etcdserver: request timed out", Code::unavailable, Code::unknown_outcome,
     Next::other_endpoint, Next::give_up},
    {14, "etcdserver: request timed out, possibly due to previous leader failure",
     Code::unavailable, Code::unknown_outcome, Next::other_endpoint, Next::give_up},
    {14, "etcdserver: leader changed", Code::unavailable, Code::unknown_outcome,
     Next::other_endpoint, Next::give_up},
    {14, "etcdserver: server stopped", Code::unavailable, Code::unknown_outcome,
     Next::other_endpoint, Next::give_up},
    {15, "etcdserver: corrupt cluster", Code::unavailable, Code::unknown_outcome,
     Next::other_endpoint, Next::give_up},
    {8, "etcdserver: mvcc: database space exceeded", Code::unavailable, Code::unavailable,
     Next::give_up, Next::give_up},
    {3, "etcdserver: duplicate key given in txn request", Code::invalid, Code::invalid,
     Next::give_up, Next::give_up},
    {3, "etcdserver: request is too large", Code::invalid, Code::invalid, Next::give_up,
     Next::give_up},
    {16, "etcdserver: invalid auth token", Code::permission, Code::permission, Next::authenticate,
     Next::authenticate},
    {3, "etcdserver: revision of auth store is old", Code::permission, Code::permission,
     Next::authenticate, Next::authenticate},
    {3, "etcdserver: user name is empty", Code::permission, Code::permission, Next::authenticate,
     Next::authenticate},
    {3, "etcdserver: authentication failed, invalid user ID or password", Code::permission,
     Code::permission, Next::give_up, Next::give_up},
    {7, "etcdserver: permission denied", Code::permission, Code::permission, Next::give_up,
     Next::give_up},
    {12, "unknown service etcdserverpb.KV", Code::protocol, Code::protocol, Next::give_up,
     Next::give_up},
    {3, "something new", Code::unavailable, Code::unknown_outcome, Next::other_endpoint,
     Next::give_up},
    {2, "", Code::unavailable, Code::unknown_outcome, Next::other_endpoint, Next::give_up},
};

TEST(Judge, knows_what_each_answer_means_for_reads_and_writes) {
  for (const Case& one : kCases) {
    const Verdict read = judge(answered(one.grpc, one.text), CallKind::read);
    EXPECT_EQ(read.error.code, one.read) << one.text;
    EXPECT_EQ(read.next, one.next_of_read) << one.text;
    const Verdict write = judge(answered(one.grpc, one.text), CallKind::write);
    EXPECT_EQ(write.error.code, one.write) << one.text;
    EXPECT_EQ(write.next, one.next_of_write) << one.text;
    EXPECT_EQ(write.maybe_applied, one.write == Code::unknown_outcome) << one.text;
    EXPECT_FALSE(write.error.message.empty()) << one.text;
  }
}

// FAILURES F8: whatever comes, only a lease that is gone is a "no".
TEST(Judge, rejects_for_nothing_but_a_missing_lease) {
  for (const CallKind kind : {CallKind::read, CallKind::renewal, CallKind::write}) {
    for (int code = 1; code <= 20; ++code) {
      for (const char* text :
           {"", "etcdserver: no leader", "etcdserver: lease not found?", "lease",
            "etcdserver: requested lease not found (maybe)", "rejected", "compare failed"}) {
        EXPECT_NE(judge(answered(code, text), kind).error.code, Code::rejected)
            << code << " " << text;
      }
    }
  }
}

TEST(Judge, a_write_that_may_have_been_sent_is_never_repeated) {
  using End = GrpcReply::End;
  for (const End end : {End::lost, End::expired, End::garbled}) {
    const GrpcReply reply{.end = end, .sent = true, .why = "x"};
    const Verdict write = judge(reply, CallKind::write);
    EXPECT_EQ(write.error.code, Code::unknown_outcome);
    EXPECT_EQ(write.next, Next::give_up);
    const Verdict renewal = judge(reply, CallKind::renewal);
    EXPECT_EQ(renewal.error.code, Code::unknown_outcome);
  }
  EXPECT_EQ(judge({.end = End::expired, .sent = true}, CallKind::read).error.code, Code::timeout);
  EXPECT_EQ(judge({.end = End::garbled, .sent = true, .why = "x"}, CallKind::read).error.code,
            Code::protocol);
}

TEST(Judge, a_write_that_was_not_sent_or_was_refused_goes_elsewhere) {
  using End = GrpcReply::End;
  for (const GrpcReply& reply : {GrpcReply{.end = End::lost, .sent = false, .why = "x"},
                                 GrpcReply{.end = End::refused, .sent = true, .why = "x"}}) {
    const Verdict write = judge(reply, CallKind::write);
    EXPECT_EQ(write.error.code, Code::unavailable);
    EXPECT_EQ(write.next, Next::other_endpoint);
    EXPECT_FALSE(write.maybe_applied);
  }
}

TEST(PercentDecode, decodes_what_is_well_formed_and_keeps_the_rest) {
  EXPECT_EQ(percent_decode("plain"), "plain");
  EXPECT_EQ(percent_decode("a%20b%C3%a4"), "a b\xc3\xa4");
  EXPECT_EQ(percent_decode("%"), "%");
  EXPECT_EQ(percent_decode("100%4"), "100%4");
  EXPECT_EQ(percent_decode("%zz%41"), "%zzA");
  EXPECT_EQ(percent_decode("%4g"), "%4g");
  EXPECT_EQ(percent_decode("%%41"), "%A");
  EXPECT_EQ(percent_decode(""), "");
}

}  // namespace
}  // namespace aurum::dcs::etcd
