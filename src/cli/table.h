#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Text tables in the look that scripts around Patroni know (PATRONI_COMPAT §4.3).
namespace aurum::cli {

/// One cell; '\n' in `text` makes it several lines high. `style` is an ANSI sequence put around
/// each line, or "".
struct Cell {
  std::string text;
  std::string_view style = {};
};

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

struct Table {
  std::string title;  ///< with its blanks, " Cluster: demo "; it overwrites the top rule. "" = none
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  ///< each as long as columns
};

/// The table with a newline behind every line. Rows are separated by rules only when some cell has
/// several lines.
std::string render(const Table& table);

/// How many terminal cells UTF-8 text takes, taking each code point as one.
std::size_t display_width(std::string_view text);

}  // namespace aurum::cli
