#include "lab/trace.h"

#include <algorithm>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "lab/report.h"
#include "model/value.h"

namespace aurum::lab {

namespace {

/// Raised with every change of the form.
constexpr std::int64_t kForm = 1;

using Kind = sim::TraceEntry::Kind;

model::Value head(const sim::RunOptions& options, const sim::RunResult& result) {
  model::Value value = model::Value::object();
  value.set("aurum_trace", kForm);
  value.set("replay", replay_command(options));
  value.set("cluster", result.shape.text());
  value.set("us", std::int64_t{result.simulated.count() / 1000});
  value.set("digest", fmt::format("{:016x}", result.digest));
  model::Value broken = model::Value::array();
  for (const auto& v : result.violations) broken.push_back(to_string(v));
  value.set("broken", std::move(broken));
  return value;
}

std::string text_of(const model::Value& value, std::string_view key) {
  const model::Value* member = value.find(key);
  return member != nullptr ? member->text() : "";
}

std::int64_t number_of(const model::Value& value, std::string_view key) {
  const model::Value* member = value.find(key);
  return member != nullptr && member->is_int() ? member->as_int() : -1;
}

Error no_trace(const std::string& file, std::string why) {
  return {Code::invalid, fmt::format("{}: {}", file, why),
          "make one with aurum sim --seed N --trace FILE"};
}

Result<sim::TraceEntry> read_entry(const model::Value& value) {
  sim::TraceEntry entry;
  const std::string kind = text_of(value, "kind");
  int found = 0;
  while (found <= static_cast<int>(Kind::violation) && kind != name_of(static_cast<Kind>(found)))
    ++found;
  const std::int64_t us = number_of(value, "us");
  if (found > static_cast<int>(Kind::violation) || us < 0)
    return fail(Code::invalid, "an entry without a known kind and time");
  entry.kind = static_cast<Kind>(found);
  entry.at = std::chrono::microseconds(us);
  entry.node = text_of(value, "node");
  entry.text = text_of(value, "text");
  return entry;
}

}  // namespace

std::vector<std::string> Trace::nodes() const {
  std::set<std::string> names;
  for (const auto& entry : entries) {
    if (entry.kind == Kind::role) names.insert(entry.node);
  }
  return {names.begin(), names.end()};
}

Status write_trace(const std::string& file, const sim::RunOptions& options,
                   const sim::RunResult& result) {
  std::ofstream out(file);
  out << model::to_json(head(options, result)) << '\n';
  for (const auto& entry : result.trace) {
    model::Value line = model::Value::object();
    line.set("us", std::int64_t{entry.at.count() / 1000});
    line.set("kind", name_of(entry.kind));
    line.set("node", entry.node);
    line.set("text", entry.text);
    out << model::to_json(line) << '\n';
  }
  if (!out.flush()) return fail(Code::io, "cannot write " + file);
  return {};
}

Result<Trace> read_trace(const std::string& file) {
  std::ifstream in(file);
  if (!in) return fail(Code::io, "cannot read " + file);
  std::string line;
  std::getline(in, line);
  const auto first = model::parse_json(line);
  if (!first || first->find("aurum_trace") == nullptr) return fail(no_trace(file, "no trace"));
  if (number_of(*first, "aurum_trace") != kForm) {
    return fail(no_trace(file, fmt::format("a trace of form {}, and this program reads form {}",
                                           text_of(*first, "aurum_trace"), kForm)));
  }
  Trace trace;
  trace.replay = text_of(*first, "replay");
  trace.cluster = text_of(*first, "cluster");
  trace.length = std::chrono::microseconds(number_of(*first, "us"));
  if (const auto* broken = first->find("broken"); broken != nullptr && broken->is_array()) {
    for (const auto& one : broken->as_array()) trace.broken.push_back(one.text());
  }
  for (int number = 2; std::getline(in, line); ++number) {
    const auto value = model::parse_json(line);
    const auto entry = value ? read_entry(*value) : fail(value.error());
    if (!entry)
      return fail(no_trace(file, fmt::format("line {}: {}", number, entry.error().message)));
    trace.entries.push_back(*entry);
  }
  return trace;
}

}  // namespace aurum::lab
