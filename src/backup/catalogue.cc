#include "backup/catalogue.h"

#include <algorithm>
#include <ctime>
#include <tuple>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "model/decode.h"
#include "model/value.h"
#include "pg/render.h"

namespace aurum::backup {
namespace {

constexpr std::int64_t kLastSecond = 253'402'300'799;  // of the year 9999

/// An integer within what we print; anything else is 0.
std::int64_t number_at(const model::Value& object, std::initializer_list<std::string_view> path) {
  const auto* value = object.at(path);
  return value != nullptr && value->is_int() ? std::max<std::int64_t>(value->as_int(), 0) : 0;
}

std::int64_t time_at(const model::Value& object, std::initializer_list<std::string_view> path) {
  return std::min(number_at(object, path), kLastSecond);
}

std::string text_at(const model::Value& object, std::initializer_list<std::string_view> path) {
  const auto* value = object.at(path);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

int repository_of(const model::Value& object) {
  return static_cast<int>(
      std::clamp<std::int64_t>(number_at(object, {"database", "repo-key"}), 1, 256));
}

const model::Value::Array& list_at(const model::Value& object, std::string_view key) {
  static const model::Value::Array kNone;
  const auto* value = object.find(key);
  return value != nullptr && value->is_array() ? value->as_array() : kNone;
}

/// Labels go to terminals: pgBackRest's have these characters only.
bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '_' || c == 'F' || c == 'D' || c == 'I';
  });
}

bool is_segment(std::string_view text) {
  return text.size() == 24 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
         });
}

std::string segment_at(const model::Value& object, std::initializer_list<std::string_view> path) {
  auto text = text_at(object, path);
  return is_segment(text) ? text : std::string();
}

Backup read_backup(const model::Value& item) {
  return {.label = text_at(item, {"label"}),
          .type = text_at(item, {"type"}),
          .repository = repository_of(item),
          .start = time_at(item, {"timestamp", "start"}),
          .stop = time_at(item, {"timestamp", "stop"}),
          .size = number_at(item, {"info", "size"}),
          .delta = number_at(item, {"info", "delta"}),
          .repository_size = number_at(item, {"info", "repository", "size"}),
          .repository_delta = number_at(item, {"info", "repository", "delta"}),
          .wal_start = segment_at(item, {"archive", "start"}),
          .wal_stop = segment_at(item, {"archive", "stop"}),
          .lsn_start = model::parse_lsn(text_at(item, {"lsn", "start"})).value_or(model::Lsn{}),
          .lsn_stop = model::parse_lsn(text_at(item, {"lsn", "stop"})).value_or(model::Lsn{}),
          .prior = text_at(item, {"prior"}),
          .program_version = text_at(item, {"backrest", "version"}),
          .database_id = number_at(item, {"database", "id"}),
          .block_incr = item.at({"info", "repository", "size-map"}) != nullptr,
          .error = model::flag_at(item, "error")};
}

