#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace aurum::model {

/// The code point at `at`, which is moved behind it; nullopt (and one byte further) where the text
/// is not UTF-8.
std::optional<char32_t> next_code_point(std::string_view text, std::size_t& at);
/// All of them; each byte that is not UTF-8 becomes U+FFFD.
std::u32string to_code_points(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);

}  // namespace aurum::model
