#include "stack/bench_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "stack/terminal.h"

namespace aurum::stack {

namespace {

/// What to call an event in a sentence.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNames = {{
    {"pg-kill", "PostgreSQL killed"},
    {"switchover", "switchover"},
    {"node-kill", "node killed"},
    {"agent-kill", "agent killed"},
    {"agent-stop", "agent stopped"},
    {"pg-freeze", "PostgreSQL frozen"},
    {"etcd-leader-kill", "etcd's leader killed"},
}};

std::string spoken(const BenchRecord& record, const std::string& event) {
  std::string name = event;
  for (const auto& [word, words] : kNames)
    if (word == event) name = words;
  return event.starts_with("agent-") ? fmt::format("{} for {:.0f} s", name, record.heal_after_s)
                                     : name;
}

std::string short_name(const std::string& agent) { return agent.substr(agent.rfind('/') + 1); }

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const std::size_t mid = values.size() / 2;
  return values.size() % 2 == 1 ? values[mid] : (values[mid - 1] + values[mid]) / 2;
}

std::string number(std::optional<double> value) {
  return value ? fmt::format("{:.2f}", *value) : "-";
}

/// All repetitions of one event under one agent.
struct Summary {
  std::vector<double> outage, detect, acquire, promote, write;
  std::size_t runs = 0, rows = 0, refused = 0, unknown = 0;
  std::size_t lost = 0, second_writer = 0, past = 0, maybe_past = 0;
  double low() const { return *std::min_element(outage.begin(), outage.end()); }
  double high() const { return *std::max_element(outage.begin(), outage.end()); }
};

Summary summarise(const BenchRecord& record, const std::string& agent, const std::string& event) {
  Summary s;
  for (const RunRecord& run : record.runs) {
    if (run.agent != agent || run.event != event) continue;
    ++s.runs;
    s.rows += run.rows;
    s.refused += run.refused;
    s.unknown += run.unknown;
    s.lost += run.lost;
    s.second_writer += run.second_writer;
    s.past += run.past;
    s.maybe_past += run.maybe_past;
    s.outage.push_back(run.outage_s);
    if (run.detect_s) s.detect.push_back(*run.detect_s);
    if (run.acquire_s) s.acquire.push_back(*run.acquire_s);
    if (run.promote_s) s.promote.push_back(*run.promote_s);
    if (run.first_write_s) s.write.push_back(*run.first_write_s);
  }
  return s;
}

/// In the order in which they came first.
std::vector<std::string> events_of(const BenchRecord& record) {
  std::vector<std::string> events;
  for (const RunRecord& run : record.runs)
    if (std::find(events.begin(), events.end(), run.event) == events.end())
      events.push_back(run.event);
  return events;
}

using Cells = std::vector<std::string>;

/// A name of 18 columns, then numbers, each at the right end of its own.
std::string line(const std::string& name, const std::vector<int>& widths, const Cells& cells) {
  std::string text = fmt::format("{:18.18}", name);
  for (std::size_t i = 0; i < cells.size(); ++i) text += fmt::format("{:>{}}", cells[i], widths[i]);
  return text + "\n";
}

std::string grouped(const BenchRecord& record, const std::vector<int>& widths, const Cells& head,
                    const std::function<Cells(const Summary&)>& cells) {
  std::string text = line("", widths, head);
  for (const std::string& event : events_of(record)) {
    text += bold(event) + "\n";
    for (const AgentRecord& agent : record.agents) {
      const Summary s = summarise(record, agent.agent, event);
      if (s.runs > 0) text += line("  " + short_name(agent.agent), widths, cells(s));
    }
  }
  return text;
}

std::string text_of(std::size_t count) { return std::to_string(count); }

std::string repetitions(const BenchRecord& record) {
  std::size_t fewest = record.runs.size(), most = 0;
  for (const std::string& event : events_of(record)) {
    for (const AgentRecord& agent : record.agents) {
      const std::size_t runs = summarise(record, agent.agent, event).runs;
      fewest = std::min(fewest, runs);
      most = std::max(most, runs);
    }
  }
  const std::string count = fewest == most ? text_of(most) : fmt::format("{} to {}", fewest, most);
  return fmt::format("{} repetition{}{}", count, most == 1 ? "" : "s",
                     record.cut_short ? " (cut short)" : "");
}

/// How it was measured, in pieces that are sentences when joined by commas.
std::vector<std::string> circumstances(const BenchRecord& record) {
  std::vector<std::string> pieces = {
      repetitions(record),
      fmt::format("{} clients", record.clients),
      fmt::format("{:g} rows/s", record.rate),
      record.sync ? "synchronous" : "asynchronous",
  };
  if (record.failsafe) pieces.emplace_back("failsafe mode");
  if (record.through != "libpq") pieces.push_back("through " + record.through);
  pieces.push_back(fmt::format("load {:.2f} at the beginning and {:.2f} at the end",
                               record.load_begin, record.load_end));
  pieces.push_back("PostgreSQL " + record.postgres.substr(0, record.postgres.find(' ')));
  pieces.push_back("etcd " + record.etcd);
  std::vector<std::string> versions;
  for (const AgentRecord& agent : record.agents)
    if (std::find(versions.begin(), versions.end(), agent.version) == versions.end())
      versions.push_back(agent.version);
  pieces.insert(pieces.end(), versions.begin(), versions.end());
  return pieces;
}

