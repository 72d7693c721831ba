#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/lsn.h"

namespace aurum::model {

/// How one leader followed another, as the one that followed saw it.
struct Succession {
  std::string at;        ///< ISO 8601: when it took writes
  std::string from, to;  ///< from "": nobody that it knows of
  std::string why;       ///< a sentence
  Timeline timeline = 0;
  Lsn lsn;                                           ///< it was promoted at
  std::map<std::string, std::optional<Lsn>> others;  ///< where they were in the race; none: silent
  Duration detect{};   ///< from the last sign of life, or the end of the lock, to the race
  Duration acquire{};  ///< to the lock
  Duration promote{};  ///< to a server that was promoted
  Duration open{};     ///< to one that takes writes
  Duration total() const { return detect + acquire + promote + open; }
  friend bool operator==(const Succession&, const Succession&) = default;
};

/// `aurum_successions`, a key of ours that a Patroni ignores: a JSON list, the newest last.
inline constexpr std::string_view kSuccessionsKey = "aurum_successions";
inline constexpr std::size_t kSuccessionsKept = 30;

/// What is no succession is left out.
std::vector<Succession> decode_successions(std::string_view text);
/// The newest `kSuccessionsKept` of them.
std::string encode_successions(const std::vector<Succession>& list);

}  // namespace aurum::model
