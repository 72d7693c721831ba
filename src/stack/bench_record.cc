#include "stack/bench_record.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace aurum::stack {

namespace {

using json = nlohmann::ordered_json;

json number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

std::optional<double> number(const json& from, const char* name) {
  const auto at = from.find(name);
  if (at == from.end() || !at->is_number()) return std::nullopt;
  return at->get<double>();
}

json to_object(const RunRecord& run) {
  return {{"event", run.event},
          {"repetition", run.repetition},
          {"outage_s", run.outage_s},
          {"detect_s", number(run.detect_s)},
          {"acquire_s", number(run.acquire_s)},
          {"promote_s", number(run.promote_s)},
          {"first_write_s", number(run.first_write_s)},
          {"acknowledged", run.rows},
          {"refused", run.refused},
          {"unknown", run.unknown},
          {"lost", run.lost},
          {"second_writer", run.second_writer},
          {"past_deadline", run.past},
          {"maybe_past_deadline", run.maybe_past},
          {"note", run.note}};
}

RunRecord run_from(const json& from) {
  return {.repetition = from.value("repetition", 1),
          .agent = from.value("agent", ""),
          .event = from.value("event", ""),
          .outage_s = from.value("outage_s", 0.0),
          .detect_s = number(from, "detect_s"),
          .acquire_s = number(from, "acquire_s"),
          .promote_s = number(from, "promote_s"),
          .first_write_s = number(from, "first_write_s"),
          .rows = from.value("acknowledged", std::size_t{0}),
          .refused = from.value("refused", std::size_t{0}),
          .unknown = from.value("unknown", std::size_t{0}),
          .lost = from.value("lost", std::size_t{0}),
          .second_writer = from.value("second_writer", std::size_t{0}),
          .past = from.value("past_deadline", std::size_t{0}),
          .maybe_past = from.value("maybe_past_deadline", std::size_t{0}),
          .note = from.value("note", "")};
}

json to_object(const AgentRecord& agent) {
  return {{"agent", agent.agent},
          {"version", agent.version},
          {"ttl_s", agent.ttl_s},
          {"zero_to_healthy_s", agent.zero_to_healthy_s},
          {"agent_pss_mb", agent.pss_mb},
          {"idle_cpu_percent", agent.cpu_percent},
          {"acknowledged", agent.acknowledged},
          {"lost", agent.lost},
          {"second_writer", agent.second_writer},
          {"resurrected", agent.resurrected},
          {"past_deadline", agent.past},
          {"rows_read", agent.rows_read}};
}

AgentRecord agent_from(const json& from) {
  return {.agent = from.value("agent", ""),
          .version = from.value("version", ""),
          .ttl_s = from.value("ttl_s", 0),
          .zero_to_healthy_s = from.value("zero_to_healthy_s", 0.0),
          .pss_mb = from.value("agent_pss_mb", 0.0),
          .cpu_percent = from.value("idle_cpu_percent", 0.0),
          .acknowledged = from.value("acknowledged", std::size_t{0}),
          .lost = from.value("lost", std::size_t{0}),
          .second_writer = from.value("second_writer", std::size_t{0}),
          .resurrected = from.value("resurrected", std::size_t{0}),
          .past = from.value("past_deadline", std::size_t{0}),
          .rows_read = from.value("rows_read", true)};
}

json settings(const BenchRecord& record) {
  return {{"bench", "failover"},
          {"command", record.command},
          {"began", record.began},
          {"clients", record.clients},
          {"rate", record.rate},
          {"sync", record.sync},
          {"failsafe", record.failsafe},
          {"through", record.through},
          {"heal_after_s", record.heal_after_s},
          {"postgres", record.postgres},
          {"etcd", record.etcd},
          {"load_begin", record.load_begin}};
}

/// Everything but `command` and moments: rows of two benches with others do not belong into one
/// table.
std::string kind_of(const BenchRecord& r) {
  return fmt::format("{} clients, {} rows a second, sync {}, failsafe {}, through {}, heal {} s",
                     r.clients, r.rate, r.sync, r.failsafe, r.through, r.heal_after_s);
}

void begin_from(const json& line, BenchRecord& record) {
  record.command = line.value("command", "");
  record.began = line.value("began", "");
  record.clients = line.value("clients", 0);
  record.rate = line.value("rate", 0.0);
  record.sync = line.value("sync", false);
  record.failsafe = line.value("failsafe", false);
  record.through = line.value("through", "");
  record.heal_after_s = line.value("heal_after_s", 0.0);
  record.postgres = line.value("postgres", "");
  record.etcd = line.value("etcd", "");
  record.load_begin = record.load_end = line.value("load_begin", 0.0);
}

AgentRecord& agent_of(BenchRecord& record, const std::string& name) {
  const auto found = std::find_if(record.agents.begin(), record.agents.end(),
                                  [&](const AgentRecord& a) { return a.agent == name; });
  if (found != record.agents.end()) return *found;
  record.agents.push_back({.agent = name});
  return record.agents.back();
}

/// What the "end" line says instead where there is one.
void total(BenchRecord& bench) {
  for (AgentRecord& agent : bench.agents) {
    for (const RunRecord& run : bench.runs) {
      if (run.agent != agent.agent) continue;
      agent.acknowledged += run.rows;
      agent.lost += run.lost;
      agent.second_writer += run.second_writer;
      agent.past += run.past;
    }
  }
}

/// `one` behind `all`: more repetitions of the same.
void append(BenchRecord& all, const BenchRecord& one) {
  int before = 0;
  for (const RunRecord& run : all.runs) before = std::max(before, run.repetition);
  for (RunRecord run : one.runs) {
    run.repetition += before;
    all.runs.push_back(std::move(run));
  }
  for (const AgentRecord& agent : one.agents) {
    AgentRecord& sum = agent_of(all, agent.agent);
    const AgentRecord was = sum;
    sum = agent;
    sum.acknowledged += was.acknowledged;
    sum.lost += was.lost;
    sum.second_writer += was.second_writer;
    sum.resurrected += was.resurrected;
    sum.past += was.past;
    sum.rows_read = was.rows_read && agent.rows_read;
  }
  all.load_end = one.load_end;
  all.cut_short = all.cut_short || one.cut_short;
}

}  // namespace

