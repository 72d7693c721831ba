#include "cli/table.h"

#include <algorithm>

#include "base/ensure.h"

namespace aurum::cli {

namespace {

constexpr std::string_view kStyleEnd = "\033[0m";

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (;;) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::size_t> column_widths(const Table& table) {
  std::vector<std::size_t> widths;
  for (const Column& column : table.columns) widths.push_back(display_width(column.title));
  for (const auto& row : table.rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      for (const auto line : lines_of(row[i].text))
        widths[i] = std::max(widths[i], display_width(line));
  return widths;
}

std::string rule_of(const std::vector<std::size_t>& widths) {
  std::string rule = "+";
  for (const auto width : widths) rule += std::string(width + 2, '-') + "+";
  return rule;
}

/// The top rule is plain ASCII, so a byte is a cell there; what does not fit between its corners is
/// cut.
std::string top_rule(std::string rule, const std::string& title) {
  if (rule.size() < 2) return rule;
  const std::size_t room = rule.size() - 2;
  std::string shown;
  std::size_t width = 0;
  for (const char c : title) {
    const bool starts = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    if (starts && width == room) break;
    width += starts ? 1 : 0;
    shown += c;
  }
  return rule.replace(1, width, shown);
}

void append_padded(std::string& out, std::string_view text, std::size_t width, Align align,
                   std::string_view style) {
  const std::string pad(width - display_width(text), ' ');
  out += "| ";
  if (align == Align::right) out += pad;
  if (style.empty() || text.empty()) {
    out += text;
  } else {
    out.append(style).append(text).append(kStyleEnd);
  }
  if (align == Align::left) out += pad;
  out += ' ';
}

void append_row(std::string& out, const std::vector<Cell>& row, const Table& table,
                const std::vector<std::size_t>& widths) {
  std::vector<std::vector<std::string_view>> cells;
  std::size_t height = 1;
  for (const Cell& cell : row) {
    cells.push_back(lines_of(cell.text));
    height = std::max(height, cells.back().size());
  }
  for (std::size_t line = 0; line < height; ++line) {
    for (std::size_t i = 0; i < row.size(); ++i)
      append_padded(out, line < cells[i].size() ? cells[i][line] : std::string_view{}, widths[i],
                    table.columns[i].align, row[i].style);
    out += "|\n";
  }
}

bool has_tall_cell(const Table& table) {
  for (const auto& row : table.rows)
    for (const Cell& cell : row)
      if (cell.text.find('\n') != std::string::npos) return true;
  return false;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string render(const Table& table) {
  for (const auto& row : table.rows)
    ensure(row.size() == table.columns.size(), "a table row has a cell for each column");
  const auto widths = column_widths(table);
  const std::string rule = rule_of(widths);
  const bool ruled = has_tall_cell(table);

  std::vector<Cell> header;
  for (const Column& column : table.columns) header.push_back({column.title});
  std::string out = top_rule(rule, table.title) + "\n";
  append_row(out, header, table, widths);
  out += rule + "\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (ruled && i > 0) out += rule + "\n";
    append_row(out, table.rows[i], table, widths);
  }
  return out + rule + "\n";
}

}  // namespace aurum::cli
