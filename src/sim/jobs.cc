// Jobs: what pg/ does, with durations and faults.

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "sim/world.h"

namespace aurum::sim {

using model::DataDir;

namespace {

/// How often a stop that a paused server does not hear is looked at.
constexpr Duration kLook = milliseconds(500);
/// Within this a store that is not slow has answered.
constexpr Duration kAnswer = milliseconds(5);
/// A resolver that does not answer is given up after this.
constexpr Duration kResolver = seconds(5);

}  // namespace

Duration World::lookup(const Node& n) const {
  return n.names == Node::Names::hang ? kResolver : Duration{0};
}

void World::end_job(Node& n, int life, JobId id, Result<JobResult> result) {
  if (n.paused(Queue::Process::loop, now_)) {  // the server's work ends; the agent hears later
    return at_agent(n, Duration{0}, [this, &n, life, id, result = std::move(result)]() mutable {
      end_job(n, life, id, std::move(result));
    });
  }
  if (!n.core || n.life != life || n.jobs.erase(id) == 0) return;
  probe(n);
  if (n.core && n.life == life) step(n, JobDone{id, std::move(result)});
}

void World::job(Node& n, JobId id, const InitDb&) {
  ++initdbs;
  const auto* initialize = store.find("initialize");
  // The answer to the claim was on its way when the store ended its lease, or the agent stood
  // still. The lock decides then whose cluster it is.
  const Instant stood_still = n.paused_until[static_cast<std::size_t>(Queue::Process::loop)];
  const bool lost = initialize == nullptr && (now_ < n.lied_until - n.lease_ttl + kAnswer ||
                                              (stood_still.ns > 0 && now_ < stood_still + kAnswer));
  if (!lost && (initialize == nullptr || !initialize->value.empty()))
    violation(Rule::initdb, n.name + " runs initdb, and the store does not wait for a new cluster");
  if (n.config.bootstrap.dcs.find("standby_cluster") != nullptr)
    violation(Rule::initdb, n.name + " runs initdb, and the cluster is founded from another one");
  if (n.pg.data != DataDir::empty)
    violation(Rule::initdb, n.name + " runs initdb into a directory with data");
  n.pg.data = DataDir::incomplete;
  at_agent(n, milliseconds(500), [this, &n, id] {
    if (!n.jobs.contains(id)) return;
    Postgres& pg = n.pg;
    pg.data = DataDir::ready;
    pg.founding = true;
    pg.system_identifier = fmt::format("{}", 7'000'000'000 + next_branch_);
    pg.wal = {{{next_branch_++, 1, model::Lsn{0}}}, model::Lsn{0x1000000}};
    pg.flushed = pg.wal.end;
    pg.control_state = "shut down";
    pg.checkpoint = model::Lsn{0x1000000 - kCheckpointRecord};
    pg.checkpoint_timeline = 1;
    end_job(n, n.life, id, JobResult{Initialized{pg.system_identifier}});
  });
}

void World::job(Node& n, JobId id, const PostBootstrap& job) {
  at_agent(n, milliseconds(100), [this, &n, id, only_mark = job.only_mark] {
    if (only_mark)
      n.pg.founding = false;
    else
      n.pg.roles = true;
    end_job(n, n.life, id, JobResult{});
  });
}

void World::job(Node& n, JobId id, const Clone& clone) {
  if (n.pg.data != DataDir::empty)
    violation(Rule::data_care, n.name + " copies into a directory with data");
  n.pg.data = DataDir::incomplete;
  const auto usable = [this, &n](const Node& from) {
    return connects(n, from) && from.pg.answers();
  };
  Node* from = nullptr;
  for (const auto& source : clone.sources) {
    Node& candidate = node(source.name);
    if (from == nullptr && usable(candidate)) from = &candidate;
  }
  at_agent(n, milliseconds(1000) + lookup(n), [this, &n, id, from, usable] {
    if (!n.jobs.contains(id)) return;
    if (from == nullptr || !usable(*from) || n.pg.failing_clones > 0) {
      if (n.pg.failing_clones > 0) --n.pg.failing_clones;
      return end_job(n, n.life, id, fail(Code::unavailable, "the copy broke off"));
    }
    n.pg.data = DataDir::ready;
    n.pg.system_identifier = from->pg.system_identifier;
    n.pg.copy_wal(from->pg);
    n.pg.flush_copied(from->pg);
    n.pg.roles = from->pg.roles;
    n.pg.slots.clear();
    // As pg_basebackup leaves it: pg_control of the source, and a backup_label beside it.
    n.pg.control_state = from->pg.in_recovery ? "in archive recovery" : "in production";
    n.pg.backup_label = true;
    n.pg.checkpoint = n.pg.wal.end;
    n.pg.checkpoint_timeline = n.pg.wal.timeline();
    end_job(n, n.life, id, JobResult{CloneDone{{from->name, "", 5432}, "basebackup"}});
  });
}

/// The server is there at once, and answers later. It goes on without the agent.
void World::launch(Node& n, const model::PgTarget& target, std::function<void(Status)> then) {
  Postgres& pg = n.pg;
  const auto later = [this, &n, then](Duration in, Status status) {
    at_server(n, in, [then, status] { then(status); });
  };
  if (pg.alive) return later(milliseconds(2), fail(Code::exists, "it runs already"));
  if (pg.data != DataDir::ready) return later(milliseconds(2), fail(Code::invalid, "no data"));
  if (pg.failing_starts > 0 || pg.disk_full || pg.read_only) {
    pg.failing_starts = std::max(0, pg.failing_starts - 1);
    return later(milliseconds(50), fail(Code::io, "could not start"));
  }
  const bool standby_data = pg.control_state == "in archive recovery" ||
                            pg.control_state == "shut down in recovery" || pg.backup_label;
  if (target.primary && standby_data)
    violation(Rule::data_care,
              n.name + " opens a standby's data for writing on the timeline it received");
  const int pid = pg.pid = next_pid_++;
  pg.alive = true;
  pg.accepting = pg.hung = false;
  const Duration time = jitter(milliseconds(50), milliseconds(250)) + pg.slow_start;
  at_server(n, time, [&n, pid, target, then, this] {
    if (!n.up || !n.pg.alive || n.pg.pid != pid)
      return then(fail(Code::io, "it ended while starting"));
    n.pg.backup_label = false;
    n.pg.start(target, pid, fmt::format("{}", to_seconds(now_ - Instant{})));
    if (target.recovery) replay(n, pid, *target.recovery);
    then({});
  });
}

void World::job(Node& n, JobId id, const StartPg& start) {
  launch(n, start.target, [this, &n, id, life = n.life](Status status) {
    end_job(n, life, id, status ? Result<JobResult>(JobResult{}) : fail(status.error()));
  });
}

/// What it was stopped for may begin: it serves whoever streams from it until its archiver ends.
void World::write_last_record(Node& n) {
  if (!n.pg.in_recovery) {
    archived = n.pg.wal;
    archive(n, n.pg.wal.end);  // its last segment too
  }
  n.pg.write_last_record();
  // Its walsenders go last: who streams from it has all of it on disk, the last record too.
  for (Node* s : nodes()) {
    if (s->pg.streaming && s->pg.streams_from == n.name && linked(*s, n) &&
        s->pg.wal.is_prefix_of(n.pg.wal)) {
      s->pg.copy_wal(n.pg);
      s->pg.flush_copied(n.pg);
    }
  }
  remote_receives_the_last(n);
}

void World::halt(Node& n, model::StopMode mode, Duration timeout, std::function<void()> then,
                 std::function<void()> last_record) {
  Postgres& pg = n.pg;
  if (!pg.alive) return at_server(n, milliseconds(2), then);
  const int pid = pg.pid;
  if ((pg.hung || pg.postmaster_paused) && timeout > kLook) {
    // It hears nothing of the signal until it goes on.
    return at_server(n, kLook, [this, &n, mode, left = timeout - kLook, then, last_record] {
      halt(n, mode, left, then, last_record);
    });
  }
  const bool deaf = pg.hung || pg.postmaster_paused;
  const bool clean = mode != model::StopMode::immediate && !deaf && pg.accepting;
  const Duration time = deaf    ? timeout + seconds(1)
                        : clean ? jitter(milliseconds(30), milliseconds(120)) + pg.slow_stop
                                : Duration(milliseconds(10));
  const bool in_time = time <= timeout;
  // Its sessions end first; of an immediate stop nobody hears before the signal.
  if (mode != model::StopMode::immediate) pg.accepting = false;
  pg.shutting_down = clean;
  at_server(n, std::min(time, timeout), [=, this, &n] {
    const bool stuck = n.pg.hung && n.pg.unkillable;
    if (!n.pg.alive || n.pg.pid != pid || stuck) return then();
    const bool ends_well = clean && in_time && !n.pg.read_only;  // else it is a panic
    if (ends_well) {
      write_last_record(n);
      if (!n.pg.in_recovery) last_record();
    }
    const Duration rest = ends_well && !n.pg.in_recovery ? n.pg.slow_archiver : Duration{0};
    const auto end = [this, &n, pid, ends_well, then] {
      if (n.pg.alive && n.pg.pid == pid) {
        ends_well ? n.pg.end_cleanly() : n.pg.crash();
        server_ended(n, "exit code 0");
      }
      then();
    };
    if (rest == Duration{0}) return end();
    at_server(n, std::min(rest, timeout - time), end);
  });
}

void World::shut_down_server(Node& n) {
  halt(n, model::StopMode::fast, seconds(60), [] {});
}

void World::job(Node& n, JobId id, const StopPg& stop) {
  const auto ended = [this, &n, id, life = n.life] {
    if (n.pg.alive) return end_job(n, life, id, fail(Code::timeout, "it does not end"));
    end_job(n, life, id, JobResult{});
  };
  const auto last_record = [this, &n, id, tell = stop.tell_last_record] {
    if (tell && n.core) post(n, LastRecordWritten{id, n.pg.checkpoint}, milliseconds(5));
  };
  halt(n, stop.mode, stop.timeout, ended, last_record);
}

void World::job(Node& n, JobId id, const RestartPg& restart) {
  halt(n, model::StopMode::fast, restart.timeout, [this, &n, id, life = n.life, restart] {
    if (n.life != life || !n.jobs.contains(id)) return;  // it is the agent that starts it again
    launch(n, restart.target, [this, &n, id, life](Status status) {
      end_job(n, life, id, status ? Result<JobResult>(JobResult{}) : fail(status.error()));
    });
  });
}

void World::job(Node& n, JobId id, const Configure& configure) {
  at_agent(n, milliseconds(20), [this, &n, id, target = configure.target] {
    if (!n.jobs.contains(id)) return;
    n.pg.target = target;
    n.pg.sync_names = target.synchronous_standby_names.value_or("");
    end_job(n, n.life, id, JobResult{Configured{true}});
  });
}

void World::job(Node& n, JobId id, const Promote& promote) {
  const int pid = n.pg.pid;
  const Duration time = jitter(milliseconds(40), milliseconds(150)) + n.pg.slow_promotion;
  at_server(n, time, [this, &n, id, pid, promote, life = n.life] {
    const bool there = n.pg.alive && n.pg.accepting && n.pg.pid == pid && !n.pg.hung;
    if (there && n.pg.late_promotions > 0) {
      --n.pg.late_promotions;
      at_server(n, jitter(milliseconds(1), seconds(1)), [this, &n, pid, promote, life] {
        if (n.life == life) check_promotion(n);
        if (n.pg.alive && n.pg.accepting && n.pg.pid == pid) promote_server(n, promote);
      });
      return end_job(n, life, id, fail(Code::timeout, "no answer to the promotion in time"));
    }
    if (!there || n.pg.failing_promotions > 0) {
      if (there) --n.pg.failing_promotions;
      return end_job(n, life, id, fail(Code::io, "promotion did not happen"));
    }
    if (n.life == life) check_promotion(n);
    promote_server(n, promote);
    end_job(n, life, id, JobResult{});
  });
}

void World::promote_server(Node& n, const Promote& promote) {
  if (n.pg.in_recovery)
    n.pg.promote(next_branch_++, std::max(n.pg.wal.timeline(), promote.above) + 1);
}

void World::job(Node& n, JobId id, const Checkpoint&) {
  // One that was begun in recovery is a restartpoint, also when the server is promoted meanwhile.
  const bool primary = n.pg.writable();
  at_agent(n, milliseconds(200) + n.pg.slow_calls, [this, &n, id, primary] {
    if (primary && n.pg.writable()) {
      n.pg.checkpoint = n.pg.wal.end;
      n.pg.checkpoint_timeline = n.pg.wal.timeline();
    }
    end_job(n, n.life, id, JobResult{});
  });
}

void World::job(Node& n, JobId id, const Inspect& inspect) {
  at_agent(n, milliseconds(5) + lookup(n), [this, &n, id, from = inspect.upstream.name] {
    const Node& up = node(from);
    if (!connects(n, up) || !up.pg.answers())
      return end_job(n, n.life, id, fail(Code::unavailable, "connection refused"));
    model::UpstreamState state;
    state.system_identifier = up.pg.system_identifier;
    state.timeline = up.pg.wal.timeline();
    state.position = up.pg.in_recovery ? up.pg.wal.end : up.pg.flushed;
    state.in_recovery = up.pg.in_recovery;
    state.history = up.pg.wal.history();
    Inspected inspected{std::move(state), std::nullopt};
    if (n.pg.answers() && n.pg.in_recovery)
      inspected.own = model::Replayed{n.pg.wal.timeline(), n.pg.flushed};
    end_job(n, n.life, id, JobResult{std::move(inspected)});
  });
}

void World::job(Node& n, JobId id, const CrashRecovery&) {
  at_agent(n, milliseconds(100), [this, &n, id] { end_job(n, n.life, id, JobResult{}); });
}

void World::job(Node& n, JobId id, const Rewind& rewind) {
  if (n.pg.alive) violation(Rule::data_care, n.name + " rewinds under a running server");
  at_agent(n, milliseconds(300) + lookup(n), [this, &n, id, from = rewind.source.name] {
    if (!n.jobs.contains(id)) return;
    const Node& up = node(from);
    const bool there = connects(n, up) && up.pg.answers();
    if (!there || !n.pg.rewindable || n.pg.failing_rewinds > 0) {
      if (n.pg.failing_rewinds > 0) --n.pg.failing_rewinds;
      return end_job(n, n.life, id, fail(Code::io, "pg_rewind failed"));
    }
    n.pg.copy_wal(up.pg);
    n.pg.flush_copied(up.pg);
    n.pg.control_state = "in archive recovery";
    n.pg.checkpoint = n.pg.wal.end;
    n.pg.checkpoint_timeline = n.pg.wal.timeline();
    end_job(n, n.life, id, JobResult{});
  });
}

void World::job(Node& n, JobId id, const ClearData&) {
  if (n.pg.alive) violation(Rule::data_care, n.name + " removes the data of a running server");
  at_agent(n, milliseconds(50), [this, &n, id] {
    if (!n.jobs.contains(id)) return;
    n.pg.data = DataDir::empty;
    n.pg.founding = n.pg.roles = false;
    n.pg.wal = {};
    n.pg.slots.clear();
    n.pg.backup_label = false;
    end_job(n, n.life, id, JobResult{});
  });
}

void World::job(Node& n, JobId id, const ChangeSlots& change) {
  at_agent(n, milliseconds(10) + n.pg.slow_calls, [this, &n, id, change] {
    for (const auto& name : change.drop)
      std::erase_if(n.pg.slots, [&](const model::Slot& s) { return s.name == name; });
    for (const auto& name : change.create) {
      model::Slot slot;
      slot.name = name;
      slot.restart_lsn = n.pg.wal.end;
      n.pg.slots.push_back(slot);
    }
    for (const auto& [name, lsn] : change.advance) {
      for (auto& slot : n.pg.slots) {
        if (slot.name == name) slot.restart_lsn = lsn;
      }
    }
    end_job(n, n.life, id, JobResult{});
  });
}

void World::job(Node& n, JobId id, const CopySlots& copy) {
  halt(n, model::StopMode::fast, copy.timeout, [this, &n, id, life = n.life, copy] {
    if (n.life != life || !n.jobs.contains(id)) return;
    for (const auto& wanted : copy.slots) {
      model::Slot slot;
      slot.name = wanted.name;
      slot.logical = true;
      slot.restart_lsn = slot.confirmed_flush_lsn = n.pg.wal.end;
      n.pg.slots.push_back(slot);
    }
    launch(n, copy.target, [this, &n, id, life](Status status) {
      end_job(n, life, id,
              status ? Result<JobResult>(JobResult{SlotsCopied{true}}) : fail(status.error()));
    });
  });
}

void World::job(Node& n, JobId id, const FindWalEnd&) {
  if (n.pg.alive) violation(Rule::data_care, n.name + " reads the WAL of a running server");
  at_agent(n, jitter(milliseconds(10), milliseconds(40)),
           [this, &n, id] { end_job(n, n.life, id, JobResult{WalEnd{n.pg.wal.end}}); });
}

void World::job(Node& n, JobId id, const ReadHistory&) {
  at_agent(n, milliseconds(5) + n.pg.slow_calls,
           [this, &n, id] { end_job(n, n.life, id, JobResult{n.pg.wal.history()}); });
}

}  // namespace aurum::sim
