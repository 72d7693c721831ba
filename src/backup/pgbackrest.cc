#include "backup/pgbackrest.h"

#include <charconv>

#include <fmt/format.h>

#include "backup/pgbackrest_error.h"
#include "pg/control_data.h"
#include "pg/files.h"
#include "pg/programs.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

constexpr Duration kAsk = seconds(60);
/// A backup of a large database takes hours; somebody who waits can cancel it.
constexpr Duration kWork = std::chrono::hours(72);
/// run_process hands over longer lines in pieces of this size.
constexpr std::size_t kPiece = 65536;
constexpr std::size_t kMostOutput = 64UL << 20;

Error lost_stanza(const model::BackupConfig& backup) {
  return {Code::not_found,
          fmt::format("the repository has lost the stanza {}, which was in it", backup.stanza),
          fmt::format("Mount the repository. If it is gone for good, remove {} to begin a new one.",
                      (backup.work_dir / "stanza-seen").string())};
}

}  // namespace

double percent_of(std::string_view line) {
  const auto close = line.rfind("%)");
  const bool copied =
      line.find("backup file ") != line.npos || line.find("restore file ") != line.npos;
  if (close == line.npos || !copied) return -1;
  line = line.substr(0, close);
  const auto blank = line.rfind(' ');
  if (blank == line.npos) return -1;
  double value = -1;
  const auto [end, ec] = std::from_chars(line.data() + blank + 1, line.data() + line.size(), value);
  const bool whole = ec == std::errc() && end == line.data() + line.size();
  return whole && value >= 0 && value <= 100 ? value : -1;
}

Result<StanzaStep> stanza_step(const Catalogue& catalogue, int major,
                               std::string_view system_identifier, std::string_view seen) {
  if (catalogue.status == kStanzaMissing) return StanzaStep::create;
  if (catalogue.databases.empty()) return fail(Code::unavailable, catalogue.message);
  const auto& newest = catalogue.databases.back();
  int version = 0;
  std::from_chars(newest.version.data(), newest.version.data() + newest.version.size(), version);
  if (newest.system_identifier == system_identifier && version == major) return StanzaStep::none;
  // After a pg_upgrade the system identifier is another one: only who has seen the old one in this
  // stanza can tell it from a stranger's.
  if (version < major && !seen.empty() && newest.system_identifier == seen)
    return StanzaStep::upgrade;
  return fail(Code::rejected,
              fmt::format("the stanza belongs to another cluster: PostgreSQL {} with system "
                          "identifier {}, and this is {} with {}",
                          newest.version, newest.system_identifier, major, system_identifier),
              "Give this cluster a stanza or a path of its own; after a pg_upgrade say `pgbackrest "
              "stanza-upgrade`.");
}

Task<Result<std::string>> Pgbackrest::run(std::string command, std::vector<std::string> options,
                                          std::function<void(std::string_view)> on_line) {
  const bool asks = command == "info";
  std::string output;
  runtime::ProcessSpec spec{.timeout = asks ? kAsk : kWork};
  spec.argv = {backup_.program, "--config=" + backup_.config_file().string(),
               "--stanza=" + backup_.stanza,
               asks ? "--log-level-console=off" : "--log-level-console=detail",
               asks ? "--log-level-stderr=error" : "--log-level-stderr=off"};
  spec.argv.push_back(command);
  spec.argv.insert(spec.argv.end(), options.begin(), options.end());
  std::vector<std::string> more;
  if (!config_.pg.superuser.password.empty())
    more.push_back("PGPASSWORD=" + config_.pg.superuser.password);
  spec.env = pg::child_environment(std::move(more));
  spec.on_line = [&output, &on_line](std::string_view line) {
    if (on_line) on_line(line);
    if (output.size() > kMostOutput) return;
    output += line;
    if (line.size() < kPiece) output += '\n';
  };
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) co_return fail(end.error());
  if (!end->ok()) co_return fail(explain_failure(command, end->exit_code, output));
  co_return output;
}

Task<Result<Catalogue>> Pgbackrest::catalogue() {
  auto output = co_await run("info", {"--output=json"});
  if (!output) co_return fail(output.error());
  co_return parse_catalogue(*output, backup_.stanza);
}

