#include "lab/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/value.h"

namespace aurum::lab {

namespace {

std::string minutes_text(Duration faulty) { return fmt::format("{:g}", to_seconds(faulty) / 60); }

model::Value counts(const std::map<std::string, std::uint64_t>& of) {
  model::Value value = model::Value::object();
  for (const auto& [kind, times] : of) value.set(kind, static_cast<std::int64_t>(times));
  return value;
}

std::string rows(const std::map<std::string, std::uint64_t>& of) {
  std::string text;
  for (const auto& [kind, times] : of) text += fmt::format("  {:<24}{:>12}\n", kind, times);
  return text;
}

}  // namespace

std::string replay_command(const sim::RunOptions& o) {
  std::string text = fmt::format("aurum sim --seed {} --profile {} --faults {}", o.seed,
                                 o.profile.name, o.faults.name);
  if (o.faulty != sim::RunOptions{}.faulty) text += " --minutes " + minutes_text(o.faulty);
  if (!o.without.empty()) text += fmt::format(" --without {}", fmt::join(o.without, ","));
  return text;
}

std::string progress_line(const Campaign& campaign, const Totals& t) {
  return fmt::format("{:3.0f} %  {} seeds, {:.1f} simulated hours, {} faults, {} failed",
                     100.0 * static_cast<double>(t.seeds) /
                         static_cast<double>(campaign.last - campaign.first + 1),
                     t.seeds, t.simulated_hours(), t.faults_begun(), t.failed.size());
}

std::string totals_table(const Totals& t) {
  const double seconds_taken = to_seconds(t.took);
  std::string text = fmt::format(
      "  {:<24}{:>12}\n  {:<24}{:>12.1f}\n  {:<24}{:>12.1f}\n  {:<24}{:>12.0f}\n"
      "  {:<24}{:>12.0f}\n  {:<24}{:>12}\n  {:<24}{:>12}\n  {:<24}{:>12}\n",
      "seeds", t.seeds, "simulated hours", t.simulated_hours(), "seconds", seconds_taken,
      "hours per minute", t.hours_per_minute(), "core events per second",
      seconds_taken > 0 ? static_cast<double>(t.steps) / seconds_taken : 0, "new leaders",
      t.failovers, "writes acknowledged", t.acknowledged, "failed", t.failed.size());
  text +=
      fmt::format("  {:<24}{:>12.1f}  seed {}\n  {:<24}{:>12.1f}  seed {}\n",
                  "writer after, most s", to_seconds(t.writer_after.time), t.writer_after.seed,
                  "healthy after, most s", to_seconds(t.healthy_after.time), t.healthy_after.seed);
  text += fmt::format("faults\n{}  {:<24}{:>12}\n", rows(t.faults), "all", t.faults_begun());
  if (!t.excused.empty()) text += "excused, see docs/SIMULATION.md\n" + rows(t.excused);
  return text;
}

std::string run_report(const sim::RunOptions& options, const sim::RunResult& r) {
  std::string text = fmt::format("seed {}: {}\n", options.seed, r.shape.text());
  for (std::size_t i = 0; i < r.plan.size(); ++i) {
    const auto& without = options.without;
    const bool out =
        std::find(without.begin(), without.end(), static_cast<int>(i)) != without.end();
    if (!out) text += fmt::format("  {:>3}  {}\n", i, r.plan[i].text());
  }
  text += r.story;
  text += fmt::format("{} events in {:.3f} s, the last at {}; digest {:016x}\n", r.steps,
                      to_seconds(r.simulated), r.last_event, r.digest);
  if (r.violations.empty()) return text + "no rule was broken\n";
  for (const auto& violation : r.violations) text += "BROKEN " + to_string(violation) + "\n";
  return text;
}

std::string totals_json(const Campaign& campaign, const Totals& t) {
  model::Value root = model::Value::object();
  root.set("profile", campaign.options.profile.name);
  root.set("faults_mix", campaign.options.faults.name);
  root.set("seeds", static_cast<std::int64_t>(t.seeds));
  root.set("simulated_hours", t.simulated_hours());
  root.set("seconds", to_seconds(t.took));
  root.set("hours_per_minute", t.hours_per_minute());
  root.set("events", static_cast<std::int64_t>(t.steps));
  root.set("new_leaders", static_cast<std::int64_t>(t.failovers));
  root.set("acknowledged", static_cast<std::int64_t>(t.acknowledged));
  root.set("writer_after_seconds_most", to_seconds(t.writer_after.time));
  root.set("healthy_after_seconds_most", to_seconds(t.healthy_after.time));
  root.set("faults", counts(t.faults));
  root.set("excused", counts(t.excused));
  model::Value failed = model::Value::array();
  for (const auto& options : t.failed) failed.push_back(replay_command(options));
  root.set("failed", std::move(failed));
  return model::to_json(root) + "\n";
}

std::string run_json(const sim::RunOptions& options, const sim::RunResult& r) {
  model::Value root = model::Value::object();
  root.set("replay", replay_command(options));
  root.set("cluster", r.shape.text());
  root.set("simulated_seconds", to_seconds(r.simulated));
  root.set("events", static_cast<std::int64_t>(r.steps));
  root.set("last_event", r.last_event);
  root.set("digest", fmt::format("{:016x}", r.digest));
  model::Value broken = model::Value::array();
  for (const auto& v : r.violations) {
    model::Value one = model::Value::object();
    one.set("rule", name_of(v.rule));
    one.set("at", to_seconds(v.at));
    one.set("text", v.text);
    broken.push_back(std::move(one));
  }
  root.set("violations", std::move(broken));
  return model::to_json(root) + "\n";
}

}  // namespace aurum::lab
