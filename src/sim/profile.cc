#include "sim/profile.h"

#include <algorithm>
#include <cstddef>
#include <random>

#include <fmt/format.h>

namespace aurum::sim {

namespace {

const char* const kModes[] = {"drawn", "async", "sync", "strict", "quorum"};
const char* const kPaces[] = {"drawn", "fast", "default", "patroni"};

Error unknown(std::string_view text) {
  return {Code::invalid, fmt::format("unknown profile '{}'", text),
          "mixed, or parts joined by '-': async, sync, strict, quorum; fast, default, "
          "patroni; 1 to 7 nodes; archive; fence; failsafe; heartbeat; standby; restore. As in "
          "sync-fast-3"};
}

/// Of the words behind the first one, which stands for what was not named yet.
template <class Enum, std::size_t N>
bool take_word(Enum& named, const char* const (&words)[N], std::string_view part) {
  const auto found = std::find(words + 1, words + N, part);
  if (found == words + N || named != Enum::drawn) return false;
  named = static_cast<Enum>(found - words);
  return true;
}

bool take_part(Profile& profile, std::string_view part) {
  if (take_word(profile.mode, kModes, part) || take_word(profile.pace, kPaces, part)) return true;
  if (part == "archive" && !profile.archive) return profile.archive = true;
  if (part == "fence" && !profile.fence) return profile.fence = true;
  if (part == "failsafe" && !profile.failsafe) return profile.failsafe = true;
  if (part == "heartbeat" && !profile.heartbeat) return profile.heartbeat = true;
  if (part == "standby" && !profile.standby) return profile.standby = true;
  if (part == "restore" && !profile.restore) return profile.restore = true;
  const bool number = part.size() == 1 && part[0] >= '1' && part[0] <= '7';
  if (number && profile.nodes == 0) profile.nodes = part[0] - '0';
  return number;
}

}  // namespace

Result<Profile> parse_profile(std::string_view text) {
  Profile profile;
  profile.name = text;
  if (text == "mixed") return profile;
  std::string_view rest = text;
  while (true) {
    const auto dash = rest.find('-');
    if (!take_part(profile, rest.substr(0, dash))) return fail(unknown(text));
    if (dash == std::string_view::npos) return profile;
    rest.remove_prefix(dash + 1);
  }
}

std::string Shape::text() const {
  return fmt::format("{} node{}, {}, {}{}{}{}{}{}{}{}", nodes, nodes == 1 ? "" : "s",
                     kModes[static_cast<int>(mode)], kPaces[static_cast<int>(pace)],
                     use_pg_rewind ? ", pg_rewind" : "", archive ? ", archive" : "",
                     fence ? ", fence" : "", failsafe ? ", failsafe" : "",
                     heartbeat.empty() ? "" : ", heartbeat",
                     founded_as_standby ? ", a standby cluster"
                     : standby          ? ", with a standby cluster"
                                        : "",
                     restore ? ", restores" : "");
}

model::Value where_the_remote_is() {
  model::Value standby = model::Value::object();
  standby.set("host", "10.9.9.9");
  standby.set("port", 5432);
  return standby;
}

model::Value Shape::dcs() const {
  struct Spans {
    int ttl, loop_wait, retry_timeout;
  };
  const Spans spans = pace == Profile::Pace::fast       ? Spans{5, 2, 2}
                      : pace == Profile::Pace::standard ? Spans{10, 5, 3}
                                                        : Spans{30, 10, 10};
  model::Value dcs = model::Value::object();
  dcs.set("ttl", spans.ttl);
  dcs.set("loop_wait", spans.loop_wait);
  dcs.set("retry_timeout", spans.retry_timeout);
  if (mode == Profile::Mode::quorum)
    dcs.set("synchronous_mode", "quorum");
  else
    dcs.set("synchronous_mode", mode != Profile::Mode::async);
  if (mode == Profile::Mode::strict) dcs.set("synchronous_mode_strict", true);
  if (mode == Profile::Mode::async) dcs.set("maximum_lag_on_failover", 40'000);  // some seconds
  if (failsafe) dcs.set("failsafe_mode", true);
  dcs.set("postgresql", model::Value::object()).set("use_pg_rewind", use_pg_rewind);
  if (founded_as_standby) dcs.set("standby_cluster", where_the_remote_is());
  return dcs;
}

Shape shape_of(const Profile& profile, std::uint64_t seed) {
  std::mt19937_64 random(seed ^ 0x9e3779b97f4a7c15);
  Shape shape;
  // Every part is drawn in any case, so that naming one of them changes nothing else.
  const auto mode = random() % 3 + 1, pace = random() % 3 + 1, nodes = random() % 10;
  shape.mode =
      profile.mode != Profile::Mode::drawn ? profile.mode : static_cast<Profile::Mode>(mode);
  shape.pace =
      profile.pace != Profile::Pace::drawn ? profile.pace : static_cast<Profile::Pace>(pace);
  // Three nodes most of the time: that is what people have.
  constexpr int kNodes[] = {1, 2, 2, 3, 3, 3, 3, 4, 5, 5};
  shape.nodes = profile.nodes != 0 ? profile.nodes : kNodes[nodes];
  shape.use_pg_rewind = random() % 3 != 0;
  shape.archive = profile.archive || profile.restore;
  shape.fence = profile.fence;
  shape.failsafe = profile.failsafe;
  if (profile.heartbeat) shape.heartbeat = shape.pace == Profile::Pace::fast ? "fast" : "default";
  shape.last_may_not_lead = random() % 4 == 0 && shape.nodes > 2;
  shape.restore = profile.restore;
  shape.standby = profile.standby;
  shape.founded_as_standby = random() % 2 == 0 && shape.standby;
  return shape;
}

}  // namespace aurum::sim
