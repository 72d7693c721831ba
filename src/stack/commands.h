#pragma once

namespace aurum::stack {

/// `aurum stack …` and `aurum bench …`; argv[0] is the word `stack` or `bench`. They return the
/// exit code: 0 done, 1 failed with one line on standard error, 2 wrong usage.
int stack_main(int argc, char** argv);
int bench_main(int argc, char** argv);

}  // namespace aurum::stack
