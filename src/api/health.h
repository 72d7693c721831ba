#pragma once

#include <optional>
#include <string_view>

#include "api/node.h"
#include "net/http.h"

/// Health checks of PATRONI_COMPAT §2.3 as pure functions: the HTTP status for a path and query.
namespace aurum::api {

/// The path decides by substring, first match wins; `query` may hold lag= and tag_KEY=.
int health_status(const NodeView& view, std::string_view path, const net::Headers& query);
int liveness_status(const NodeView& view);
/// `query`: lag=, mode=apply|write.
int readiness_status(const NodeView& view, const net::Headers& query);

}  // namespace aurum::api
