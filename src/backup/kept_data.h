#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

/// The data directory as it was before a restore, kept beside the new one until somebody confirms.
/// Everything here may block on the disk, and can be begun anew after it was cut off.
namespace aurum::backup {

/// Where the data of before the restore `id` is kept.
std::filesystem::path kept_path(const std::filesystem::path& data_dir, const std::string& id);

/// There was no data to keep.
inline constexpr const char* kNothingKept = "nothing";

/// Whether it can be moved aside, and a copy of `size` bytes has room then: Code::rejected, with
/// the reason, if not.
Status can_keep_data(const std::filesystem::path& data_dir, std::int64_t size);
/// Whether a backup of `size` bytes has room in the place of what stands there.
Status has_room_in_place(const std::filesystem::path& data_dir, std::int64_t size);

/// Moves it aside and makes an empty one. Gives its new place; model::kInPlace when that can not
/// be, and nothing was changed; kNothingKept.
Result<std::string> keep_data(const std::filesystem::path& data_dir, const std::string& id,
                              std::int64_t size);
/// Back to where it was, if it was moved; what is there now goes.
Status take_back_data(const std::filesystem::path& data_dir, const std::string& id);
Status forget_data(const std::filesystem::path& data_dir, const std::string& id);

}  // namespace aurum::backup
