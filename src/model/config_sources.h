#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "model/config.h"
#include "model/config_schema.h"

/// Where a configuration comes from; the pieces of load_config().
namespace aurum::model {

Result<std::string> read_text_file(const std::filesystem::path& path);

/// A YAML file, or a directory of them merged in sorted order.
Result<Value> read_config_tree(const std::filesystem::path& path);

/// Overlays PATRONI_* (§3.3) on `tree`. A variable that looks like a misspelt one is a warning.
void overlay_environment(Value& tree, const Environment& env, Findings& findings);

/// Sections of stores that we do not speak to.
inline constexpr std::array<std::string_view, 5> kOtherStores = {"consul", "zookeeper", "exhibitor",
                                                                 "raft", "kubernetes"};
/// One error for each section that only another store, or Citus, needs.
void refuse_unsupported(const Value& tree, Findings& findings);

/// Replaces `<secret>_file` by the content of the file it names (trailing newline cut).
void read_secret_files(Value& tree, std::span<const Key> keys, Findings& findings);
/// The content of a file with one secret; empty after a finding at `path`.
std::string read_secret_file(const std::filesystem::path& file, std::string_view path,
                             Findings& findings);

/// The methods that postgresql.create_replica_methods and bootstrap.method name, and every map with
/// a `command`: their sections hold options of the user's own program.
std::vector<std::string> free_sections(const Value& tree);

/// Comma-separated text, or a list; items may be quoted.
std::vector<std::string> text_items(const Value& value);

/// Values of the tree as the program uses them. Ill-typed ones were reported by check_keys(): they
/// read as absent.
RoutingConfig read_routing(const Reader& reader, Findings& findings);
DiskConfig read_disk(const Reader& reader, Findings& findings);
/// `aurum.access`; reads its tokens' files, and which certificates `rest` asks for.
std::vector<AccessEntry> read_access(const Reader& reader, const RestConfig& rest,
                                     Findings& findings);
/// `aurum.backup`; reads name, scope and data_dir of `config`.
std::optional<BackupConfig> read_backup(const Reader& reader, const LocalConfig& config,
                                        Findings& findings);
/// When it is made, and where.
BackupSchedule read_backup_schedule(const Reader& reader, Findings& findings);
/// How they are proved; reads work_dir of `backup`, and data_dir of `config`.
RestoreTestConfig read_restore_test(const Reader& reader, const LocalConfig& config,
                                    const BackupConfig& backup, Findings& findings);
LocalConfig read_local(const Value& tree, const Environment& env, ConfigUse use,
                       Findings& findings);

}  // namespace aurum::model
