#pragma once

#include <functional>
#include <string>

#include "base/time.h"
#include "stack/cluster.h"

/// Small programs for a cluster's agents to run: hooks, custom bootstrap and clone methods. They
/// stand in a folder of the cluster, which they may also write to.
namespace aurum::tests {

std::string script_path(const stack::Plan& plan, const std::string& name);
/// A shell script; "{dir}" in `body` becomes the folder.
void write_script(const stack::Cluster& cluster, const std::string& name, std::string body);
/// What a script wrote to {dir}/`name`; "" when it is not there.
std::string script_output(const stack::Cluster& cluster, const std::string& name);
std::size_t line_count(const std::string& text);

/// Runs a program as the account of the cluster and waits for its end, `input` on its standard
/// input. Throws, with what it said, when it fails.
void run_as_account(const stack::Cluster& cluster, const std::string& command,
                    const std::string& input = {});

/// Looks until it is so; throws at the deadline, saying what it waited for.
void wait_until(const std::string& what, const std::function<bool()>& so,
                Duration timeout = seconds(60));

}  // namespace aurum::tests
