#include "base/ensure.h"

#include <cstdio>
#include <cstdlib>

namespace aurum {

void ensure_failed(std::string_view why, std::source_location where) {
  std::fprintf(stderr, "aurum: broken promise at %s:%u: %.*s\n", where.file_name(), where.line(),
               static_cast<int>(why.size()), why.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace aurum
