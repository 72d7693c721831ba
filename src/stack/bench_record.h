#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// What a bench has measured, as plain numbers: what is printed and what is kept in a file say the
/// same.
namespace aurum::stack {

/// One event on one cluster. Seconds since the event; nothing = not seen.
struct RunRecord {
  int repetition = 1;
  std::string agent, event;
  double outage_s = 0;
  std::optional<double> detect_s, acquire_s, promote_s, first_write_s;
  std::size_t rows = 0;     ///< acknowledged
  std::size_t refused = 0;  ///< the server said no
  std::size_t unknown = 0;  ///< sent, and no answer that proves anything came
  std::size_t lost = 0, second_writer = 0;
  std::size_t past = 0;        ///< acknowledged past the deadline, for certain
  std::size_t maybe_past = 0;  ///< the client read the answer behind it, who knows when it was sent
  std::string note;            ///< what did not go as it should
};

/// One cluster under its agent, over all its events.
struct AgentRecord {
  std::string agent, version;
  int ttl_s = 0;
  double zero_to_healthy_s = 0;
  double pss_mb = 0;       ///< of one agent and its helpers, PostgreSQL not counted
  double cpu_percent = 0;  ///< of one core, idle cluster without writes
  std::size_t acknowledged = 0, lost = 0, second_writer = 0, resurrected = 0, past = 0;
  bool rows_read = true;  ///< false: no node let us read at the end, and all rows count as lost
};

struct BenchRecord {
  std::string command;  ///< as it was typed
  std::string began;    ///< ISO 8601
  int clients = 0;
  double rate = 0;
  bool sync = false, failsafe = false;
  std::string through = "libpq";
  double heal_after_s = 0;
  std::string postgres, etcd;  ///< versions
  double load_begin = 0, load_end = 0;
  bool cut_short = false;
  std::vector<AgentRecord> agents;
  std::vector<RunRecord> runs;
};

/// A document of all numbers.
std::string to_json(const BenchRecord& record);

/// The same as lines, each of one JSON object, written as they come to be: "begin", an "agent" for
/// each cluster that stands, a "run" for each event, "end". Without the last one the bench was cut
/// short; the totals of its agents are of their runs then.
std::string begin_line(const BenchRecord& record);
std::string agent_line(const AgentRecord& agent);
std::string run_line(const RunRecord& run);
std::string end_line(const BenchRecord& record);
/// One bench or several of the same settings behind each other become one record; a last line that
/// was not written to its end is left out.
Result<BenchRecord> from_lines(std::string_view text);

}  // namespace aurum::stack
