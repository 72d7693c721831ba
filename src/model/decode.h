#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/lsn.h"
#include "model/value.h"

/// Tolerant readers shared by the codecs: what does not fit counts as absent.
namespace aurum::model {

std::string string_at(const Value& object, std::string_view key);  ///< of any scalar
std::string text_at(const Value& object, std::string_view key);    ///< a string only, else ""
std::int64_t int_at(const Value& object, std::string_view key);    ///< an integer, else 0
bool flag_at(const Value& object, std::string_view key);           ///< only what says true
std::optional<Lsn> lsn_of(const Value* value);  ///< an integer >= 0 or its decimal text
std::optional<Timeline> timeline_of(const Value* value);
/// The JSON value if it is an object, else an empty object.
Value parse_object(std::string_view text);

/// int LSN of the DCS. Positions past 2^63 do not exist in practice.
inline Value lsn_value(Lsn lsn) { return Value(static_cast<std::int64_t>(lsn.value)); }

}  // namespace aurum::model
