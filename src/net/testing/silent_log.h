#pragma once

#include "runtime/log.h"

namespace aurum::net::testing {

class SilentLog final : public runtime::Logger {
 public:
  void log(runtime::Level, std::string_view, std::string_view, const Fields&) override {}
};

}  // namespace aurum::net::testing
