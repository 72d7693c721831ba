// The test program is also the guard's program, so that guards under test run with the same
// sanitizers.
#include <cstdio>
#include <span>
#include <string_view>

#include <gtest/gtest.h>

#include "fence/guard.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "guard") {
    auto options =
        aurum::fence::parse_guard_options({argv + 2, static_cast<std::size_t>(argc - 2)});
    if (options) return aurum::fence::run_guard(*options);
    std::puts(options.error().text().c_str());
    return 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
