#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "stack/config.h"
#include "stack/plan.h"

/// HAProxy and PgBouncer before the nodes of a stack: with the settings of config/haproxy.cfg and
/// config/pgbouncer.ini, which door_test.cc compares line by line.
namespace aurum::stack {

/// How clients come to the primary.
enum class Way { libpq, haproxy, pgbouncer };
Result<Way> way_from(std::string_view name);

/// A door on free ports, for tests and benches; with a PgBouncer for Way::pgbouncer, and none at
/// all for Way::libpq.
Status plan_door(Plan& plan, Way way);

/// Of the plan's door: "haproxy", "pgbouncer".
std::vector<std::string> door_names(const Plan& plan);

/// Their configurations; the plan has a door.
std::string haproxy_conf(const Plan& plan);
std::string pgbouncer_conf(const Plan& plan);
/// HAProxy's socket for its administrator, who is the stack's account.
std::string haproxy_socket(const Plan& plan);
std::string pgbouncer_users(const Plan& plan);

/// libpq conninfo of the one address that clients use; the password comes from the password file.
/// "" for Way::libpq.
std::string door_pairs(const Plan& plan, Way way, Access access = Access::read_write);

/// What PgBouncer needs in a database to look up how a role logs in, as docker/create-roles has it
/// for the images; but here superusers may come through it too. Each may have been done already.
std::string lookup_sql();

/// The server of backend `read-write` that HAProxy sends clients to, of its answer to `show servers
/// state read-write` (HAProxy, Management Guide §9.3): "" when it knows of none, or of several.
std::string chosen_server(std::string_view answer);

/// HAProxy's answer to `show servers state`, as a new process of it is to read it: a node that the
/// former did not know is no primary before a check says so (else HAProxy takes it for one).
std::string state_to_keep(const std::string& answer, const Plan& plan);

}  // namespace aurum::stack
