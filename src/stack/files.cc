#include "stack/files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace aurum::stack {

Result<std::string> read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in)
    return fail(errno == ENOENT ? Code::not_found : Code::io,
                fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  text << in.rdbuf();
  return std::move(text).str();
}

}  // namespace aurum::stack
