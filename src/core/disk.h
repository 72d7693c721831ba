#pragma once

#include <string>

#include "model/cluster.h"

/// Room on the disks, as far as others are concerned (disk.cc).
namespace aurum::core {

/// Whether somebody but `self` runs, may lead, and has room on its disk. Where every disk is full,
/// a new leader could do no more than the present one, which still serves reads and whatever needs
/// no more room: leadership would go round in circles, a timeline each time. So a full disk costs
/// the lock only where this holds (docs/decisions/0003).
bool another_has_room(const model::ClusterView& view, const std::string& self);

}  // namespace aurum::core