std::string to_json(const BenchRecord& record) {
  json doc = settings(record);
  doc["load_end"] = record.load_end;
  doc["cut_short"] = record.cut_short;
  for (const AgentRecord& agent : record.agents) {
    json one = to_object(agent);
    one["runs"] = json::array();
    for (const RunRecord& run : record.runs)
      if (run.agent == agent.agent) one["runs"].push_back(to_object(run));
    doc["agents"].push_back(std::move(one));
  }
  return doc.dump(2) + "\n";
}

std::string begin_line(const BenchRecord& record) {
  json line = {{"line", "begin"}};
  line.update(settings(record));
  return line.dump() + "\n";
}

std::string agent_line(const AgentRecord& agent) {
  json line = {{"line", "agent"}};
  line.update(to_object(agent));
  return line.dump() + "\n";
}

std::string run_line(const RunRecord& run) {
  json line = {{"line", "run"}, {"agent", run.agent}};
  line.update(to_object(run));
  return line.dump() + "\n";
}

std::string end_line(const BenchRecord& record) {
  json line = {{"line", "end"}, {"cut_short", record.cut_short}, {"load_end", record.load_end}};
  for (const AgentRecord& agent : record.agents) line["agents"].push_back(to_object(agent));
  return line.dump() + "\n";
}

namespace {

struct Read {
  std::vector<BenchRecord> benches;
  std::vector<bool> ended;
};

/// Whether the line could be one of ours.
bool take(const json& line, Read& read) {
  const std::string kind = line.is_object() ? line.value("line", "") : "";
  if (kind == "begin") {
    read.benches.emplace_back();
    read.ended.push_back(false);
    begin_from(line, read.benches.back());
    return true;
  }
  if (kind.empty() || read.benches.empty()) return false;
  BenchRecord& bench = read.benches.back();
  if (kind == "agent") bench.agents.push_back(agent_from(line));
  if (kind == "run") bench.runs.push_back(run_from(line));
  if (kind == "end") {
    read.ended.back() = true;
    bench.cut_short = line.value("cut_short", false);
    bench.load_end = line.value("load_end", 0.0);
    bench.agents.clear();
    for (const json& agent : line.value("agents", json::array()))
      bench.agents.push_back(agent_from(agent));
  }
  return true;
}

Status take_all(std::string_view text, Read& read) {
  std::size_t number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const auto end = text.find('\n', at);
    if (end == std::string_view::npos) break;  // killed while it wrote
    bool ours = false;
    try {
      ours = take(json::parse(text.substr(at, end - at), nullptr, false), read);
    } catch (const json::exception&) {
      ours = false;  // a field of another kind
    }
    if (!ours) {
      return fail(Code::invalid,
                  fmt::format("line {} is none of `aurum bench failover --out`", number));
    }
    at = end + 1;
  }
  if (read.benches.empty()) return fail(Code::not_found, "there is no bench in it");
  return {};
}

}  // namespace

Result<BenchRecord> from_lines(std::string_view text) {
  Read read;
  if (auto taken = take_all(text, read); !taken) return fail(taken.error());
  auto& benches = read.benches;
  for (std::size_t i = 0; i < benches.size(); ++i) {
    if (read.ended[i]) continue;
    benches[i].cut_short = true;
    total(benches[i]);
  }
  BenchRecord all = benches.front();
  for (std::size_t i = 1; i < benches.size(); ++i) {
    if (kind_of(benches[i]) != kind_of(all)) {
      return fail(Code::invalid,
                  fmt::format("it has benches of different settings: {}; and {}", kind_of(all),
                              kind_of(benches[i])),
                  "Give each its own file.");
    }
    append(all, benches[i]);
  }
  return all;
}

}  // namespace aurum::stack
