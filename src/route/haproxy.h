#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/tls.h"
#include "route/address.h"
#include "runtime/async.h"

/// HAProxy's runtime socket.
namespace aurum::route {

using runtime::Task;

/// What is said when `leader` takes writes: its server is up and the others' are down, at once. By
/// `health`, not by `state`: it is what the next check will find itself, and a message that is
/// lost, or too late, is put right by that check.
std::string leader_command(const std::string& backend, const std::string& leader,
                           const std::vector<std::string>& others);
/// What HAProxy answered, without the lines that mean nothing; "" = it did as it was told.
std::string complaint(std::string_view answer);
/// Whether the leader's own server is up by its answer to `leader_command`, whatever it said of the
/// others: a member that is gone, and whose key is not yet, it may not know any more.
bool leader_is_up(std::string_view answer);

/// One connection: the command, and all that it answers. `tls`: null = plain.
Task<Result<std::string>> ask_haproxy(Address door, net::TlsContextPtr tls, std::string command,
                                      Duration timeout);

}  // namespace aurum::route
