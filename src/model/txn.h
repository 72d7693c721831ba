#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/cluster.h"

/// A conditional write of the store, as a value: the core makes it, etcd and the simulator carry it
/// out alike. Keys are relative to the cluster's base path. Semantics: etcd v3 KV.Txn.
namespace aurum::model {

struct Compare {
  enum class What {
    absent,        ///< create_revision == 0
    mod_revision,  ///< mod_revision == number
    create_revision,
    value,  ///< value == text
    lease,  ///< lease == number
  };
  std::string key;
  What what = What::absent;
  std::int64_t number = 0;
  std::string text = {};
  friend bool operator==(const Compare&, const Compare&) = default;
};

/// Nobody has written the key since this revision of it; 0: it is still absent.
inline Compare unchanged(std::string key, Revision seen) {
  return {.key = std::move(key),
          .what = seen == 0 ? Compare::What::absent : Compare::What::mod_revision,
          .number = seen};
}

struct Write {
  enum class What { put, erase, erase_prefix };
  What what = What::put;
  std::string key;
  std::string value = {};
  LeaseId lease = 0;
  friend bool operator==(const Write&, const Write&) = default;
};

struct Txn {
  std::vector<Compare> when;
  std::vector<Write> then;
  friend bool operator==(const Txn&, const Txn&) = default;
};

struct TxnDone {
  bool succeeded = false;  ///< all compares held and the writes were made
  Revision revision = 0;
  friend bool operator==(const TxnDone&, const TxnDone&) = default;
};

}  // namespace aurum::model
