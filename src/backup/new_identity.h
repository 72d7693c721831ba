#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/result.h"

/// A system identifier of its own for a copy of a cluster, so that it never is taken for the
/// cluster it was copied from: by pgBackRest, whose stanza would accept its WAL, by a standby or
/// pg_rewind.
///
/// PostgreSQL has no program for it but pg_createsubscriber (17), which does the same: a new number
/// in pg_control, and then pg_resetwal, whose new WAL bears it.
namespace aurum::backup {

/// CRC-32C, as pg_control bears it.
std::uint32_t crc32c(std::span<const unsigned char> bytes);

/// Of the content of pg_control: the number at its begin is replaced, and the checksum made anew.
/// Where that is depends on PostgreSQL's version; it is found by being right. Code::invalid when no
/// checksum is right.
Status replace_system_identifier(std::span<unsigned char> pg_control, std::uint64_t identifier);

/// From the time and the process, as initdb makes it.
std::uint64_t make_system_identifier();

/// Writes it to a data directory that was shut down cleanly. pg_resetwal must follow.
Status give_system_identifier(const std::filesystem::path& data_dir, std::uint64_t identifier);

}  // namespace aurum::backup
