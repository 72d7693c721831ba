#include <cstdio>
#include <string_view>

#include "stack/commands.h"

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "stack") return aurum::stack::stack_main(argc - 1, argv + 1);
  if (command == "bench") return aurum::stack::bench_main(argc - 1, argv + 1);
  std::puts("aurum 0.1.0");
  return 0;
}
