#include "sim/trace.h"

#include "sim/world.h"

namespace aurum::sim {

const char* name_of(TraceEntry::Kind kind) {
  static constexpr const char* kNames[] = {"note", "fault", "role", "page", "leader", "violation"};
  return kNames[static_cast<int>(kind)];
}

void World::trace_as(TraceEntry::Kind kind, const std::string& node, std::string text) {
  if (tracing_) trace.push_back({now_ - Instant{}, kind, node, std::move(text)});
}

/// What changed since the last event, told once.
void World::trace_changes() {
  static constexpr const char* kPages[] = {"idle", "leased", "maintenance"};
  if (leader() != traced_leader_) {
    traced_leader_ = leader();
    trace_as(TraceEntry::Kind::leader, "", traced_leader_);
  }
  for (const Node* n : nodes()) {
    const Postgres& pg = n->pg;
    const std::string role = !n->up            ? "off"
                             : !pg.alive       ? "stopped"
                             : pg.hung         ? "hung"
                             : !pg.accepting   ? "starting"
                             : !pg.in_recovery ? "primary"
                             : pg.streaming    ? "streaming"
                                               : "standby";
    const std::string text = role + (n->core ? "" : ", no agent");
    std::string& told = traced_[n->name];
    if (told != text) trace_as(TraceEntry::Kind::role, n->name, told = text);
    const std::string page = kPages[static_cast<int>(n->page.state)];
    std::string& told_page = traced_pages_[n->name];
    if (told_page != page) trace_as(TraceEntry::Kind::page, n->name, told_page = page);
  }
}

}  // namespace aurum::sim
