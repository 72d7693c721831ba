#pragma once

#include <string>
#include <string_view>

#include "model/config.h"
#include "model/postgres.h"
#include "pg/session.h"

/// Connection strings and password files (PATRONI_COMPAT §7.2, §7.3). Pure.
namespace aurum::pg {

/// A value of a "key=value" connection string: quoted where libpq needs it, `'` and `\` escaped.
std::string conninfo_value(std::string_view value);
/// "dbname=postgres user=repl …" in the given order.
std::string render_conninfo(const Keywords& keywords);

/// The keywords of the standby's primary_conninfo in Patroni's order: dbname user passfile host
/// port, TLS, application_name, gssencmode, channel_binding. `passfile` "" when the login has no
/// password. `major` drops what an older server does not know.
Keywords primary_conninfo(const model::LocalConfig& config, const model::Upstream& upstream,
                          const std::string& passfile, int major);

/// What a program (pg_basebackup, pg_rewind) gets on its command line: never a password; keepalives
/// find a peer that vanished.
Keywords tool_conninfo(const model::Login& login, const model::Upstream& upstream,
                       const std::string& database);

/// TLS and GSS options of a login in libpq's names, without sslpassword.
Keywords login_options(const model::Login& login);

/// host and port of a connection string; port 5432 if it names none.
model::Upstream upstream_of_conninfo(std::string_view conninfo);

/// One line of a password file: "host:port:*:user:password", ':' and '\' escaped.
std::string passfile_line(const model::Upstream& upstream, const model::Login& login);

/// The rewind login: the configured one, or the superuser's when there is none.
const model::Login& rewind_login(const model::PgConfig& config);

}  // namespace aurum::pg
