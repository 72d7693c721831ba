#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "backup/archive_state.h"
#include "base/result.h"
#include "model/config.h"

/// `aurum archive-push` and `aurum archive-get`: pgBackRest behind a deadline and a circuit
/// breaker, so that a dead repository delays neither a shutdown nor a promotion (FAILURES F38,
/// F39). Why which exit code: docs/decisions/0008-archiving-behind-a-breaker.md.
namespace aurum::backup {

enum class Way { push, get };

struct ArchiveCall {
  Way way = Way::push;
  std::string program = "pgbackrest";
  std::string config_file, stanza;
  std::filesystem::path state_dir;
  Duration timeout = seconds(60), stop_timeout = seconds(3);
  Duration first_answer = seconds(2);    ///< of a standby, before it is known to be slow
  std::string file;                      ///< name of the WAL file
  std::string path;                      ///< where it is, or where it shall go
  std::filesystem::path data_dir = ".";  ///< PostgreSQL runs its commands in there
};

/// What PostgreSQL makes of the exit code: 1 to 125 "not now" (archiver) or "not there" (recovery),
/// above it gives up at once.
inline constexpr int kDone = 0;
inline constexpr int kNotNow = 1;
inline constexpr int kNotThere = 1;
inline constexpr int kGiveUp = 254;

/// The file of a state in the run directory.
std::filesystem::path state_file(const std::filesystem::path& state_dir, Way way);
ArchiveState read_archive_state(const std::filesystem::path& state_dir, Way way);

/// One archive_command or restore_command; gives the exit code. Prints to standard error, which is
/// PostgreSQL's log.
int run_archive(const ArchiveCall& call);

/// What follows `aurum archive-push` or `aurum archive-get`.
Result<ArchiveCall> parse_archive_call(Way way, std::span<char* const> arguments);
int archive_main(Way way, int argc, char** argv);

/// The two for postgresql.conf. `program` is ourselves, `state_dir` the run directory.
struct ArchiveCommands {
  std::string archive_command, restore_command;
};
ArchiveCommands archive_commands(const model::BackupConfig& config, std::string_view program,
                                 const std::filesystem::path& state_dir);

}  // namespace aurum::backup
