#pragma once

namespace aurum::lab {

/// `aurum sim …` and `aurum explain …`; argv[0] is that word. They return the exit code: 0 done,
/// 1 a rule was broken (or a file could not be written), 2 wrong usage.
int sim_main(int argc, char** argv);
int explain_main(int argc, char** argv);

}  // namespace aurum::lab
