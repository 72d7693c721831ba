#include "cli/restore_options.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "cli/timestamp.h"

namespace aurum::cli {

const char* const kRestoreHelp = R"(Usage: aurum restore [-c CONFIG] TARGET [options]
       aurum restore [-c CONFIG] --status | --continue | --undo | --confirm

Takes the whole cluster back to a moment in its past: stops all members,
restores one of them from pgBackRest, replays WAL up to the target, lets it lead
on a new timeline, rebuilds the others and takes a backup. The agents do it; this
command asks them to, and shows how far they are. Run it on a database node.

Target
  --time TIME          as it was then: "2026-11-23 04:00:00+01"; local without zone
  --lsn LSN            a position in the WAL, as pg_current_wal_lsn() prints it
  --xid XID            with this transaction as the last
  --name NAME          a point that pg_create_restore_point() made
  --latest             all that was archived

Options
  --plan               show backup, window and what is lost; change nothing
  --timeline N         along this timeline; default: the present one
  --backup LABEL       begin with this backup (aurum backup list)
  --node NAME          the member to restore; default: a replica, so that the
                       leader's data stays as it is until you confirm
  --discard-old-data   do not keep the data as it is now: no way back
  --yes, --force       do not ask
  --json               for programs: the plan, or the state

A cluster of its own
  --to-new-cluster NAME --data-dir DIR
                       restores into the empty folder DIR instead, as the data of
                       a new cluster NAME with an identity of its own; this one is
                       not touched. As bootstrap method: docs/RESTORE.md
  --bring-back         as bootstrap method only: the cluster itself, all of whose
                       members are lost, with the identity and stanza it had
  --as-replica --data-dir DIR
                       the newest backup as a replica's data: what the method
                       pgbackrest of create_replica_methods runs;
                       with --unless-slower not when more WAL was written behind
                       the backup than the database is large

While one is on, and after it
  --status             which step, on which member
  --continue           go on after an error was mended; or just watch again
  --undo               back to the data from before the restore
  --confirm            the result is good: remove the old data

Examples
  aurum restore -c /etc/aurum/node.yml --time "2026-11-23 04:00:00" --plan
  aurum restore -c /etc/aurum/node.yml --time "2026-11-23 04:00:00"
  aurum restore -c /etc/aurum/node.yml --confirm
  aurum restore -c /etc/aurum/node.yml --latest --to-new-cluster test \
    --data-dir /data/test
)";

namespace {

Result<model::Timeline> parse_timeline(std::string_view text) {
  model::Timeline value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value == 0)
    return fail(Code::invalid, fmt::format("'{}' is no timeline", text));
  return value;
}

std::optional<model::RecoveryTarget::Kind> target_kind(std::string_view word) {
  using Kind = model::RecoveryTarget::Kind;
  for (const auto kind : {Kind::latest, Kind::time, Kind::lsn, Kind::xid, Kind::name})
    if (word == fmt::format("--{}", model::to_string(kind))) return kind;
  return std::nullopt;
}

std::optional<RestoreOptions::Action> action_of(std::string_view word) {
  using Action = RestoreOptions::Action;
  if (word == "--status") return Action::status;
  if (word == "--continue") return Action::resume;
  if (word == "--undo") return Action::undo;
  if (word == "--confirm") return Action::confirm;
  return std::nullopt;
}

bool take_flag(RestoreOptions& out, std::string_view word) {
  bool* flag = word == "--discard-old-data"           ? &out.discard_old_data
               : word == "--plan"                     ? &out.plan_only
               : word == "--as-replica"               ? &out.as_replica
               : word == "--unless-slower"            ? &out.unless_slower
               : word == "--bring-back"               ? &out.bring_back
               : word == "--yes" || word == "--force" ? &out.yes
               : word == "--json"                     ? &out.json
               : word == "--help" || word == "-h"     ? &out.help
                                                      : nullptr;
  if (flag != nullptr) *flag = true;
  return flag != nullptr;
}

