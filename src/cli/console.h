#pragma once

#include <iosfwd>

namespace aurum::cli {

/// Where a command reads and writes. The streams outlive it.
struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool colour = false;      ///< ANSI colours on out
  bool terminal = false;    ///< out is a terminal: --watch may redraw
  bool patronictl = false;  ///< called under Patroni's name: print nothing that it would not
};

}  // namespace aurum::cli