/// Words or pieces behind each other, in lines of at most `width`.
std::string wrapped(const std::vector<std::string>& pieces, const std::string& between,
                    std::size_t width) {
  std::string text;
  std::size_t used = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::string piece = pieces[i] + (i + 1 < pieces.size() ? between : "");
    if (used > 0 && used + 1 + piece.size() > width) {
      text += "\n";
      used = 0;
    }
    text += (used > 0 ? " " : "") + piece;
    used += piece.size() + (used > 0 ? 1 : 0);
  }
  return text + "\n";
}

std::string notes(const BenchRecord& record) {
  std::string text;
  for (const AgentRecord& agent : record.agents) {
    if (!agent.rows_read) {
      text += fmt::format("note: {}: no node took writes at the end; all rows count as lost\n",
                          agent.agent);
    }
    for (const RunRecord& run : record.runs) {
      if (run.agent != agent.agent || run.note.empty()) continue;
      text += fmt::format("note: {}, {}, repetition {}: {}\n", short_name(agent.agent), run.event,
                          run.repetition, run.note);
    }
  }
  return text;
}

constexpr const char* kTimesExplained =
    "MIN MED MAX: write outage, seconds. DETECT ACQUIRE PROMOTE WRITE: median\n"
    "seconds from the event to the old leader's key gone or replaced, a new key, its\n"
    "owner primary, first write.\n";
constexpr const char* kRowsExplained =
    "ROWS: acknowledged. REFUSED: the server said no. UNKNOWN: sent, never answered.\n"
    "LOST: acknowledged rows not there at the end. 2ND: acknowledged by a primary\n"
    "after a later one had begun to. PAST: sent to a primary and acknowledged by it\n"
    "past its lease page's deadline; by other agents, after its key was gone.\n";

std::string row_of(const Cells& cells) { return fmt::format("| {} |\n", fmt::join(cells, " | ")); }

std::string head_of(const Cells& cells) {
  std::string rule = "|";
  for (std::size_t i = 0; i < cells.size(); ++i) rule += "---|";
  return row_of(cells) + rule + "\n";
}

std::string thousands(std::size_t count) {
  std::string text = std::to_string(count);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

}  // namespace

std::string report_text(const BenchRecord& record) {
  std::string text = grouped(
      record, {4, 7, 7, 7, 8, 9, 9, 8},
      {"N", "MIN", "MED", "MAX", "DETECT", "ACQUIRE", "PROMOTE", "WRITE"}, [](const Summary& s) {
        return Cells{text_of(s.runs),           number(s.low()),          number(median(s.outage)),
                     number(s.high()),          number(median(s.detect)), number(median(s.acquire)),
                     number(median(s.promote)), number(median(s.write))};
      });
  text += kTimesExplained + std::string("\n");
  text += grouped(record, {4, 9, 9, 9, 8, 8, 8},
                  {"N", "ROWS", "REFUSED", "UNKNOWN", "LOST", "2ND", "PAST"}, [](const Summary& s) {
                    return Cells{text_of(s.runs),    text_of(s.rows), text_of(s.refused),
                                 text_of(s.unknown), text_of(s.lost), text_of(s.second_writer),
                                 text_of(s.past)};
                  });
  text += kRowsExplained + std::string("\n");
  const std::vector<int> widths = {5, 9, 10, 10, 8, 6, 6, 6};
  text += line("AGENT", widths,
               {"TTL", "HEALTHY", "MEMORY", "IDLE CPU", "ROWS", "LOST", "2ND", "PAST"});
  for (const AgentRecord& a : record.agents) {
    text += line(
        short_name(a.agent), widths,
        {text_of(static_cast<std::size_t>(a.ttl_s)), fmt::format("{:.1f} s", a.zero_to_healthy_s),
         fmt::format("{:.1f} MB", a.pss_mb), fmt::format("{:.1f} %", a.cpu_percent),
         text_of(a.acknowledged), text_of(a.lost), text_of(a.second_writer), text_of(a.past)});
  }
  text += "HEALTHY: from nothing to a healthy cluster. MEMORY: PSS of one agent.\n\n";
  text += wrapped(circumstances(record), ",", 79) + notes(record);
  return text;
}

std::string report_markdown(const BenchRecord& record) {
  std::vector<std::string> pieces = circumstances(record);
  pieces.front() = fmt::format("`{}`: {}", record.command, pieces.front());
  pieces.back() += ". Write outage in seconds, min / median / max:";
  std::string text = wrapped(pieces, ",", 120) + "\n";
  Cells head = {"event"};
  for (const AgentRecord& agent : record.agents) head.push_back(short_name(agent.agent));
  text += head_of(head);
  for (const std::string& event : events_of(record)) {
    Cells cells = {spoken(record, event)};
    for (const AgentRecord& agent : record.agents) {
      const Summary s = summarise(record, agent.agent, event);
      cells.push_back(s.runs == 0 ? "-"
                                  : fmt::format("{} / {} / {}", number(s.low()),
                                                number(median(s.outage)), number(s.high())));
    }
    text += row_of(cells);
  }
  text += "\nRows of all repetitions:\n\n";
  text += head_of({"event", "agent", "acknowledged", "lost", "by two primaries",
                   "past the deadline", "refused", "unknown"});
  for (const std::string& event : events_of(record)) {
    for (const AgentRecord& agent : record.agents) {
      const Summary s = summarise(record, agent.agent, event);
      if (s.runs == 0) continue;
      text += row_of({spoken(record, event), short_name(agent.agent), thousands(s.rows),
                      thousands(s.lost), thousands(s.second_writer), thousands(s.past),
                      thousands(s.refused), thousands(s.unknown)});
    }
  }
  return text;
}

}  // namespace aurum::stack