Task<Result<Pgbackrest::Cluster>> Pgbackrest::local_cluster() {
  const auto major = pg::major_version(config_.pg.data_dir);
  if (!major) co_return fail(major.error());
  const auto program = pg::find_pg_program(config_.pg, "pg_controldata", *major);
  if (!program) co_return fail(program.error());
  auto end = co_await runtime::run_process({.argv = {*program, config_.pg.data_dir.string()},
                                            .env = pg::child_environment(),
                                            .timeout = seconds(10)});
  if (!end) co_return fail(end.error());
  if (!end->ok()) co_return fail(Code::io, "pg_controldata failed: " + pg::tool_reason(*end));
  const auto control = pg::parse_control_data(end->out);
  if (!control) co_return fail(control.error());
  co_return Cluster{*major, control->system_identifier};
}

Task<Status> Pgbackrest::ensure_stanza() {
  std::error_code ec;
  if (fs::exists(config_.pg.data_dir / "standby.signal", ec))
    co_return fail(Code::rejected,
                   "this node is a standby, and the stanza is the primary's to make",
                   "Run it on the leader (`aurum ctl list` shows it).");
  auto found = co_await catalogue();
  if (!found) co_return fail(found.error());
  auto cluster = co_await local_cluster();
  if (!cluster) co_return fail(cluster.error());
  const auto seen = pg::read_file(seen_file());
  const auto step =
      stanza_step(*found, cluster->major, cluster->system_identifier, seen ? *seen : "");
  if (!step) co_return fail(step.error().within("stanza " + backup_.stanza));
  if (*step == StanzaStep::create && seen) co_return fail(lost_stanza(backup_));
  if (*step != StanzaStep::none) {
    auto made = co_await run(*step == StanzaStep::create ? "stanza-create" : "stanza-upgrade", {});
    if (!made) co_return fail(made.error());
  }
  const auto written = pg::write_file(seen_file(), cluster->system_identifier, 0600);
  if (!written) co_return fail(written.error());
  co_return Status{};
}

Task<Result<Backup>> Pgbackrest::take(std::string type, Percent percent) {
  auto ready = co_await ensure_stanza();
  if (!ready) co_return fail(ready.error());
  auto output = co_await run("backup", {"--type=" + type}, [&percent](std::string_view line) {
    if (const double value = percent_of(line); percent && value >= 0) percent(value);
  });
  if (!output) co_return fail(output.error());
  auto after = co_await catalogue();
  if (!after) co_return fail(after.error());
  if (after->backups.empty())
    co_return fail(Code::protocol, "pgbackrest backup ended well, and there is no backup");
  co_return after->backups.back();
}

Task<Status> Pgbackrest::restore(std::string label, fs::path into, Percent percent) {
  std::vector<std::string> options{"--set=" + label, "--delta", "--pg1-path=" + into.string()};
  auto output = co_await run("restore", std::move(options), [&percent](std::string_view line) {
    if (const double value = percent_of(line); percent && value >= 0) percent(value);
  });
  if (!output) co_return fail(output.error());
  co_return Status{};
}

/// By repo-get: archive-get wants a data directory, which may have to be made first.
Task<Result<model::History>> Pgbackrest::history(model::Timeline timeline) {
  if (timeline <= 1) co_return model::History{};
  auto found = co_await catalogue();
  if (!found) co_return fail(found.error());
  if (found->archives.empty()) co_return fail(Code::not_found, "the repository has no WAL");
  const auto& archive = found->archives.back();
  std::vector<std::string> options{
      fmt::format("--repo={}", archive.repository),
      fmt::format("archive/{}/{}/{:08X}.history", backup_.stanza, archive.id, timeline)};
  auto output = co_await run("repo-get", std::move(options));
  if (!output) co_return fail(output.error());
  co_return model::parse_history_file(*output);
}

Task<Status> Pgbackrest::check() {
  auto ready = co_await ensure_stanza();
  if (!ready) co_return ready;
  auto output = co_await run("check", {});
  if (!output) co_return fail(output.error());
  co_return Status{};
}

Task<Status> Pgbackrest::expire() {
  auto output = co_await run("expire", {});
  if (!output) co_return fail(output.error());
  co_return Status{};
}

Task<Status> Pgbackrest::verify() {
  auto output = co_await run("verify", {});
  if (!output) co_return fail(output.error());
  if (const auto wrong = verify_findings(*output); !wrong.empty())
    co_return fail(Code::io, "the repository is damaged: " + wrong,
                   "Take a full backup now, then find out what happened to the storage.");
  co_return Status{};
}

}  // namespace aurum::backup
