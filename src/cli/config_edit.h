#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/value.h"

/// Changing the dynamic configuration by command line (PATRONI_COMPAT §4.3, edit-config).
namespace aurum::cli {

/// Applies one "a.b.c=VALUE": VALUE is YAML, null or nothing removes; below `postgresql.parameters`
/// the rest of the path is one key, because settings of extensions have dots
/// ("pg_stat_statements.max").
Status apply_setting(model::Value& config, std::string_view setting);

/// Applies one "work_mem=8MB" to postgresql.parameters.
Status apply_parameter(model::Value& config, std::string_view setting);

/// Reads the text of an edited or applied file; anything but a map is Code::invalid naming
/// `source`.
Result<model::Value> read_config_text(std::string_view text, std::string_view source);

/// The form that people edit and diffs compare: sorted keys, 200 columns.
std::string editable(const model::Value& config);

}  // namespace aurum::cli
