#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace aurum::runtime {

/// Letters and digits that are not mistaken for each other, from /dev/urandom (random(4)): a
/// password that no file format has to quote. None is likelier than another.
Result<std::string> random_word(std::size_t length);

}  // namespace aurum::runtime
