#include <fmt/format.h>

#include "model/config_sources.h"

/// The times of `aurum.backup`.
namespace aurum::model {
namespace {

/// A cron expression, or `off`.
std::optional<Cron> read_time(const Reader& reader, std::string_view key,
                              std::string_view otherwise, Findings& findings) {
  const std::string path = fmt::format("aurum.backup.{}", key);
  const Value* given = reader.find(path);
  const std::string text = given != nullptr ? given->text() : std::string(otherwise);
  if (text == "false" || text == "off" || (given == nullptr && text.empty())) return std::nullopt;
  auto parsed = Cron::parse(text);
  if (parsed) return std::move(*parsed);
  findings.error(path, parsed.error().message, parsed.error().hint);
  return std::nullopt;
}

/// Whether `below` is `above`, or a place in it.
bool is_inside(const std::filesystem::path& below, const std::filesystem::path& above) {
  const auto plain = [](const std::filesystem::path& path) {
    auto text = path.lexically_normal().string();
    if (!text.ends_with('/')) text += '/';
    return text;
  };
  return plain(below).starts_with(plain(above));
}

}  // namespace

BackupSchedule read_backup_schedule(const Reader& reader, Findings& findings) {
  BackupSchedule out;
  out.full = read_time(reader, "full", "0 2 * * 0", findings);
  out.diff = read_time(reader, "diff", "0 2 * * *", findings);
  out.incr = read_time(reader, "incr", "0 * * * *", findings);
  out.verify = read_time(reader, "verify", "0 4 * * 0", findings);
  out.restore_test = read_time(reader, "restore_test", "", findings);
  auto zone = load_time_zone(reader.text("aurum.backup.time_zone", "UTC"));
  if (zone)
    out.zone = std::move(*zone);
  else
    findings.error("aurum.backup.time_zone", zone.error().message, zone.error().hint);
  out.jitter_s = bounded(reader, "aurum.backup.jitter", 0, 0, 86'400, true, findings);
  out.catch_up = word(reader, "aurum.backup.missed", {"run", "skip"}, findings) == "run";
  out.from = reader.text("aurum.backup.from", out.from);
  if (out.from.empty() || out.from.find('/') != out.from.npos)
    findings.error("aurum.backup.from", "must not contain \"/\"",
                   "Write prefer-standby, primary, or the name of a member.");
  return out;
}

RestoreTestConfig read_restore_test(const Reader& reader, const LocalConfig& config,
                                    const BackupConfig& backup, Findings& findings) {
  RestoreTestConfig out;
  out.on = reader.text("aurum.backup.restore_test_on");
  out.dir =
      reader.text("aurum.backup.restore_test_dir", (backup.work_dir / "restore-test").string());
  out.cgroup = reader.text("aurum.backup.restore_test_cgroup");
  out.database = reader.text("aurum.backup.restore_test_database", out.database);
  for (const auto& [key, path] :
       {std::pair{"restore_test_dir", &out.dir}, {"restore_test_cgroup", &out.cgroup}})
    if (!path->empty() && !path->is_absolute())
      findings.error(fmt::format("aurum.backup.{}", key), "must be absolute",
                     "Begin it with \"/\".");
  // All that is in the folder goes.
  if (is_inside(config.pg.data_dir, out.dir) || is_inside(out.dir, config.pg.data_dir) ||
      is_inside(backup.work_dir, out.dir))
    findings.error("aurum.backup.restore_test_dir", "must be a folder of its own",
                   "Everything in it is removed: keep it apart from data_dir.");
  const Value checks = reader.value("aurum.backup.restore_test_checks");
  if (!checks.is_array()) return out;
  for (const auto& check : checks.as_array()) out.checks.push_back(check.text());
  return out;
}

}  // namespace aurum::model
