#include "sim/postgres.h"

#include <algorithm>

namespace aurum::sim {

using model::Lsn;

Lsn Wal::end_on(int branch) const {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i].branch == branch) return i + 1 < path.size() ? path[i + 1].begin : end;
  }
  return {};
}

bool Wal::is_prefix_of(const Wal& other) const {
  if (path.size() > other.path.size() || path.empty()) return false;
  if (!std::equal(path.begin(), path.end(), other.path.begin())) return false;
  const Lsn shared = path.size() < other.path.size() ? other.path[path.size()].begin : other.end;
  return end <= shared;
}

void Wal::cut(Lsn lsn) {
  while (path.size() > 1 && path.back().begin >= lsn) path.pop_back();
  end = std::min(end, lsn);
}

model::History Wal::history() const {
  model::History history;
  for (std::size_t i = 1; i < path.size(); ++i)
    history.push_back(
        {path[i - 1].timeline, path[i].begin, "no recovery target specified", "", ""});
  return history;
}

void Postgres::start(const model::PgTarget& with, int new_pid, std::string at) {
  alive = accepting = true;
  hung = streaming = shutting_down = postmaster_paused = backends_paused = false;
  flushed = wal.end;
  streams_from.clear();
  in_recovery = !with.primary;
  pid = new_pid;
  started = std::move(at);
  target = with;
  sync_names = with.synchronous_standby_names.value_or("");
  control_state = in_recovery ? "in archive recovery" : "in production";
}

void Postgres::write_last_record() {
  if (!in_recovery) {
    checkpoint = wal.end;
    checkpoint_timeline = wal.timeline();
    wal.end.value += kCheckpointRecord;
    control_state = "shut down";
    flushed = wal.end;
  } else {
    flushed = wal.end;
    lags = false;
    control_state = "shut down in recovery";
  }
}

void Postgres::end_cleanly() {
  alive = accepting = streaming = hung = shutting_down = false;
  streams_from.clear();
}

void Postgres::crash() {
  // pg_control keeps the state of the running server.
  alive = accepting = streaming = hung = shutting_down = false;
  streams_from.clear();
}

void Postgres::promote(int branch, model::Timeline timeline) {
  in_recovery = streaming = false;
  streams_from.clear();
  wal.path.push_back({branch, timeline, wal.end});
  checkpoint = wal.end;
  checkpoint_timeline = wal.timeline();
  wal.end.value += kCheckpointRecord;
  flushed = wal.end;
  control_state = "in production";
}

void Postgres::lose_unflushed(Lsn end) {
  if (data != model::DataDir::ready || end >= wal.end) return;
  wal.end = std::max(end, wal.path.back().begin);
  checkpoint = std::min(checkpoint, wal.end);
}

void Postgres::forget(Lsn end) {
  const Lsn before = wal.end;
  lose_unflushed(end);
  flushed = std::min(flushed, wal.end);
  forgot |= wal.end < before;
}

void Postgres::copy_wal(const Postgres& from) {
  if (wal.path != from.wal.path) wal.path = from.wal.path;
  wal.end = from.flushed;
  served = 0;
  lags = false;
}

void Postgres::flush_copied(const Postgres& from) {
  flushed = wal.end;
  forgot = from.forgot;
}

std::optional<model::ControlData> Postgres::control() const {
  if (data != model::DataDir::ready) return std::nullopt;
  model::ControlData control;
  control.state = control_state;
  control.system_identifier = system_identifier;
  control.pg_version = 15;
  control.timeline = checkpoint_timeline;
  control.checkpoint = checkpoint;
  control.redo = checkpoint;
  if (control_state == "in archive recovery" || control_state == "shut down in recovery") {
    control.minimum_recovery_end = lags ? checkpoint : wal.end;
    control.minimum_recovery_timeline = wal.timeline();
  }
  control.data_checksums = rewindable;
  return control;
}

}  // namespace aurum::sim
