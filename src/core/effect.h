#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "core/event.h"
#include "core/job.h"
#include "core/timing.h"
#include "model/txn.h"

/// Everything the core can ask of the shell. Effects of one step are carried out in their order;
/// where one must have *ended* before another may begin, the core waits for the event that says so.
namespace aurum::core {

/// Read the store now, linearizable. Answer: DcsSnapshot or DcsFailed.
struct ReadDcs {};
/// Answer: DcsWritten with the same id.
struct WriteDcs {
  std::uint64_t id = 0;
  std::string what;  ///< "acquire leader", for logs
  model::Txn txn;
};
/// Have a lease of this length for this member and keep it alive; a change of ttl takes a new one.
struct HoldLease {
  Duration ttl{};
};
/// The lease thread renews leadership from now on: keepalive, then a transaction that compares
/// `leader` with our name and lease. It moves the lease page's deadline to sent_at + `valid_for`
/// each time.
struct StartRenewing {
  std::uint64_t epoch = 0;
  /// The lease that `leader` is bound to. It is kept alive as long as it is renewed here, also
  /// after the member took another one: the core then binds `leader` anew and starts with that one.
  model::LeaseId lease = 0;
  Duration valid_for{};
  Duration interval{};
  /// Renew only while PostgreSQL proved itself alive within this time (0 = not asked: it is being
  /// promoted).
  Duration proof_max_age{};
  /// Every `interval` of it the check writes the heartbeat, comparing the epoch, and the deadline
  /// is the earlier one of the lease's and sent_at + `fence`.
  std::optional<BeatRate> beat = {};
  /// Before anything is sent the page's deadline becomes no later than this. In the same breath: an
  /// answer to a renewal of before that comes in between would move it past a heartbeat's.
  std::optional<Instant> at_most = {};
};
struct StopRenewing {};

/// State word of the lease page (fence/lease_page.h).
enum class PageState : std::uint32_t {
  idle = 0,         ///< no primary here: the guard kills nothing
  leased = 1,       ///< a primary may write until the deadline
  maintenance = 2,  ///< paused by the operator: allow
};
/// Written before any effect behind it is begun.
struct SetLeasePage {
  PageState state = PageState::idle;
  std::uint64_t epoch = 0;
  Instant deadline;
};
/// The page's deadline becomes no later than this; an earlier one, also of a former agent, stays.
struct ShortenLeasePage {
  Instant deadline;
};
/// The page's deadline becomes no earlier than this, while it is of this epoch: all who might take
/// the lock have promised to wait so long (failsafe.cc).
struct ExtendLeasePage {
  std::uint64_t epoch = 0;
  Instant deadline;
};
/// Look at PostgreSQL now. Answer: PgProbed.
struct ProbePg {};
/// The guard arms the machine's watchdog, or, without a time, only looks whether it could. It feeds
/// it until `tail` before the page's deadline, and disarms it when the page stops being `leased` or
/// the server is gone behind its deadline. Answer: WatchdogAnswered.
struct ArmWatchdog {
  Duration timeout{};
  Duration tail{};
};
/// The ballast files become so large, in bytes: room that is held back, to be given up when it is
/// needed. 0 = removed. DiskSeen tells.
struct HoldBallast {
  std::uint64_t data = 0;
  std::uint64_t wal = 0;
};
struct StartJob {
  JobId id = 0;
  Job job;
};
struct CancelJob {
  JobId id = 0;
};
struct PeerUrl {
  std::string name;
  std::string api_url;
};
/// GET /patroni of each. Answers: one PeerAnswered each, at the latest after `timeout`.
struct AskPeers {
  std::uint64_t round = 0;
  std::vector<PeerUrl> peers;
  Duration timeout{};
};
/// POST /failsafe to each: a promise to take no lock for `promise`, of their own clocks, from when
/// they hear of it. Answers: one PeerConsented each, at the latest after `timeout`.
struct AskConsent {
  std::uint64_t round = 0;
  std::uint64_t epoch = 0;
  Duration promise{};
  std::string conn_url, api_url;            ///< of this node, for a Patroni
  std::map<std::string, model::Lsn> slots;  ///< as the `status` key would have them
  std::vector<PeerUrl> peers;
  Duration timeout{};
};
struct Reply {
  RequestId request = 0;
  int status = 200;
  std::string text;
};
/// Runs postgresql.callbacks.<action> with (action, role, scope).
struct Callback {
  std::string action;
  model::Role role = model::Role::replica;
};
/// SIGKILL to the server and every process of it, at once; PgExited follows.
struct KillPg {
  std::string why;
};
/// A decision, for log, event ring and history.
struct Note {
  enum class Level { debug, info, warning, error };
  Level level = Level::info;
  std::string event;  ///< stable name: "promoted", "rejoin.rewind"
  std::string text;   ///< the sentence, in Patroni's wording where there is one (§5.3)
};
/// Wake the core with Tick at `at` at the latest. Replaces the former one.
struct WakeAt {
  Instant at;
};
/// The agent ends. PostgreSQL has been dealt with.
struct Exit {
  int code = 0;
  std::string why;
};

using Effect =
    std::variant<ReadDcs, WriteDcs, HoldLease, StartRenewing, StopRenewing, SetLeasePage,
                 ShortenLeasePage, ExtendLeasePage, ArmWatchdog, ProbePg, HoldBallast, StartJob,
                 CancelJob, AskPeers, AskConsent, Reply, Callback, KillPg, Note, WakeAt, Exit>;

}  // namespace aurum::core
