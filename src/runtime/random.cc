#include "runtime/random.h"

#include <fstream>
#include <string_view>

namespace aurum::runtime {

Result<std::string> random_word(std::size_t length) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
  constexpr unsigned kFair = 256 / kLetters.size() * kLetters.size();
  std::ifstream random("/dev/urandom", std::ios::binary);
  std::string out;
  while (random && out.size() < length) {
    const auto byte = static_cast<unsigned>(random.get());
    if (byte < kFair) out += kLetters[byte % kLetters.size()];
  }
  if (!random) return fail(Code::io, "cannot read /dev/urandom");
  return out;
}

}  // namespace aurum::runtime
