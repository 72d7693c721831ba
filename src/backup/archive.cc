#include "backup/archive.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "backup/abandoned_wal.h"
#include "backup/bounded_call.h"
#include "backup/promotion_mark.h"
#include "pg/files.h"
#include "runtime/clock.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

/// What PostgreSQL is doing while it waits for us, as its data directory shows.
enum class Moment {
  running,
  stopping,   ///< the postmaster was told to stop and waits for the archiver
  following,  ///< a standby
  promoting,  ///< a standby that was told to promote
  restoring,  ///< recovery to a point: what is not there ends it for good
};

/// Everybody waits for the new primary. What only the archive has was never acknowledged by a
/// synchronous standby.
constexpr Duration kPromotionWaits = milliseconds(500);

bool is_there(const fs::path& path) { return ::access(path.c_str(), F_OK) == 0; }

/// The eighth line of postmaster.pid is its status (PostgreSQL 10 and later).
bool is_stopping(const fs::path& data_dir) {
  const auto text = pg::read_file(data_dir / "postmaster.pid");
  return text && text->find("stopping") != std::string::npos;
}

Moment moment_of(const ArchiveCall& call) {
  if (call.way == Way::push) return is_stopping(call.data_dir) ? Moment::stopping : Moment::running;
  if (is_there(call.data_dir / "standby.signal")) {
    const bool promoting =
        is_there(call.data_dir / "promote") || promotion_is_marked(call.state_dir, call.data_dir);
    return promoting ? Moment::promoting : Moment::following;
  }
  return is_there(call.data_dir / "recovery.signal") ? Moment::restoring : Moment::running;
}

bool is_hurried(const ArchiveCall& call) {
  const Moment moment = moment_of(call);
  return moment == Moment::stopping || moment == Moment::promoting;
}

void say(const ArchiveCall& call, std::string_view text) {
  fmt::print(stderr, "aurum archive-{} {}: {}\n", call.way == Way::push ? "push" : "get", call.file,
             text);
}

std::string seconds_text(Duration d) { return fmt::format("{:.0f} s", to_seconds(d)); }

/// Replaced as one, not synced: it need not outlive the machine. That it cannot be written is told,
/// and the call goes on without a memory.
void write_state(const ArchiveCall& call, const ArchiveState& state) {
  const auto file = state_file(call.state_dir, call.way);
  const auto temporary = file.string() + ".new";
  const std::string text = model::to_json(to_value(state)) + "\n";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written =
      fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  if (!written || ::rename(temporary.c_str(), file.c_str()) != 0)
    say(call, fmt::format("cannot write {}", file.string()));
}

/// A standby goes on by streaming and asks again; recovery to a point would end there and lose what
/// comes after; the archiver keeps the file and tries again, but waits for nobody at shutdown.
int failed_code(const ArchiveCall& call) {
  switch (moment_of(call)) {
    case Moment::stopping:
    case Moment::restoring:
      return kGiveUp;
    case Moment::running:
    case Moment::following:
    case Moment::promoting:
      return kNotNow;
  }
  return kNotNow;
}

/// A standby that starts waits for the first answer, which is on a history as a rule: small, and
/// soon there. So it finds out early that the repository hangs; with each trial that hung too, the
/// next is given longer, up to the whole: a slow repository is none that hangs.
Duration patience(const ArchiveCall& call, Moment moment, int hung) {
  const bool history = call.file.ends_with(".history");
  if (moment != Moment::following || (!history && hung == 0)) return call.timeout;
  Duration out = call.first_answer;
  for (int i = history ? 0 : 1; i < hung && out < call.timeout; ++i) out *= 2;
  return std::min(out, call.timeout);
}

