#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

/// TCP ports of this machine, asked before something is started that needs one.
namespace aurum::runtime {

/// Who listens on a port: "etcd (pid 812)", "a process of user root" when only its owner may be
/// seen (/proc/net/tcp, proc(5)); "" when nobody does.
std::string who_listens(std::uint16_t port);

/// Whether every numeric address of `hosts` ("a,b"; "" and "*" = all; names are left to whoever
/// listens) can be listened on. Nothing is left open. Code::exists for a busy port, with its
/// holder; Code::invalid for an address that is not of this machine; Code::permission.
Status port_is_free(const std::string& hosts, int port);

}  // namespace aurum::runtime
