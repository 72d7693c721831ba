#include <cstdio>
#include <fstream>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "lab/commands.h"
#include "lab/trace.h"

namespace aurum::lab {

int explain_main(int argc, char** argv) {
  std::string file, html;
  CLI::App app("Tells what happened in a run that aurum sim --trace wrote down.", "aurum explain");
  app.get_formatter()->column_width(26);
  app.failure_message([](const CLI::App*, const CLI::Error& e) {
    return fmt::format("error: {}\nhint: aurum explain --help\n", e.what());
  });
  app.footer(
      "Examples\n"
      "  aurum sim --seed 7 --trace 7.trace\n"
      "  aurum explain 7.trace | less\n"
      "  aurum explain 7.trace --html 7.html          one lane per node, in a browser\n");
  app.add_option("FILE", file, "the trace")->required();
  app.add_option("--html", html, "write a page by itself to this file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto trace = read_trace(file);
  if (!trace) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", trace.error().message.c_str(),
                 trace.error().hint.empty() ? "aurum explain --help" : trace.error().hint.c_str());
    return 2;
  }
  if (html.empty()) return std::fputs(story_text(*trace).c_str(), stdout) >= 0 ? 0 : 1;
  std::ofstream out(html);
  if (!(out << story_html(*trace)).flush()) {
    std::fprintf(stderr, "error: cannot write %s\n", html.c_str());
    return 1;
  }
  std::printf("%s\n", html.c_str());
  return 0;
}

}  // namespace aurum::lab