BoundedCall pgbackrest_call(const ArchiveCall& call, Duration timeout) {
  BoundedCall out{.argv = {call.program, "--config=" + call.config_file, "--stanza=" + call.stanza,
                           "--log-level-console=off", "--log-level-stderr=warn"},
                  .timeout = timeout,
                  .hurry = [&call] { return is_hurried(call); },
                  .hurry_timeout = call.stop_timeout};
  if (call.way == Way::get) out.hurry_timeout = std::min(call.stop_timeout, kPromotionWaits);
  if (call.way == Way::push) {
    out.argv.insert(out.argv.end(), {"archive-push", call.path});
  } else {
    out.argv.insert(out.argv.end(), {"archive-get", call.file, call.path});
  }
  return out;
}

int note_failed(const ArchiveCall& call, ArchiveState state, const std::string& error,
                Failure failure) {
  const Instant now = runtime::now();
  note_failure(state, call.file, error, failure, now, runtime::wall_now());
  write_state(call, state);
  say(call, breaker_is_open(state, now) ? fmt::format("{}; the repository is left alone for {}",
                                                      error, seconds_text(state.open_until - now))
                                        : error);
  return failed_code(call);
}

/// What was fetched is cut where the server's line ends (abandoned_wal.h). pg_rewind needs what is
/// behind it; there no server runs.
Result<Cut> cut_fetched(const ArchiveCall& call) {
  if (call.way != Way::get || !is_there(call.data_dir / "postmaster.pid")) return Cut::nothing;
  const auto file = call.data_dir / call.path;
  auto cut = cut_abandoned_wal(call.data_dir, call.file, file);
  std::error_code ec;
  if (!cut) fs::remove(file, ec);
  if (cut && *cut != Cut::nothing)
    say(call, *cut == Cut::tail ? "cut at the end of its timeline"
                                : "not taken: it is past the end of its timeline");
  return cut;
}

}  // namespace

fs::path state_file(const fs::path& state_dir, Way way) {
  return state_dir / (way == Way::push ? "archive-push.json" : "archive-get.json");
}

ArchiveState read_archive_state(const fs::path& state_dir, Way way) {
  const auto text = pg::read_file(state_file(state_dir, way));
  return text ? parse_archive_state(*text) : ArchiveState{};
}

int run_archive(const ArchiveCall& call) {
  ArchiveState state = read_archive_state(call.state_dir, call.way);
  const Moment moment = moment_of(call);
  // Only for somebody who waits. The archiver of a running server has its own pauses, and a
  // recovery to a point must not end early.
  const bool patient =
      moment == Moment::restoring || (call.way == Way::push && moment == Moment::running);
  if (!patient && breaker_is_open(state, runtime::now())) {
    if (call.way == Way::push)
      say(call, fmt::format("not asked, the repository failed {} times: {}", state.failures,
                            state.error));
    return failed_code(call);
  }
  if (!patient && known_missing(state, call.file, runtime::now())) return kNotThere;

  const auto end = run_bounded(pgbackrest_call(call, patience(call, moment, state.openings)));
  if (!end) return note_failed(call, state, end.error().text(), Failure::answered);
  if (end->exit_code == 0) {
    if (state.failures > 0)
      say(call, fmt::format("the repository is back after {} failures", state.failures));
    std::fwrite(end->errors.data(), 1, end->errors.size(), stderr);  // its warnings
    const auto cut = cut_fetched(call);
    if (!cut) return note_failed(call, state, cut.error().text(), Failure::answered);
    if (*cut == Cut::all) {  // not there for this server, which asks again in a moment
      note_missing(state, call.file, runtime::now());
      write_state(call, state);
      return kNotThere;
    }
    note_success(state, call.file, runtime::wall_now());
    write_state(call, state);
    return kDone;
  }
  if (call.way == Way::get && end->exit_code == 1) {
    note_missing(state, call.file, runtime::now());
    write_state(call, state);
    return kNotThere;
  }
  return note_failed(call, state, end->reason(), end->hung ? Failure::hung : Failure::answered);
}

