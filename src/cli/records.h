#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/table.h"
#include "model/value.h"

namespace aurum::cli {

enum class Format { pretty, topology, tsv, json, yaml };

/// "pretty", "tsv", "json", "yaml", "yml", "topology".
std::optional<Format> parse_format(std::string_view text);

/// Rows of named values for the formats that programs read (PATRONI_COMPAT §4.3).
struct Records {
  std::vector<std::string> columns;
  std::vector<std::vector<model::Value>> rows;
  bool keep_empty = false;  ///< json and yaml name empty values too
};

/// tsv with a header, json on one line, or yaml with sorted keys and an empty line behind it.
std::string render_records(const Records& records, Format format);

/// The same as a table, all left aligned.
Table table_of(const Records& records);

}  // namespace aurum::cli
