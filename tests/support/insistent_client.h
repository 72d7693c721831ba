#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "base/time.h"

namespace aurum::tests {

/// A client that writes to one server, by one connection, row after row, whatever it is told; it
/// never goes elsewhere. The kind of client that finds out whether a former primary still
/// acknowledges.
class InsistentClient {
 public:
  /// The table is there already: see make_table().
  explicit InsistentClient(std::string conninfo);
  ~InsistentClient();
  InsistentClient(const InsistentClient&) = delete;
  InsistentClient& operator=(const InsistentClient&) = delete;

  static Status make_table(const std::string& conninfo);

  std::optional<Instant> last_acked() const;
  /// How often the server answered with this SQLSTATE.
  std::size_t refusals(const std::string& sqlstate) const;

 private:
  void write(const std::stop_token& stop, const std::string& conninfo);

  mutable std::mutex mutex_;
  std::optional<Instant> last_acked_;
  std::map<std::string, std::size_t> refusals_;
  int socket_ = -1;
  std::jthread thread_;
};

}  // namespace aurum::tests