/// With a wrong key pgBackRest quotes what it decrypted: no text, and nothing for a terminal.
std::string printable(std::string_view text, std::size_t length) {
  std::string out(text.substr(0, length));
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

std::string first_line(const std::string& text) {
  return printable(std::string_view(text).substr(0, text.find('\n')), 200);
}

/// An upgraded stanza holds backups of both clusters.
std::string system_identifier_of(const model::Value& backup, const model::Value::Array& databases) {
  for (const auto& database : databases) {
    if (number_at(database, {"id"}) != number_at(backup, {"database", "id"}) ||
        number_at(database, {"repo-key"}) != number_at(backup, {"database", "repo-key"}))
      continue;
    const auto* id = database.find("system-id");
    return id != nullptr ? id->text() : "";
  }
  return {};
}

bool is_type(std::string_view type) { return type == "full" || type == "diff" || type == "incr"; }

void read_stanza(const model::Value& stanza, Catalogue& out) {
  out.status = number_at(stanza, {"status", "code"});
  out.message = first_line(text_at(stanza, {"status", "message"}));
  // "other" and "mixed" say little: the repository knows more.
  for (const auto& repository : list_at(stanza, "repo"))
    if (number_at(repository, {"status", "code"}) > kStanzaWithoutBackups)
      out.message = first_line(text_at(repository, {"status", "message"}));
  for (const auto& item : list_at(stanza, "backup"))
    if (auto backup = read_backup(item); is_label(backup.label) && is_type(backup.type)) {
      backup.system_identifier = system_identifier_of(item, list_at(stanza, "db"));
      out.backups.push_back(std::move(backup));
    }
  std::ranges::sort(out.backups, {},
                    [](const Backup& b) { return std::tie(b.stop, b.label, b.repository); });
  for (const auto& item : list_at(stanza, "archive"))
    out.archives.push_back({text_at(item, {"id"}), segment_at(item, {"min"}),
                            segment_at(item, {"max"}), repository_of(item),
                            number_at(item, {"database", "id"})});
  for (const auto& item : list_at(stanza, "db")) {
    const auto* id = item.find("system-id");
    out.databases.push_back(
        {text_at(item, {"version"}), id != nullptr ? id->text() : "", number_at(item, {"id"})});
  }
  for (const auto& item : list_at(stanza, "repo"))
    out.repositories.push_back(
        {static_cast<int>(std::clamp<std::int64_t>(number_at(item, {"key"}), 1, 256)),
         text_at(item, {"cipher"}), number_at(item, {"status", "code"})});
  const auto* held = stanza.at({"status", "lock", "backup", "held"});
  out.locked = held != nullptr && held->is_bool() && held->as_bool();
}

std::string took(const Backup& backup) {
  const auto s = std::max<std::int64_t>(backup.stop - backup.start, 0);
  if (s < 600) return fmt::format("{} s", s);
  if (s < 36'000) return fmt::format("{} min", s / 60);
  return fmt::format("{} h", s / 3600);
}

std::string size_text(std::int64_t bytes) { return pg::human_bytes(static_cast<double>(bytes)); }

std::string wal_range(const Backup& backup) {
  if (backup.wal_start.empty() || backup.wal_stop.empty()) return "?";
  const auto from = short_segment(backup.wal_start), to = short_segment(backup.wal_stop);
  if (from == to) return from;
  const auto colon = to.find(':') + 1;
  const bool same_timeline = from.substr(0, from.find(':')) == to.substr(0, colon - 1);
  return from + "-" + (same_timeline ? to.substr(colon) : to);
}

/// The newest WAL of the newest history.
const Archive* newest_archive(const Catalogue& catalogue) {
  const Archive* found = nullptr;
  for (const auto& archive : catalogue.archives)
    if (!archive.max.empty() && (found == nullptr || archive.max >= found->max)) found = &archive;
  return found;
}

}  // namespace

Result<Catalogue> parse_catalogue(std::string_view json, std::string_view stanza) {
  auto tree = model::parse_json(json);
  if (!tree) tree = model::parse_json(printable(json, json.find_last_of(']') + 1));
  if (!tree) return fail(tree.error().within("pgbackrest info"));
  if (!tree->is_array()) return fail(Code::protocol, "pgbackrest info gave no list of stanzas");
  Catalogue out;
  out.message = "missing stanza path";
  for (const auto& item : tree->as_array())
    if (text_at(item, {"name"}) == stanza) read_stanza(item, out);
  return out;
}

std::string moment(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string moment(WallTime at) { return moment(at.us / 1'000'000) + " UTC"; }

std::string short_segment(std::string_view segment) {
  if (!is_segment(segment)) return std::string(segment);
  const auto trim = [](std::string_view digits) {
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
    return digits;
  };
  return fmt::format("{}:{}/{}", trim(segment.substr(0, 8)), trim(segment.substr(8, 8)),
                     trim(segment.substr(16, 8)));
}

std::string render_catalogue(const Catalogue& catalogue, std::string_view stanza) {
  std::string out = fmt::format("stanza {}: {}\n", stanza,
                                catalogue.status == kStanzaOk ? "ok" : catalogue.message);
  if (catalogue.backups.empty()) return out;
  out += fmt::format("{:<33} {:<4} {:>7} {:>7} {:>6} {:<16}\n", "label", "type", "size", "added",
                     "took", "WAL");
  for (const auto& backup : catalogue.backups) {
    out += fmt::format("{:<33} {:<4} {:>7} {:>7} {:>6} {}", backup.label, backup.type,
                       size_text(backup.size), size_text(backup.repository_delta), took(backup),
                       wal_range(backup));
    if (backup.repository > 1) out += fmt::format(" repo{}", backup.repository);
    out += backup.error ? " DAMAGED\n" : "\n";
  }
  out += fmt::format("recoverable: {} UTC (end of the oldest backup) ",
                     moment(catalogue.backups.front().stop));
  if (const auto* newest = newest_archive(catalogue)) {
    out += fmt::format("to WAL {}\n", short_segment(newest->max));
  } else {
    out += "without any WAL\n";
  }
  return out;
}

std::string catalogue_json(const Catalogue& catalogue, std::string_view stanza) {
  auto backups = model::Value::array();
  for (const auto& backup : catalogue.backups) {
    model::Value row;
    row.set("label", backup.label);
    row.set("type", backup.type);
    row.set("repository", backup.repository);
    row.set("start", backup.start);
    row.set("stop", backup.stop);
    row.set("size", backup.size);
    row.set("delta", backup.delta);
    row.set("repository_size", backup.repository_size);
    row.set("repository_delta", backup.repository_delta);
    row.set("wal_start", backup.wal_start);
    row.set("wal_stop", backup.wal_stop);
    row.set("error", backup.error);
    backups.push_back(std::move(row));
  }
  model::Value window;
  if (!catalogue.backups.empty()) {
    window.set("from", catalogue.backups.front().stop);
    const auto* newest = newest_archive(catalogue);
    window.set("to_wal", newest != nullptr ? model::Value(newest->max) : model::Value());
  }
  model::Value out;
  out.set("stanza", stanza);
  out.set("status", catalogue.status);
  out.set("message", catalogue.message);
  out.set("recoverable", std::move(window));
  out.set("backups", std::move(backups));
  return model::to_json_pretty(out);
}

}  // namespace aurum::backup
