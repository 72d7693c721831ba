#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/core.h"
#include "sim/postgres.h"
#include "sim/queue.h"

namespace aurum::sim {

// The world speaks the core's language all through: its events, effects and jobs.
using namespace core;

/// One database node: host, agent, guard and server.
struct Node {
  std::string name;
  model::LocalConfig config;

  int index = 0;  ///< among the world's nodes

  // The host and its network.
  bool up = true;
  int boot = 0;        ///< what its server and guard began before the last one is gone
  bool member = true;  ///< false: an operator took it out of the cluster, or did not add it yet
  bool reaches_store = true;
  bool reaches_peers = true;
  bool mute_to_store = false;  ///< its requests do not arrive
  bool deaf_to_store = false;  ///< answers and news of the store do not arrive
  std::uint32_t mute_to = 0;   ///< bits of the nodes that hear nothing of it
  int loss = 0;                ///< of 1000 calls so many are broken off
  Duration delay{};            ///< most that a call takes longer, each way
  /// Of the other nodes, for new connections; one that stands needs none.
  enum class Names { resolve, fail, hang } names = Names::resolve;
  Duration clock_ahead{};                 ///< this machine's CLOCK_BOOTTIME begins elsewhere
  std::int64_t clock_ppm = 0;             ///< and runs faster by so many millionths
  std::array<Instant, 5> paused_until{};  ///< by Queue::Process
  Instant thawed_at{-1};                  ///< the whole machine stood still until then
  Postgres pg;
  std::optional<DataDirectory> kept;  ///< the data directory of before a restore

  // The guard and its page; they outlive the agent, not the host.
  struct Page {
    PageState state = PageState::idle;
    std::uint64_t epoch = 0;
    Instant deadline;
    Instant by_consent;  ///< the members' promises reach so far
  } page;
  bool kill_pending = false;
  Instant lied_until;  ///< the store ended its lease, which would have lasted so long
  int guard_kills = 0;

  // The agent. `life` tells its instances apart: what a former one began can not reach this one.
  std::unique_ptr<Core> core;
  int life = 0;
  std::set<JobId> jobs;
  Duration lease_wanted{};
  model::LeaseId lease = 0;
  int lease_turn = 0;  ///< tells looks after it apart: the last one asked for counts
  Duration lease_ttl{};
  StartRenewing renewing;                        ///< epoch 0: not
  std::map<model::LeaseId, Instant> lease_kept;  ///< when the last answered keepalive was sent
  Instant lease_asked;                           ///< when the last one of the lock's was
  int renewal = 0;  ///< tells renewals apart: an answer to a former one moves nothing
  Instant proof_at;
  Instant wake_at = kNever;      ///< as asked for last
  Instant wake_queued = kNever;  ///< when it is looked at
  std::optional<std::pair<int, std::string>> exited;

  // Faults of the way to the store: how many of the next requests suffer.
  int lose_replies = 0;          ///< done, but nobody tells
  int delay_requests = 0;        ///< given up by the client, and done seconds later
  int double_requests = 0;       ///< done, and done once more a moment later
  int logins = 0;                ///< so many of its clients have to log in anew: the token expired
  std::size_t stale = 0;         ///< what it reads is so many revisions old
  bool watch_stalled = false;    ///< the watch says nothing, and does not end
  bool keepalives_lost = false;  ///< alone: all else arrives
  bool keepalive_lies = false;   ///< a lease that is gone is said to be kept (F5)

  model::DiskFacts disk;  ///< capacity 0: it tells nothing of it

  bool watchdog_broken = false;
  bool watchdog_armed = false;
  Duration watchdog_takes = milliseconds(1);

  // What it said.
  std::vector<Note> notes;
  std::vector<Instant> noted;  ///< when each was said
  std::vector<Reply> replies;
  std::vector<std::string> callbacks;

  bool said(const std::string& event) const;
  bool paused(Queue::Process process, Instant now) const {
    return now < paused_until[static_cast<std::size_t>(process)];
  }
  bool leads() const { return core && core->state().lead.held; }
};

}  // namespace aurum::sim
