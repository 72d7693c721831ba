#include <algorithm>

#include <fmt/format.h>

#include "model/config_sources.h"

/// `aurum.backup` of patroni.yml.
namespace aurum::model {
namespace {

/// Names that become parts of a command line and of pgbackrest.conf: "main", "s3-bucket".
bool is_plain(std::string_view name, bool option) {
  return !name.empty() && std::ranges::all_of(name, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           (!option && ((c >= 'A' && c <= 'Z') || c == '_' || c == '.'));
  });
}

/// A line break would begin another option of pgbackrest.conf.
bool is_one_line(std::string_view text) { return text.find_first_of("\r\n") == text.npos; }

void check_option(std::string_view path, std::string_view name, std::string_view value,
                  Findings& findings) {
  constexpr std::string_view ours[] = {
      "type",        "path",        "host",      "bundle",         "block",
      "cipher-pass", "cipher-type", "host-port", "retention-full", "retention-diff"};
  if (name.starts_with("repo"))
    findings.error(path, "must not begin with \"repo\"",
                   "Write it without the repository's number: s3-bucket, not repo1-s3-bucket.");
  else if (!is_plain(name, true))
    findings.error(path, "is no option's name",
                   "Spell it as pgBackRest does, in lower case with \"-\".");
  else if (std::ranges::find(ours, name) != std::end(ours))
    findings.error(path, "has a key of its own in the repository", "Move it out of options.");
  else if (!is_one_line(value))
    findings.error(path, "must be one line");
}

/// Free options; "<name>_file" names a file with the value.
void read_options(const Reader& reader, BackupRepository& repository, Findings& findings) {
  const Value* options = reader.find("options");
  if (options == nullptr || !options->is_object()) return;
  constexpr std::string_view suffix = "_file";
  for (const auto& [key, given] : options->as_object()) {
    const std::string path = "options." + key;
    std::string name = key, value = given.is_bool() ? (given.as_bool() ? "y" : "n") : given.text();
    if (given.is_array() || given.is_object()) findings.error(path, "must be text");
    if (name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      value = read_secret_file(value, path, findings);
    }
    check_option(path, name, value, findings);
    if (!repository.options.emplace(name, std::move(value)).second)
      findings.error(path, fmt::format("is set together with {}", name), "Keep one of the two.");
  }
}

/// What concerns the storage is said in the file of the host that holds it.
void check_place(const Value& tree, const BackupRepository& repository, Findings& findings) {
  const bool remote = !repository.host.empty();
  if (remote) {
    for (const char* key : {"type", "path", "bundle", "block", "cipher_pass", "retention"})
      if (value_at(tree, key) != nullptr)
        findings.error(key, "belongs into the pgbackrest.conf of the repository's host",
                       "Remove it here, or remove host.");
  } else if (repository.path.empty()) {
    findings.error("path", "is not defined",
                   "Name the directory, or for an object store the prefix, of the backups.");
  } else if (!repository.path.starts_with('/')) {
    findings.error("path", "must be absolute", "Begin it with \"/\".");
  }
  if (!remote && !repository.host_config.empty())
    findings.error("host_config", "needs host", "Name the repository's host.");
  for (const auto& [key, text] : {std::pair{"path", &repository.path},
                                  {"host", &repository.host},
                                  {"host_config", &repository.host_config},
                                  {"cipher_pass", &repository.cipher_pass}})
    if (!is_one_line(*text)) findings.error(key, "must be one line");
}

BackupRepository read_repository(Value tree, Findings& findings) {
  check_keys(tree, repository_keys(), {}, findings, Unknown::error);
  read_secret_files(tree, repository_keys(), findings);
  const Reader reader(tree);
  BackupRepository out;
  out.type = word(reader, "type", {"posix", "cifs", "s3", "azure", "gcs", "sftp"}, findings);
  out.path = reader.text("path");
  out.host = reader.text("host");
  out.host_port = bounded(reader, "host_port", 0, 0, 65535, false, findings);
  out.host_config = reader.text("host_config");
  out.bundle = reader.boolean("bundle", false);
  out.block = reader.boolean("block", false);
  out.cipher_pass = reader.text("cipher_pass");
  out.retention_full = bounded(reader, "retention.full", 0, 0, 9'999'999, false, findings);
  out.retention_diff = bounded(reader, "retention.diff", 0, 0, 9'999'999, false, findings);
  out.retention_archive = bounded(reader, "retention.archive", 0, 0, 9'999'999, false, findings);
  out.retention_full_type = word(reader, "retention.full_type", {"count", "time"}, findings);
  read_options(reader, out, findings);
  check_place(tree, out, findings);
  if (out.block && !out.bundle)
    findings.error("block", "needs bundle: true", "pgBackRest keeps blocks in bundles only.");
  return out;
}

std::filesystem::path default_work_dir(const std::filesystem::path& data_dir) {
  return data_dir.parent_path() / (data_dir.filename().string() + ".pgbackrest");
}

}  // namespace

