#include <cstdio>

int main() {
  std::puts("aurum 0.1.0");
  return 0;
}
