#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"

/// The history of writes as clients saw it, and what it proves. A write is one row with an id of
/// its own.
namespace aurum::stack {

/// A write whose commit was acknowledged to the client.
struct Acknowledged {
  std::int64_t id = 0;
  Instant sent;
  Instant acked;
  std::string node;            ///< who acknowledged: "address:port" as the server itself says
  std::uint32_t timeline = 0;  ///< that server's timeline at the insert
};

/// Written by many client threads at once.
class History {
 public:
  void acknowledge(Acknowledged ack);
  /// No answer, or a lost connection after sending: the row may or may not be there.
  void unknown(std::int64_t id);
  /// The server said no: the row must not be there.
  void refused(std::int64_t id);

  std::vector<Acknowledged> acknowledged() const;  ///< in the order of `acked`
  std::set<std::int64_t> unknown_ids() const;
  std::set<std::int64_t> refused_ids() const;
  std::size_t count() const;
  /// The latest acknowledgement; nothing before the first.
  std::optional<Instant> last_acked() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Acknowledged> acked_;
  std::set<std::int64_t> unknown_, refused_;
  std::optional<Instant> last_;
};

/// One reign: a node on one timeline. Promotion always begins a new timeline, so two reigns of one
/// node differ.
struct Reign {
  std::string node;
  std::uint32_t timeline = 0;
  Instant first, last;  ///< first and last acknowledgement
  std::size_t rows = 0;
};

struct Verdict {
  std::size_t acknowledged = 0;
  std::vector<Acknowledged> lost;  ///< acknowledged, not in the table at the end
  /// Acknowledged by a node although another reign, begun later, had acknowledged before the row
  /// was even sent.
  std::vector<Acknowledged> second_writer;
  std::vector<std::int64_t> resurrected;     ///< refused, yet there
  std::vector<std::int64_t> unknown_origin;  ///< there, but nobody sent it
  std::vector<Reign> reigns;                 ///< in the order of their beginnings
  bool good() const {
    return lost.empty() && second_writer.empty() && resurrected.empty() && unknown_origin.empty();
  }
  /// One line for people.
  std::string text() const;
};

/// `table`: the ids found on the final primary after all clients have ended.
Verdict judge(const History& history, const std::set<std::int64_t>& table);

std::vector<Reign> reigns_of(const std::vector<Acknowledged>& acked);

/// The longest time without an acknowledgement that ends behind `from` and begins before `until`;
/// the gap which contains `from` counts whole. When nothing was acknowledged any more behind
/// `from`: until - last one.
Duration longest_gap(const std::vector<Acknowledged>& acked, Instant from, Instant until);
/// The end of that gap: the first write after the outage. Nothing if there was none until `until`.
std::optional<Instant> gap_end(const std::vector<Acknowledged>& acked, Instant from, Instant until);

}  // namespace aurum::stack
