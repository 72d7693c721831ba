#include "runtime/environment.h"

#include <string_view>
#include <unistd.h>

namespace aurum::runtime {

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      out[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  return out;
}

}  // namespace aurum::runtime
