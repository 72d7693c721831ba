#include "backup/pgbackrest.h"

#include <algorithm>
#include <charconv>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "backup/pgbackrest_error.h"
#include "model/value.h"
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
          "Mount the repository. If it is gone for good, say `aurum backup forget` to begin a new "
          "one."};
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

std::int64_t size_of(std::string_view line) {
  const auto open = line.rfind('(');
  if (percent_of(line) < 0 || open == line.npos) return 0;
  line.remove_prefix(open + 1);
  // Bundled files: "(bundle 1/0, 8KB, 45.25%)".
  line = line.substr(0, line.rfind(','));
  if (const auto comma = line.rfind(", "); comma != line.npos) line.remove_prefix(comma + 2);
  return model::read_bytes(model::Value(line)).value_or(0);
}

std::string new_label(std::string_view output) {
  constexpr std::string_view kBefore = "new backup label = ";
  const auto at = output.rfind(kBefore);
  if (at == output.npos) return {};
  output.remove_prefix(at + kBefore.size());
  return std::string(output.substr(0, output.find_first_of(" \n")));
}

Result<StanzaStep> stanza_step(const Catalogue& catalogue, int major,
                               std::string_view system_identifier, std::string_view seen) {
  if (catalogue.status == kStanzaMissing) return StanzaStep::create;
  for (const char* sign : {"[CryptoError]", "[FormatError]"})
    if (catalogue.message.starts_with(sign))
      return fail(Code::permission, "the repository cannot be decrypted: " + catalogue.message,
                  "Check cipher_pass: the repository has another key, or its files are damaged.");
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
  const bool asks = command == "info" || command == "repo-ls";
  std::string output;
  const bool pushes = command == "archive-push";
  runtime::ProcessSpec spec{.timeout = pushes ? seconds(backup_.archive_push_timeout_s)
                                       : asks ? kAsk
                                              : kWork};
  if (guard_)
    spec.argv = {guard_->program,        "backup-run", "--until",
                 guard_->until.string(), "--parent",   std::to_string(::getpid())};
  for (auto& word :
       std::vector<std::string>{backup_.program, "--config=" + backup_.config_file().string(),
                                "--stanza=" + backup_.stanza,
                                asks ? "--log-level-console=off" : "--log-level-console=detail",
                                asks ? "--log-level-stderr=error" : "--log-level-stderr=off"})
    spec.argv.push_back(std::move(word));
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

bool Pgbackrest::is_standby() const {
  std::error_code ec;
  return fs::exists(config_.pg.data_dir / "standby.signal", ec);
}

Task<Status> Pgbackrest::ensure_stanza() {
  if (is_standby())
    co_return fail(Code::rejected,
                   "this node is a standby, and the stanza is the primary's to make",
                   "Run it on the leader (`aurum ctl list` shows it).");
  auto found = co_await catalogue();
  if (!found) co_return fail(found.error());
  auto cluster = co_await local_cluster();
  if (!cluster) co_return fail(cluster.error());
  const auto own = pg::read_file(seen_file());
  const std::string seen = seen_.empty() && own ? *own : seen_;
  const auto step = stanza_step(*found, cluster->major, cluster->system_identifier, seen);
  if (!step) co_return fail(step.error().within("stanza " + backup_.stanza));
  if (*step == StanzaStep::create && !seen.empty()) co_return fail(lost_stanza(backup_));
  if (*step != StanzaStep::none) {
    auto made = co_await run(*step == StanzaStep::create ? "stanza-create" : "stanza-upgrade", {});
    if (!made) co_return fail(made.error());
  }
  const auto written = pg::write_file(seen_file(), cluster->system_identifier, 0600);
  if (!written) co_return fail(written.error());
  co_return Status{};
}

std::vector<std::vector<std::string>> Pgbackrest::each_repository() const {
  const auto count = backup_.repositories.size();
  if (count < 2) return {{}};
  std::vector<std::vector<std::string>> out;
  for (std::size_t number = 1; number <= count; ++number)
    out.push_back({fmt::format("--repo={}", number)});
  return out;
}

Task<Result<Backup>> Pgbackrest::take(std::string type, OnProgress on_progress) {
  std::vector<std::string> options{"--type=" + type};
  if (is_standby()) {
    options.emplace_back("--backup-standby");
  } else {
    auto ready = co_await ensure_stanza();
    if (!ready) co_return fail(ready.error());
  }
  std::optional<Backup> first;
  std::optional<Error> failed;
  const auto repositories = each_repository();
  const auto count = static_cast<double>(repositories.size());
  double done = 0;
  Progress progress;
  const OnProgress shown = [&](const Progress& part) {
    progress.percent = (done * 100 + part.percent) / count;
    progress.bytes += part.bytes;
    if (on_progress) on_progress(progress);
  };
  // One that is away leaves the others their backups, and is told in the end.
  for (const auto& repository : repositories) {
    auto what = options;
    what.insert(what.end(), repository.begin(), repository.end());
    auto made = co_await take_one(std::move(what), shown);
    ++done;
    if (made && !first) first = std::move(*made);
    if (!made && !failed)
      failed = repository.empty() ? made.error() : made.error().within(repository.front());
    const auto cancellation = co_await boost::asio::this_coro::cancellation_state;
    if (cancellation.cancelled() == boost::asio::cancellation_type::none) continue;
    if (!failed && done < count) failed = Error{Code::cancelled, "it was stopped", {}};
    break;
  }
  if (failed) co_return fail(std::move(*failed));
  co_return std::move(*first);
}

Task<Result<Backup>> Pgbackrest::take_one(std::vector<std::string> options,
                                          const OnProgress& on_progress) {
  auto output = co_await run("backup", std::move(options), [&](std::string_view line) {
    const double percent = percent_of(line);
    if (percent >= 0) on_progress({.percent = percent, .bytes = size_of(line)});
  });
  if (!output) co_return fail(output.error());
  const auto label = new_label(*output);
  auto after = co_await catalogue();
  if (!after) co_return fail(after.error());
  // Not the newest by its stamps: the clock may have been set back.
  const auto made = std::ranges::find(after->backups, label, &Backup::label);
  if (made == after->backups.end())
    co_return fail(Code::protocol, "pgbackrest backup ended well, and there is no new backup");
  co_return *made;
}

Task<Status> Pgbackrest::push(fs::path file) {
  auto output = co_await run("archive-push", {"--no-archive-async", file.string()});
  if (!output) co_return fail(output.error());
  co_return Status{};
}

Task<Result<std::vector<std::string>>> Pgbackrest::list_repository(std::string folder) {
  auto options = each_repository().front();  // WAL goes to all of them: one stands for the others
  options.push_back(std::move(folder));
  auto output = co_await run("repo-ls", std::move(options));
  if (!output) co_return fail(output.error());
  std::vector<std::string> names;
  std::string_view rest = *output;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (!line.empty()) names.emplace_back(line);
  }
  co_return names;
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
  Status all;
  for (const auto& repository : each_repository()) {
    auto output = co_await run("verify", repository);
    const auto wrong = output ? verify_findings(*output) : std::string();
    if (output && wrong.empty()) continue;
    Error error = !output ? output.error()
                          : Error{Code::io, "the repository is damaged: " + wrong,
                                  "Take a full backup now, then find out what happened to the "
                                  "storage."};
    if (all) all = fail(repository.empty() ? std::move(error) : error.within(repository.front()));
  }
  co_return all;
}

}  // namespace aurum::backup