Status take_value(RestoreOptions& out, std::string_view word, std::string value) {
  if (word == "-c" || word == "--config-file") {
    out.config = std::move(value);
  } else if (word == "--backup") {
    out.backup = std::move(value);
  } else if (word == "--node") {
    out.node = std::move(value);
  } else if (word == "--to-new-cluster" || word == "--scope") {
    out.new_cluster = std::move(value);
  } else if (word == "--data-dir" || word == "--datadir") {
    out.data_dir = std::move(value);
  } else {
    const auto timeline = parse_timeline(value);
    if (!timeline) return fail(timeline.error());
    out.timeline = *timeline;
  }
  return {};
}

bool wants_value(std::string_view word) {
  return word == "-c" || word == "--config-file" || word == "--backup" || word == "--node" ||
         word == "--timeline" || word == "--to-new-cluster" || word == "--data-dir" ||
         word == "--scope" || word == "--datadir";
}

}  // namespace

Result<RestoreOptions> parse_restore_options(std::span<char* const> arguments) {
  RestoreOptions out;
  if (const char* file = std::getenv("PATRONI_CONFIG_FILE")) out.config = file;
  int actions = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    // As bootstrap methods are called: --scope=NAME --datadir=DIR.
    const auto equals = word.starts_with("--") ? word.find('=') : word.npos;
    std::string value(equals == word.npos ? "" : word.substr(equals + 1));
    word = word.substr(0, equals);
    const auto kind = target_kind(word);
    if ((kind && *kind != model::RecoveryTarget::Kind::latest) || wants_value(word)) {
      if (equals == word.npos) {
        if (++i == arguments.size())
          return fail(Code::invalid, fmt::format("{} needs a value", word));
        value = arguments[i];
      }
    } else if (equals != word.npos) {
      return fail(Code::invalid, fmt::format("{} takes no value", word));
    }
    if (kind) {
      if (kind == model::RecoveryTarget::Kind::time) {
        auto time = parse_schedule(value);
        if (!time || time->empty())
          return fail(Code::invalid, fmt::format("'{}' is no time", value),
                      "Write it as \"2026-11-23 04:00:00+00\".");
        value = std::move(*time);
      }
      ++actions;
      out.action = RestoreOptions::Action::request;
      out.target = model::RecoveryTarget{*kind, std::move(value)};
    } else if (const auto action = action_of(word)) {
      ++actions;
      out.action = *action;
    } else if (wants_value(word)) {
      const auto taken = take_value(out, word, std::move(value));
      if (!taken) return fail(taken.error());
    } else if (!take_flag(out, word)) {
      return fail(Code::invalid, fmt::format("unknown argument '{}'", word));
    }
  }
  if (out.help) return out;
  if (out.as_replica && !out.target) {
    ++actions;
    out.target = model::RecoveryTarget{};
  }
  if (out.as_replica || !out.new_cluster.empty()) {
    if (!out.target) return fail(Code::invalid, "say up to where: --time, --latest, …");
    if (out.as_replica && out.bring_back)
      return fail(Code::invalid, "--as-replica and --bring-back exclude each other");
    if (out.data_dir.empty()) return fail(Code::invalid, "say where to: --data-dir DIR");
    out.action = RestoreOptions::Action::copy;
  }
  if (out.unless_slower && !out.as_replica)
    return fail(Code::invalid, "--unless-slower is for --as-replica");
  if (out.bring_back && out.action != RestoreOptions::Action::copy)
    return fail(Code::invalid, "--bring-back is for a bootstrap method: docs/RESTORE.md");
  if (actions == 0)
    return fail(Code::invalid, "say where to: --time, --lsn, --xid, --name, --latest");
  if (actions > 1) return fail(Code::invalid, "only one target, or one of the other actions");
  return out;
}

}  // namespace aurum::cli
