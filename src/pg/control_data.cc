#include "pg/control_data.h"

#include <charconv>
#include <map>
#include <string>
#include <sys/stat.h>

namespace aurum::pg {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::map<std::string_view, std::string_view> fields_of(std::string_view text) {
  std::map<std::string_view, std::string_view> out;
  while (!text.empty()) {
    auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (auto colon = line.find(':'); colon != std::string_view::npos)
      out.emplace(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  return out;
}

}  // namespace

Result<model::ControlData> parse_control_data(std::string_view text) {
  if (text.find("Calculated CRC checksum does not match") != std::string_view::npos)
    return fail(Code::invalid, "pg_control is damaged: its checksum does not match",
                "Use the programs of the version that made the data directory, or restore it.");
  const auto fields = fields_of(text);
  auto word = [&](std::string_view name) {
    auto at = fields.find(name);
    return at == fields.end() ? std::string_view() : at->second;
  };
  auto number = [&](std::string_view name) {
    std::int64_t value = 0;
    auto digits = word(name);
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  };
  model::ControlData out;
  out.state = word("Database cluster state");
  out.system_identifier = word("Database system identifier");
  auto checkpoint = model::parse_lsn(word("Latest checkpoint location"));
  auto redo = model::parse_lsn(word("Latest checkpoint's REDO location"));
  if (out.state.empty() || out.system_identifier.empty() || !checkpoint || !redo)
    return fail(Code::protocol, "pg_controldata printed nothing that can be understood");
  out.checkpoint = *checkpoint;
  out.redo = *redo;
  out.timeline = static_cast<model::Timeline>(number("Latest checkpoint's TimeLineID"));
  if (auto end = model::parse_lsn(word("Minimum recovery ending location")))
    out.minimum_recovery_end = *end;
  out.minimum_recovery_timeline =
      static_cast<model::Timeline>(number("Min recovery ending loc's timeline"));
  out.data_checksums = number("Data page checksum version") > 0;
  out.wal_log_hints = word("wal_log_hints setting") == "on";
  for (auto [setting, shown] :
       {std::pair{"max_connections", "max_connections setting"},
        std::pair{"max_worker_processes", "max_worker_processes setting"},
        std::pair{"max_wal_senders", "max_wal_senders setting"},
        std::pair{"max_prepared_transactions", "max_prepared_xacts setting"},
        std::pair{"max_locks_per_transaction", "max_locks_per_xact setting"}})
    if (!word(shown).empty()) out.limits[setting] = number(shown);
  return out;
}

std::int64_t control_changed_ns(const std::filesystem::path& data_dir) {
  struct stat info{};
  if (::stat((data_dir / "global/pg_control").c_str(), &info) != 0) return 0;
  return info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec;
}

}  // namespace aurum::pg
