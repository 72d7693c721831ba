#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/value.h"

/// What differs between two dynamic configurations, by key; never by value, which may be a secret.
namespace aurum::model {

/// Dotted paths of all scalars and lists that were added, removed or changed, in the order of
/// `after`, those that are gone behind them: "ttl", "postgresql.parameters.work_mem".
std::vector<std::string> changed_keys(const Value& before, const Value& after);

/// Whether a key of the dynamic configuration runs a command, loads code, names a file for the
/// server to read or write, or lets people in as whom they like: who may set it may run what he
/// likes on the members' machines. Also what is not known below `postgresql`: it may be a method
/// with a command, to us or to a Patroni in the same cluster.
bool runs_commands(std::string_view path);

/// Those of changed_keys() that runs_commands() knows.
std::vector<std::string> changed_command_keys(const Value& before, const Value& after);

}  // namespace aurum::model
