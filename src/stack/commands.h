#pragma once

namespace aurum::stack {

/// `aurum stack …`, `aurum bench …`, `aurum certs …` and `aurum verify …`; argv[0] is that word.
/// They return the exit code: 0 done, 1 failed with one line on standard error, 2 wrong usage.
int stack_main(int argc, char** argv);
int bench_main(int argc, char** argv);
int certs_main(int argc, char** argv);
int verify_main(int argc, char** argv);

}  // namespace aurum::stack
