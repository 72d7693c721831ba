#include "stack/bench_run.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "runtime/clock.h"
#include "stack/nap.h"
#include "stack/versions.h"

namespace aurum::stack {

namespace {

bool wait_until(Interrupts& interrupts, Instant until, const std::function<bool()>& done) {
  while (!done()) {
    if (runtime::now() >= until || interrupts.came()) return false;
    nap(milliseconds(20));
  }
  return true;
}

bool wait_until(Interrupts& interrupts, Duration timeout, const std::function<bool()>& done) {
  return wait_until(interrupts, runtime::now() + timeout, done);
}

void note(Run& run, const std::string& text) { run.note += (run.note.empty() ? "" : "; ") + text; }

/// Where it listens, as its rows name it.
std::string address(const NodePlan& node) {
  return fmt::format("{}:{}", node.host, node.postgres_port);
}

}  // namespace

Result<std::unique_ptr<Arm>> Arm::start(const std::string& agent, const FailoverOptions& options) {
  std::unique_ptr<Arm> arm(new Arm);
  auto scratch = Scratch::make();
  if (!scratch) return fail(scratch.error());
  arm->scratch_ = std::move(*scratch);
  Plan& plan = arm->scratch_->plan();
  if (auto known = set_agent(plan, agent); !known) return fail(known.error());
  if (options.ttl > 0) set_ttl(plan, options.ttl);
  plan.failsafe = options.failsafe;
  plan.sync = options.sync ? "on" : "off";
  const auto way = way_from(options.through);
  if (!way) return fail(way.error());
  if (auto planned = plan_door(plan, *way); !planned) return fail(planned.error());
  const Instant began = runtime::now();
  auto started = arm->scratch_->start(seconds(90));
  if (!started) return fail(started.error());
  const Duration took = runtime::now() - began;
  Cluster& cluster = arm->cluster();
  const Cost cost = measure_cost(cluster, seconds(3));
  const auto versions = installed_versions(cluster, 0);
  arm->record_ = {.agent = agent,
                  .version = versions ? versions->agent : "",
                  .ttl_s = cluster.plan().ttl,
                  .zero_to_healthy_s = to_seconds(took),
                  .pss_mb = cost.pss_mb,
                  .cpu_percent = cost.cpu_percent};
  if (plan.own_agent()) {
    arm->pages_ = std::make_unique<PageWatch>(cluster);
    if (auto all = arm->pages_->wait_for_all(seconds(5)); !all) return fail(all.error());
  }
  auto workload = Workload::start(
      cluster,
      {.clients = options.clients, .rate = options.rate, .conninfo = cluster.door_conninfo(*way)});
  if (!workload) return fail(workload.error());
  arm->workload_ = std::move(*workload);
  arm->workload_->pause();
  return arm;
}

bool Arm::wait_healthy(Interrupts& interrupts, Duration timeout) {
  return wait_until(interrupts, timeout, [&] { return cluster().observe().healthy(); });
}

void Arm::inject(const Run& run, std::size_t etcd) {
  switch (run.fault) {
    case Fault::pg_kill:
      cluster().kill(run.leader, Part::postgres);
      return;
    case Fault::node_kill:
      cluster().kill(run.leader, Part::node);
      return;
    case Fault::agent_kill:
      cluster().kill(run.leader, Part::agent);
      return;
    case Fault::agent_stop:
      cluster().freeze(run.leader, Part::agent);
      return;
    case Fault::pg_freeze:
      cluster().freeze(run.leader, Part::postgres);
      return;
    case Fault::etcd_leader_kill:
      cluster().kill_etcd(etcd);
      return;
    case Fault::switchover:
      return;  // asked for by REST, see watch_event
  }
}

Status Arm::heal(const Run& run, std::size_t etcd) {
  if (run.fault == Fault::pg_freeze) cluster().thaw(run.leader, Part::postgres);
  if (run.fault == Fault::agent_stop) cluster().thaw(run.leader, Part::agent);
  if (run.fault == Fault::etcd_leader_kill) return cluster().start_etcd(etcd);
  return cluster().start_node(run.leader);
}

/// Heals, waits for health, and as a last resort gives the node an empty directory to be cloned
/// into.
void Arm::recover(Run& run, std::size_t etcd, Interrupts& interrupts) {
  auto healed = heal(run, etcd);
  if (!healed) note(run, healed.error().message);
  if (wait_healthy(interrupts, seconds(90)) || interrupts.came()) return;
  const View view = cluster().observe();
  note(run, fmt::format("no recovery in 90 s ({})", view.trouble));
  cluster().kill(run.leader, Part::node);
  // Its data may be thrown away only when another node leads and can be cloned from.
  const bool led_elsewhere = view.leader && *view.leader != run.leader;
  const Status wiped = led_elsewhere ? cluster().wipe_node(run.leader) : Status{};
  auto started = cluster().start_node(run.leader);
  if (!wiped || !started || !wait_healthy(interrupts, seconds(60)))
    note(run, led_elsewhere ? "not even after a new clone" : "not even after its restart");
}

void Arm::watch_event(Run& run, const LeaderKey& before, std::size_t etcd, Duration heal_after,
                      Interrupts& interrupts) {
  const PhaseWatch watch(cluster(), before);
  nap(milliseconds(200));
  std::future<Status> asked;
  run.first_id = workload_->next_id();
  run.at = runtime::now();
  if (run.fault == Fault::switchover) {
    asked = std::async(std::launch::async, [this] { return cluster().switchover(); });
  } else {
    inject(run, etcd);
  }
  if (moves_leader(run.fault)) {
    Duration bound = seconds(cluster().plan().ttl + 15);
    if (lasts(run.fault)) bound = std::min(bound, heal_after);
    if (!wait_until(interrupts, bound, [&] { return watch.seen().promoted.has_value(); }))
      note(run, fmt::format("no other leader in {:.0f} s", to_seconds(bound)));
  }
  if (asked.valid()) {
    auto answer = asked.get();
    if (!answer) note(run, answer.error().message);
  }
  const auto writes_again = [&] {
    const auto last = workload_->history().last_acked();
    return last && *last > run.at + milliseconds(1000);
  };
  if (!wait_until(interrupts, seconds(60), writes_again) && run.fault != Fault::pg_freeze)
    note(run, "no write in 60 s");
  // A second primary must have the time to show itself.
  nap(milliseconds(1500));
  if (lasts(run.fault)) wait_until(interrupts, run.at + heal_after, [] { return false; });
  run.phases = watch.seen();
}

void Arm::run(Fault fault, int repetition, Duration heal_after, Interrupts& interrupts) {
  Run run;
  run.fault = fault;
  run.repetition = repetition;
  workload_->resume();
  if (!workload_->wait_for_write(runtime::now() + seconds(1), seconds(30)))
    note(run, "no writes before the event");
  const auto leader = cluster().leader();
  const auto etcd = cluster().etcd_leader();
  auto before = cluster().leader_key();
  if (!leader || !etcd || !before) {
    run.at = run.healed = run.until = runtime::now();
    run.first_id = run.end_id = workload_->next_id();
    note(run, "no leader before the event");
  } else {
    run.leader = *leader;
    watch_event(run, *before, *etcd, heal_after, interrupts);
    run.healed = runtime::now();
    recover(run, *etcd, interrupts);
    workload_->wait_for_write(runtime::now(), seconds(30));
    nap(milliseconds(500));
    run.until = runtime::now();
  }
  workload_->pause();
  run.end_id = workload_->next_id();
  runs_.push_back(std::move(run));
}

/// By the page where there is one. Another agent leads by its key alone: what its server took after
/// that key was seen to be gone, and before it was its own again, is past it. Once its agent is
/// back it may have the key again, if only by writing over another's: nothing is counted from then
/// on.
Past Arm::judge_deadline(const Run& run, const std::vector<Reign>& reigns,
                         const Acknowledged& row) {
  const auto& nodes = cluster().plan().nodes;
  const auto by = std::find_if(nodes.begin(), nodes.end(),
                               [&](const NodePlan& n) { return address(n) == row.node; });
  if (by == nodes.end()) return Past::maybe;
  if (pages_)
    return judge_past(spans_[static_cast<std::size_t>(by - nodes.begin())], row.sent, row.acked);
  const Reign* former = nullptr;
  for (const Reign& reign : reigns)
    if (reign.first < run.at && reign.node == address(nodes[run.leader])) former = &reign;
  if (former == nullptr || row.node != former->node || row.timeline != former->timeline)
    return Past::no;
  if (!run.phases.detected || row.acked <= *run.phases.detected || row.acked >= run.healed)
    return Past::no;
  const bool its_own = run.phases.acquired && run.phases.owner == run.leader;
  if (its_own && row.acked >= *run.phases.acquired) return Past::no;
  return row.sent > *run.phases.detected ? Past::yes : Past::maybe;
}

RunRecord Arm::record_of(const Run& run, const std::vector<Acknowledged>& acked,
                         const Verdict& verdict, Instant from, Instant until) {
  const auto since = [&](const std::optional<Instant>& at) {
    return at ? std::optional(to_seconds(*at - run.at)) : std::nullopt;
  };
  const auto within = [&](const Acknowledged& row) {
    return row.acked >= from && row.acked < until;
  };
  const auto count = [&](const std::vector<Acknowledged>& rows) {
    return static_cast<std::size_t>(std::count_if(rows.begin(), rows.end(), within));
  };
  const auto begun_in = [&](const std::set<std::int64_t>& ids) {
    return static_cast<std::size_t>(
        std::distance(ids.lower_bound(run.first_id), ids.lower_bound(run.end_id)));
  };
  RunRecord record{.repetition = run.repetition,
                   .agent = record_.agent,
                   .event = std::string(to_string(run.fault)),
                   .outage_s = to_seconds(longest_gap(acked, run.at, run.until)),
                   .detect_s = since(run.phases.detected),
                   .acquire_s = since(run.phases.acquired),
                   .promote_s = since(run.phases.promoted),
                   .first_write_s = std::nullopt,
                   .rows = count(acked),
                   .refused = begun_in(workload_->history().refused_ids()),
                   .unknown = begun_in(workload_->history().unknown_ids()),
                   .lost = count(verdict.lost),
                   .second_writer = count(verdict.second_writer),
                   .note = run.note};
  // Below a tenth of a second the longest gap is the usual unevenness, and its end says nothing.
  if (record.outage_s >= 0.1) record.first_write_s = since(gap_end(acked, run.at, run.until));
  for (const Acknowledged& row : acked) {
    if (!within(row)) continue;
    const Past past = judge_deadline(run, verdict.reigns, row);
    record.past += past == Past::yes ? 1U : 0U;
    record.maybe_past += past == Past::maybe ? 1U : 0U;
  }
  return record;
}

void Arm::judge() {
  const auto rows = read_rows(cluster());
  record_.rows_read = rows.has_value();
  const Verdict verdict =
      stack::judge(workload_->history(), rows ? *rows : std::set<std::int64_t>{});
  const auto acked = workload_->history().acknowledged();
  spans_.clear();
  for (std::size_t i = 0; pages_ && i < cluster().plan().nodes.size(); ++i)
    spans_.push_back(pages_->seen(i));
  record_.acknowledged = verdict.acknowledged;
  record_.lost = verdict.lost.size();
  record_.second_writer = verdict.second_writer.size();
  record_.resurrected = verdict.resurrected.size();
  record_.past = 0;
  records_.clear();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const Instant from = i == 0 ? Instant{0} : runs_[i].at;
    const Instant until = i + 1 < runs_.size() ? runs_[i + 1].at : kNever;
    records_.push_back(record_of(runs_[i], acked, verdict, from, until));
    record_.past += records_.back().past;
  }
}

}  // namespace aurum::stack
