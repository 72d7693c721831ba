#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/records.h"
#include "cli/session.h"
#include "cli/timestamp.h"
#include "model/succession.h"

/// explain: why another node leads, and where the time went.
namespace aurum::cli {

namespace {

constexpr std::size_t kShown = 5;

std::string at_of(const model::Succession& s) {
  const auto at = model::parse_iso8601(s.at);
  return at ? local_seconds(*at) : s.at;
}

std::string seconds_of(Duration d) { return fmt::format("{:.2f} s", to_seconds(d)); }

std::string others_of(const model::Succession& s) {
  std::vector<std::string> parts;
  for (const auto& [name, lsn] : s.others)
    parts.push_back(lsn ? fmt::format("{} was at {}", name, model::to_string(*lsn))
                        : name + " did not answer");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string block(const model::Succession& s) {
  const std::string who = s.from.empty()   ? s.to + " began to lead"
                          : s.from == s.to ? s.to + " led again"
                                           : fmt::format("{} followed {}", s.to, s.from);
  std::string out = fmt::format("Timeline {}: {}, {}\n", s.timeline, who, at_of(s));
  out += fmt::format("  why    {}\n", s.why);
  out += fmt::format("  took   {} = detect {} + lock {} + promote {} + open {}\n",
                     seconds_of(s.total()), seconds_of(s.detect), seconds_of(s.acquire),
                     seconds_of(s.promote), seconds_of(s.open));
  out += fmt::format("  from   {}{}{}\n", model::to_string(s.lsn), s.others.empty() ? "" : "; ",
                     others_of(s));
  return out;
}

Records records_of(const std::vector<model::Succession>& list) {
  Records records{{"at", "from", "to", "why", "timeline", "lsn", "others", "detect_ms",
                   "acquire_ms", "promote_ms", "open_ms", "total_ms"},
                  {},
                  true};
  for (const auto& s : list)
    records.rows.push_back({s.at, s.from, s.to, s.why, std::int64_t{s.timeline},
                            model::to_string(s.lsn), others_of(s), to_ms(s.detect),
                            to_ms(s.acquire), to_ms(s.promote), to_ms(s.open), to_ms(s.total())});
  return records;
}

}  // namespace

Done run_explain(Session& session) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  const auto list = model::decode_successions(view->successions);
  const Format format = parse_format(session.options.format).value_or(Format::pretty);
  if (format != Format::pretty && format != Format::topology) {
    session.console.out << render_records(records_of(list), format);
    return 0;
  }
  if (list.empty())
    session.console.out << "Nobody has followed another leader yet, as far as is known.\n";
  // The newest first: it is what the question is about.
  const std::size_t shown = std::min(list.size(), kShown);
  for (std::size_t i = 0; i < shown; ++i)
    session.console.out << (i == 0 ? "" : "\n") << block(list[list.size() - 1 - i]);
  if (list.size() > shown)
    session.console.out << fmt::format("\n{} earlier ones: -f json\n", list.size() - shown);
  return 0;
}

}  // namespace aurum::cli
