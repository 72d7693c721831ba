#include <charconv>

#include <fmt/format.h>

#include "model/cluster.h"
#include "model/decode.h"

namespace aurum::model {
namespace {

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* const hex = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(hex, hex + 2, byte, 16).ptr == hex + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// "postgres://u:p@h:5432/db?application_name=http://h:8008/patroni": the member key of early
/// versions.
Member decode_url_member(std::string_view text) {
  Member member;
  const auto question = text.find('?');
  std::string_view url = text.substr(0, question);
  const auto scheme = url.find("://");
  const auto host = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto path = url.find('/', host);
  if (const auto at = url.substr(0, path).rfind('@'); at != std::string_view::npos && at >= host)
    member.conn_url = std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
  else
    member.conn_url = url;
  if (question == std::string_view::npos) return member;
  std::string_view query = text.substr(question + 1);
  constexpr std::string_view key = "application_name=";
  while (!query.empty()) {
    const auto end = query.find('&');
    if (query.starts_with(key))
      member.api_url = percent_decoded(query.substr(
          key.size(), end == std::string_view::npos ? std::string_view::npos : end - key.size()));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return member;
}

std::string url_of_kwargs(const Value& kwargs) {
  std::string host = string_at(kwargs, "host");
  if (host.empty()) return {};
  if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
  std::string port = string_at(kwargs, "port"), database = string_at(kwargs, "dbname");
  return fmt::format("postgres://{}:{}/{}", host, port.empty() ? "5432" : port,
                     database.empty() ? "postgres" : database);
}

Value object_or_null(const Value& document, std::string_view key) {
  const Value* value = document.find(key);
  return value != nullptr && value->is_object() && !value->empty() ? *value : Value();
}

bool flag(const Value& document, std::string_view key) {
  const Value* value = document.find(key);
  return value != nullptr && read_bool(*value).value_or(false);
}

}  // namespace

std::string encode_member(const Member& m) {
  Value out = Value::object();
  const auto text = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) out.set(key, value);
  };
  const auto position = [&](std::string_view key, const std::optional<Lsn>& lsn) {
    if (lsn) out.set(key, lsn_value(*lsn));
  };
  text("conn_url", m.conn_url);
  text("api_url", m.api_url);
  out.set("state", to_string(m.state));
  out.set("role", to_string(m.role));
  text("version", m.version);
  text("aurum", m.aurum_version);
  text("proxy_url", m.proxy_url);
  if (m.checkpoint_after_promote_pending) out.set("checkpoint_after_promote", false);
  if (!m.tags.empty()) out.set("tags", m.tags);
  if (m.pending_restart) out.set("pending_restart", true);
  if (!m.pending_restart_reason.empty())
    out.set("pending_restart_reason", m.pending_restart_reason);
  position("xlog_location", m.xlog_location);
  position("replay_lsn", m.replay_lsn);
  position("receive_lsn", m.receive_lsn);
  text("replication_state", m.replication_state);
  if (m.timeline) out.set("timeline", std::int64_t{*m.timeline});
  if (!m.scheduled_restart.empty()) out.set("scheduled_restart", m.scheduled_restart);
  if (m.pause) out.set("pause", true);
  if (m.disk != DiskLevel::ok) out.set("aurum_disk", to_string(m.disk));
  return to_json(out);
}

Member decode_member(std::string_view name, std::string_view text) {
  if (text.starts_with("postgres")) {
    Member old = decode_url_member(text);
    old.name = name;
    return old;
  }
  const Value document = parse_object(text);
  Member m;
  m.name = name;
  m.conn_url = string_at(document, "conn_url");
  if (const Value* kwargs = document.find("conn_kwargs"); m.conn_url.empty() && kwargs != nullptr)
    m.conn_url = url_of_kwargs(*kwargs);
  m.api_url = string_at(document, "api_url");
  m.proxy_url = string_at(document, "proxy_url");
  m.state = parse_pg_state(string_at(document, "state"));
  m.role = parse_role(string_at(document, "role"));
  m.version = string_at(document, "version");
  m.aurum_version = string_at(document, "aurum");
  m.checkpoint_after_promote_pending = document.find("checkpoint_after_promote") != nullptr;
  m.tags = object_or_null(document, "tags");
  m.pending_restart = flag(document, "pending_restart");
  m.pending_restart_reason = object_or_null(document, "pending_restart_reason");
  m.xlog_location = lsn_of(document.find("xlog_location"));
  m.replay_lsn = lsn_of(document.find("replay_lsn"));
  m.receive_lsn = lsn_of(document.find("receive_lsn"));
  m.replication_state = string_at(document, "replication_state");
  m.disk = parse_disk_level(string_at(document, "aurum_disk"));
  m.timeline = timeline_of(document.find("timeline"));
  m.scheduled_restart = object_or_null(document, "scheduled_restart");
  m.pause = flag(document, "pause");
  return m;
}

}  // namespace aurum::model
