#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/config.h"
#include "pg/settings.h"

/// Having the server load aurum_fence (fence_extension/README.md, docs/decisions/0007).
namespace aurum::pg {

/// How shared_preload_libraries names the library of this server program: by the configured file,
/// or as the one that is installed for it. Code::not_found with a hint.
Result<std::string> find_fence_library(const std::filesystem::path& configured,
                                       const std::filesystem::path& server_program);

struct CommitFence {
  std::string library;     ///< as find_fence_library() names it
  std::string lease_page;  ///< path of the guard's page
  model::FenceConfig config;
};
/// `others` is what the user's files have the server preload; it is kept, behind the fence. On the
/// command line, since nothing in a file may take the fence out (postgresql.auto.conf would win).
void load_fence(WantedSettings& wanted, const CommitFence& fence, std::string_view others);

/// A list of libraries without aurum_fence.
std::string without_fence(std::string_view libraries);

}  // namespace aurum::pg