std::optional<BackupConfig> read_backup(const Reader& reader, const LocalConfig& config,
                                        Findings& findings) {
  const Value* section = reader.find("aurum.backup");
  if (section == nullptr || !section->is_object()) return std::nullopt;
  BackupConfig out;
  out.stanza = reader.text("aurum.backup.stanza", config.scope);
  if (!is_plain(out.stanza, false))
    findings.error("aurum.backup.stanza",
                   fmt::format("\"{}\" is no name of a stanza", out.stanza.substr(0, 40)),
                   "Use letters, digits, \"-\", \"_\" and \".\".");
  out.program = reader.text("aurum.backup.program", out.program);
  out.work_dir =
      reader.text("aurum.backup.work_dir", default_work_dir(config.pg.data_dir).string());
  if (!out.work_dir.is_absolute())
    findings.error("aurum.backup.work_dir", "must be absolute", "Begin it with \"/\".");
  out.include = reader.text("aurum.backup.include");
  out.compress =
      word(reader, "aurum.backup.compress", {"lz4", "zst", "gz", "bz2", "none"}, findings);
  if (reader.find("aurum.backup.compress_level") != nullptr)
    out.compress_level = bounded(reader, "aurum.backup.compress_level", 0, -7, 22, false, findings);
  out.process_max = bounded(reader, "aurum.backup.process_max", 1, 1, 999, false, findings);
  out.archive_async = reader.boolean("aurum.backup.archive_async", false);
  const auto timeout = [&](std::string_view key, int otherwise) {
    return bounded(reader, fmt::format("aurum.backup.{}", key), otherwise, 1, 86'400, true,
                   findings);
  };
  out.archive_push_timeout_s = timeout("archive_push_timeout", out.archive_push_timeout_s);
  out.archive_get_timeout_s = timeout("archive_get_timeout", out.archive_get_timeout_s);
  out.archive_stop_timeout_s = timeout("archive_stop_timeout", out.archive_stop_timeout_s);

  out.tls_ca_file = reader.text("aurum.backup.tls.ca_file");
  out.tls_cert_file = reader.text("aurum.backup.tls.cert_file");
  out.tls_key_file = reader.text("aurum.backup.tls.key_file");
  if (out.tls_cert_file.empty() != out.tls_key_file.empty())
    findings.error("aurum.backup.tls", "needs both cert_file and key_file");
  out.tls_host = reader.text("aurum.backup.tls.host");
  out.tls_listen = reader.text("aurum.backup.tls.listen", out.tls_listen);
  out.tls_port = bounded(reader, "aurum.backup.tls.port", out.tls_port, 1, 65535, false, findings);
  for (const auto& [key, text] : {std::pair{"host", &out.tls_host}, {"listen", &out.tls_listen}})
    if (!is_one_line(*text))
      findings.error(fmt::format("aurum.backup.tls.{}", key), "must be one line");
  out.schedule = read_backup_schedule(reader, findings);
  out.restore_test = read_restore_test(reader, config, out, findings);

  const Value repositories = reader.value("aurum.backup.repositories");
  if (repositories.empty())
    findings.error("aurum.backup.repositories", "is not defined",
                   "List where backups are kept, for example [{path: /backup}].");
  if (!repositories.is_array()) return out;
  for (std::size_t i = 0; i < repositories.size(); ++i) {
    const std::string path = fmt::format("aurum.backup.repositories[{}]", i + 1);
    const Value& item = repositories.as_array()[i];
    if (!item.is_object()) {
      findings.error(path, "must be a map", "Write \"path: /backup\" and the like below \"- \".");
      continue;
    }
    Findings below = findings.below(path + ".");
    out.repositories.push_back(read_repository(item, below));
    if (!out.repositories.back().host.empty() && out.tls_cert_file.empty())
      below.error("host", "needs aurum.backup.tls",
                  "It is spoken to by TLS: name this node's cert_file and key_file.");
  }
  return out;
}

}  // namespace aurum::model
