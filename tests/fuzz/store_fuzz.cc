// libFuzzer: bytes as anybody with access to etcd may leave them, in every key of a cluster and as
// its dynamic configuration. What is understood of them must be readable when it is written again.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "model/cluster.h"
#include "model/config.h"

namespace {

using namespace aurum::model;

constexpr std::string_view kKeys[] = {"initialize",
                                      "leader",
                                      "members/node-1",
                                      "config",
                                      "status",
                                      "optime/leader",
                                      "history",
                                      "failover",
                                      "sync",
                                      "failsafe",
                                      "aurum_maintenance",
                                      "aurum_timeline",
                                      "aurum_restore",
                                      "aurum_restore_progress"};

void must(bool so, std::string_view what) {
  if (so) return;
  fmt::print(stderr, "not so: {}\n", what);
  std::abort();
}

}  // namespace

/// The first byte picks one key that alone has the value; any other number: all have it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return -1;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<KeyValue> keys;
  for (std::size_t i = 0; i < std::size(kKeys); ++i)
    if (data[0] >= std::size(kKeys) || data[0] == i)
      keys.push_back({std::string(kKeys[i]), text, 7, 1, 2});
  const ClusterView view = decode_cluster(3, keys);
  static_cast<void>(to_json(cluster_document(view, "scope")));
  for (const auto& [name, member] : view.members) {
    static_cast<void>(encode_member(decode_member(name, encode_member(member))));
    static_cast<void>(tag_failover_priority(member) + tag_sync_priority(member));
    static_cast<void>(slot_name(name));
  }
  must(decode_status(encode_status(view.status)) == view.status, "the status is read back");
  must(decode_history(encode_history(view.history)) == view.history, "the history is read back");
  must(parse_json(to_json(view.config)).has_value(), "the configuration is read back");
  static_cast<void>(read_dynamic_config(view.config));
  return 0;
}
