#include "pg/conninfo.h"

#include <array>
#include <cctype>
#include <charconv>
#include <memory>

#include <libpq-fe.h>

namespace aurum::pg {

std::string conninfo_value(std::string_view value) {
  bool plain = !value.empty();
  for (char c : value)
    if (std::isspace(static_cast<unsigned char>(c)) || c == '\'' || c == '\\') plain = false;
  if (plain) return std::string(value);
  std::string out = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string render_conninfo(const Keywords& keywords) {
  std::string out;
  for (const auto& [key, value] : keywords) {
    if (!out.empty()) out += ' ';
    out += key + "=" + conninfo_value(value);
  }
  return out;
}

const model::Login& rewind_login(const model::PgConfig& config) {
  return config.rewind.username.empty() ? config.superuser : config.rewind;
}

namespace {
std::string option(const model::Login& login, const std::string& name,
                   const std::string& fallback) {
  auto at = login.options.find(name);
  return at == login.options.end() || at->second.empty() ? fallback : at->second;
}

void add_if_set(Keywords& out, const model::Login& login,
                std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto value = option(login, name, ""); !value.empty()) out.emplace_back(name, value);
}
}  // namespace

Keywords login_options(const model::Login& login) {
  Keywords out;
  add_if_set(out, login,
             {"sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "gssencmode",
              "channel_binding"});
  return out;
}

Keywords primary_conninfo(const model::LocalConfig& config, const model::Upstream& upstream,
                          const std::string& passfile, int major) {
  const auto& login = config.pg.replication;
  Keywords out{{"dbname", config.pg.database}, {"user", login.username}};
  if (!passfile.empty()) out.emplace_back("passfile", passfile);
  out.emplace_back("host", upstream.host);
  out.emplace_back("port", std::to_string(upstream.port));
  out.emplace_back("sslmode", option(login, "sslmode", "prefer"));
  add_if_set(out, login, {"sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"});
  if (major >= 14) add_if_set(out, login, {"sslcrldir"});
  if (major >= 17) add_if_set(out, login, {"sslnegotiation"});
  out.emplace_back("application_name", config.name);
  if (!config.pg.krbsrvname.empty()) out.emplace_back("krbsrvname", config.pg.krbsrvname);
  out.emplace_back("gssencmode", option(login, "gssencmode", "prefer"));
  out.emplace_back("channel_binding", option(login, "channel_binding", "prefer"));
  return out;
}

Keywords tool_conninfo(const model::Login& login, const model::Upstream& upstream,
                       const std::string& database) {
  Keywords out{{"dbname", database},
               {"user", login.username},
               {"host", upstream.host},
               {"port", std::to_string(upstream.port)}};
  for (auto& keyword : login_options(login)) out.push_back(std::move(keyword));
  out.emplace_back("connect_timeout", "5");
  out.emplace_back("keepalives_idle", "10");
  out.emplace_back("keepalives_interval", "5");
  out.emplace_back("keepalives_count", "3");
  out.emplace_back("tcp_user_timeout", "60000");
  return out;
}

model::Upstream upstream_of_conninfo(std::string_view conninfo) {
  model::Upstream out;
  const std::string text(conninfo);
  std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(text.c_str(), nullptr), &PQconninfoFree);
  if (!options) return out;
  for (const auto* o = options.get(); o->keyword; ++o) {
    if (!o->val) continue;
    const std::string_view key = o->keyword, value = o->val;
    if (key == "host" || (key == "hostaddr" && out.host.empty())) out.host = value;
    if (key == "port") std::from_chars(value.data(), value.data() + value.size(), out.port);
  }
  return out;
}

std::string passfile_line(const model::Upstream& upstream, const model::Login& login) {
  auto escaped = [](std::string_view text) {
    std::string out;
    for (char c : text) {
      if (c == ':' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  };
  return escaped(upstream.host) + ":" + std::to_string(upstream.port) +
         ":*:" + escaped(login.username) + ":" + escaped(login.password);
}

}  // namespace aurum::pg
