#include "backup/cluster_backups.h"

#include <algorithm>
#include <array>

#include "backup/remember.h"
#include "model/decode.h"
#include "model/restore.h"

namespace aurum::backup {

using model::int_at, model::Value;

namespace {

constexpr std::array<std::string_view, 6> kKinds{"stanza", "full",   "diff",
                                                 "incr",   "verify", "restore_test"};

std::optional<Run> read_run(const Value* value) {
  if (value == nullptr || !value->is_object()) return std::nullopt;
  const auto kind = parse_run_kind(model::string_at(*value, "kind"));
  if (!kind) return std::nullopt;
  return Run{.kind = *kind,
             .node = model::string_at(*value, "node"),
             .started = int_at(*value, "started"),
             .ended = int_at(*value, "ended"),
             .label = model::string_at(*value, "label"),
             .added = int_at(*value, "added"),
             .error = model::string_at(*value, "error"),
             .interrupted = model::flag_at(*value, "interrupted")};
}

}  // namespace

std::string_view to_string(RunKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::optional<RunKind> parse_run_kind(std::string_view text) {
  const auto found = std::ranges::find(kKinds, text);
  if (found == kKinds.end()) return std::nullopt;
  return static_cast<RunKind>(found - kKinds.begin());
}

void ClusterBackups::add(Run run) {
  failures = run.ok() ? 0 : failures + 1;
  if (run.ok()) good[run.kind] = run;
  remember(recent, std::move(run), kRecentRuns);
}

void ClusterBackups::add_stopped(Run run) {
  run.interrupted = true;
  remember(recent, std::move(run), kRecentRuns);
}

Value to_value(const Run& run) {
  Value out;
  out.set("kind", to_string(run.kind));
  out.set("node", run.node);
  out.set("started", run.started);
  if (run.ended != 0) out.set("ended", run.ended);
  if (!run.label.empty()) out.set("label", run.label);
  if (run.added != 0) out.set("added", run.added);
  if (!run.error.empty()) out.set("error", run.error);
  if (run.interrupted) out.set("interrupted", true);
  return out;
}

std::string encode(const ClusterBackups& state) {
  Value out, good = Value::object(), recent = Value::array();
  for (const auto& [kind, run] : state.good) good.set(to_string(kind), to_value(run));
  for (const auto& run : state.recent) recent.push_back(to_value(run));
  out.set("system_identifier", state.system_identifier);
  out.set("version", state.version);
  if (state.running) out.set("running", to_value(*state.running));
  out.set("good", std::move(good));
  out.set("recent", std::move(recent));
  out.set("failures", state.failures);
  return model::to_json(out);
}

ClusterBackups decode_cluster_backups(std::string_view text) {
  const auto tree = model::parse_object(text);
  ClusterBackups out;
  out.system_identifier = model::string_at(tree, "system_identifier");
  out.version = model::string_at(tree, "version");
  out.running = read_run(tree.find("running"));
  if (const auto* good = tree.find("good"); good != nullptr && good->is_object())
    for (const auto& [name, value] : good->as_object())
      if (auto run = read_run(&value); run && to_string(run->kind) == name)
        out.good[run->kind] = std::move(*run);
  if (const auto* recent = tree.find("recent"); recent != nullptr && recent->is_array())
    for (const auto& value : recent->as_array())
      if (auto run = read_run(&value); run && out.recent.size() < kRecentRuns)
        out.recent.push_back(std::move(*run));
  out.failures = static_cast<int>(std::clamp<std::int64_t>(int_at(tree, "failures"), 0, 1000));
  return out;
}

std::string encode(const LockHolder& holder) {
  Value out;
  out.set("node", holder.node);
  out.set("kind", to_string(holder.kind));
  out.set("started", holder.started);
  if (holder.percent >= 0) out.set("percent", holder.percent);
  if (!holder.doing.empty()) out.set("doing", holder.doing);
  return model::to_json(out);
}

std::optional<LockHolder> decode_lock_holder(std::string_view text) {
  const auto tree = model::parse_object(text);
  const auto kind = parse_run_kind(model::string_at(tree, "kind"));
  // A lock that is not understood is a lock all the same.
  const auto* percent = tree.find("percent");
  return LockHolder{.node = model::string_at(tree, "node"),
                    .kind = kind.value_or(RunKind::incr),
                    .started = int_at(tree, "started"),
                    .percent = percent != nullptr && percent->is_number() ? percent->as_real() : -1,
                    .doing = model::string_at(tree, "doing")};
}

std::string encode(const BackupNode& node) {
  Value out;
  out.set("host", node.host);
  out.set("tls_port", node.tls_port);
  out.set("data_dir", node.data_dir);
  out.set("socket_dir", node.socket_dir);
  out.set("user", node.user);
  out.set("port", node.port);
  return model::to_json(out);
}

std::optional<BackupNode> decode_backup_node(std::string_view text) {
  const auto tree = model::parse_object(text);
  BackupNode out{.host = model::string_at(tree, "host"),
                 .tls_port = static_cast<int>(int_at(tree, "tls_port")),
                 .data_dir = model::string_at(tree, "data_dir"),
                 .socket_dir = model::string_at(tree, "socket_dir"),
                 .user = model::string_at(tree, "user"),
                 .port = static_cast<int>(int_at(tree, "port"))};
  // They become lines of a file.
  const auto plain = [](const std::string& line) {
    return line.find_first_of("\r\n") == line.npos;
  };
  const bool fits = plain(out.host) && plain(out.data_dir) && plain(out.socket_dir) &&
                    plain(out.user) && out.data_dir.starts_with('/') && out.port > 0;
  if (!fits) return std::nullopt;
  return out;
}

BackupKeys decode_backup_keys(const std::vector<model::KeyValue>& keys) {
  BackupKeys out;
  for (const auto& kv : keys) {
    if (kv.key == kStateKey) {
      out.state = decode_cluster_backups(kv.value);
      out.state.revision = kv.mod_revision;
    } else if (kv.key == kLockKey) {
      out.lock = decode_lock_holder(kv.value);
    } else if (kv.key == kRestoreTestKey) {
      out.trials = decode_trial_state(kv.value);
      out.trials.revision = kv.mod_revision;
    } else if (kv.key == kTrialLockKey) {
      out.trial_lock = decode_lock_holder(kv.value);
    } else if (kv.key == kRestoreKey) {
      const auto restore = model::decode_restore(kv.value);
      out.restoring = !restore || (restore->step != model::RestoreStep::done &&
                                   restore->step != model::RestoreStep::confirm);
    } else if (kv.key.starts_with(kNodesKey)) {
      if (auto node = decode_backup_node(kv.value))
        out.nodes[kv.key.substr(kNodesKey.size())] = std::move(*node);
    }
  }
  return out;
}

}  // namespace aurum::backup