namespace {

std::string usage(Way way) {
  const std::string name = way == Way::push ? "archive-push" : "archive-get";
  return fmt::format(R"(Usage: aurum {} --config FILE --stanza NAME --state-dir DIR
         [--timeout S] [--stop-timeout S] [--program FILE] {}

What PostgreSQL runs to {} a WAL file: pgBackRest, behind a deadline and a
circuit breaker. The agent puts it into postgresql.conf when patroni.yml has an
aurum.backup section; nobody else needs to.
)",
                     name, way == Way::push ? "PATH" : "FILE PATH",
                     way == Way::push ? "archive" : "fetch");
}

Result<Duration> parse_seconds(std::string_view text) {
  int value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value < 1 || value > 86'400)
    return fail(Code::invalid, fmt::format("'{}' is not a number of seconds", text));
  return Duration(seconds(value));
}

Status set_option(ArchiveCall& call, std::string_view name, std::string_view value) {
  if (name == "--config") {
    call.config_file = value;
  } else if (name == "--stanza") {
    call.stanza = value;
  } else if (name == "--state-dir") {
    call.state_dir = value;
  } else if (name == "--program") {
    call.program = value;
  } else if (name == "--timeout" || name == "--stop-timeout") {
    const auto duration = parse_seconds(value);
    if (!duration) return fail(duration.error().within(name));
    (name == "--timeout" ? call.timeout : call.stop_timeout) = *duration;
  } else {
    return fail(Code::invalid, fmt::format("unknown option {}", name));
  }
  return {};
}

/// In single quotes for the shell where it needs them: pgBackRest writes a restore_command into
/// postgresql.auto.conf without doubling quotes. '%' is doubled for PostgreSQL.
std::string shell_word(std::string_view word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./").contains(c);
  });
  if (plain) return std::string(word);
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') out += "'\\'";
    if (c == '%') out += '%';
    out += c;
  }
  return out + "'";
}

}  // namespace

Result<ArchiveCall> parse_archive_call(Way way, std::span<char* const> arguments) {
  ArchiveCall call{.way = way};
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (!word.starts_with("--")) {
      names.push_back(word);
      continue;
    }
    if (i + 1 == arguments.size())
      return fail(Code::invalid, fmt::format("{} needs a value", word));
    const auto set = set_option(call, word, arguments[++i]);
    if (!set) return fail(set.error());
  }
  if (call.config_file.empty() || call.stanza.empty() || call.state_dir.empty())
    return fail(Code::invalid, "--config, --stanza and --state-dir are needed");
  if (names.size() != (way == Way::push ? 1U : 2U))
    return fail(Code::invalid, way == Way::push ? "one path is needed: %p"
                                                : "a file and a path are needed: %f %p");
  call.path = names.back();
  call.file = way == Way::push ? fs::path(call.path).filename().string() : std::string(names[0]);
  return call;
}

int archive_main(Way way, int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "--help";
  if (first == "--help" || first == "-h")
    return std::fputs(usage(way).c_str(), stdout) >= 0 ? 0 : 1;
  const auto call = parse_archive_call(way, {argv + 1, static_cast<std::size_t>(argc - 1)});
  if (!call) {
    fmt::print(stderr, "error: {}\nhint: aurum {} --help\n", call.error().text(), argv[0]);
    // Above 125: a recovery must not take a wrong command line for the end of the archive.
    return kGiveUp;
  }
  return run_archive(*call);
}

ArchiveCommands archive_commands(const model::BackupConfig& config, std::string_view program,
                                 const fs::path& state_dir) {
  const auto command = [&](std::string_view name, int timeout_s, std::string_view files) {
    std::string out =
        fmt::format("{} {} --config {} --stanza {} --state-dir {} --timeout {} --stop-timeout {}",
                    shell_word(program), name, shell_word(config.config_file().string()),
                    shell_word(config.stanza), shell_word(state_dir.string()), timeout_s,
                    config.archive_stop_timeout_s);
    if (config.program != "pgbackrest") out += " --program " + shell_word(config.program);
    return fmt::format("{} {}", out, files);
  };
  return {command("archive-push", config.archive_push_timeout_s, "\"%p\""),
          command("archive-get", config.archive_get_timeout_s, "%f \"%p\"")};
}

}  // namespace aurum::backup
