#include "cli/records.h"

#include <algorithm>

namespace aurum::cli {

namespace {

model::Value documents_of(const Records& records) {
  model::Value out = model::Value::array();
  for (const auto& row : records.rows) {
    model::Value document = model::Value::object();
    for (std::size_t i = 0; i < row.size(); ++i)
      if (records.keep_empty || !row[i].empty()) document.set(records.columns[i], row[i]);
    out.push_back(std::move(document));
  }
  return out;
}

/// A tab or line end inside a value would shift columns.
std::string tsv_text(const model::Value& value) {
  std::string text =
      value.is_array() || value.is_object()
          ? model::to_yaml(value, {.sort_keys = true, .flow = true, .width = 1 << 20})
          : value.text();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace_if(text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n'; }, ' ');
  return text;
}

std::string tsv(const Records& records) {
  std::string out;
  for (std::size_t i = 0; i < records.columns.size(); ++i)
    out += (i > 0 ? "\t" : "") + records.columns[i];
  out += '\n';
  for (const auto& row : records.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "\t" : "") + tsv_text(row[i]);
    out += '\n';
  }
  return out;
}

}  // namespace

std::optional<Format> parse_format(std::string_view text) {
  if (text == "pretty") return Format::pretty;
  if (text == "topology") return Format::topology;
  if (text == "tsv") return Format::tsv;
  if (text == "json") return Format::json;
  if (text == "yaml" || text == "yml") return Format::yaml;
  return std::nullopt;
}

std::string render_records(const Records& records, Format format) {
  if (format == Format::json) return model::to_json_loose(documents_of(records)) + "\n";
  if (format == Format::yaml)
    return model::to_yaml(documents_of(records), {.sort_keys = true}) + "\n";
  return tsv(records);
}

Table table_of(const Records& records) {
  Table table;
  for (const auto& name : records.columns) table.columns.push_back({name});
  for (const auto& row : records.rows) {
    table.rows.emplace_back();
    for (const auto& value : row) table.rows.back().push_back({value.text()});
  }
  return table;
}

}  // namespace aurum::cli
