#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace CLI {
class App;
}

/// What a command says while it works. Lines stay within 80 columns.
namespace aurum::stack {

/// Step by step with times: on a terminal the running step is rewritten in place, elsewhere each
/// finished step is one line. `quiet` says nothing.
class Progress {
 public:
  explicit Progress(bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(std::string text);         ///< ends the one before as done
  void detail(std::string_view text);  ///< what the running step waits for
  void bar(std::size_t done, std::size_t of, std::string_view text);  ///< the running step as a bar
  void finish();  ///< ends the running step as done
  void broken();  ///< ends the running step as failed
  Duration total() const;

 private:
  void draw(std::string_view mark, std::string_view tail, bool last);

  bool quiet_;
  bool terminal_;
  std::string text_;
  std::string shown_;
  Instant began_, step_began_;
};

/// Columns padded to their widest cell, two blanks between them; the first row is the head.
std::string table(const std::vector<std::vector<std::string>>& rows,
                  std::string_view indent = "  ");

bool colours();  ///< standard output is a terminal and NO_COLOR is not set
std::string bold(const std::string& text);

/// Says on standard error what is wrong and what to do; the exit code 1.
int report(const Error& error);
/// Wrong usage of a program with subcommands becomes one line and a hint. `help` must outlive
/// `app`.
void explain_failures(CLI::App& app, const char* help);

}  // namespace aurum::stack
