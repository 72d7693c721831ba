#include "model/secret_file.h"

#include <algorithm>

#include "model/config_sources.h"

namespace aurum::model {

namespace {

constexpr std::string_view kNext = "next: ", kPrevious = "previous: ";
constexpr std::size_t kShortest = 12, kLongest = 128;

/// Takes the first line off `text`.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  auto line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  while (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

Result<SecretFile> parse_secret_file(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  SecretFile secret;
  secret.in_use = take_line(text);
  if (secret.in_use.empty())
    return fail(Code::invalid, "is empty, or its first line is", "Write the password into it.");
  if (text.empty()) return secret;
  const auto second = take_line(text);
  if (second.starts_with(kNext)) secret.next = second.substr(kNext.size());
  if (second.starts_with(kPrevious)) secret.previous = second.substr(kPrevious.size());
  if (secret.other().empty() || !text.empty())
    return fail(Code::invalid, "has more than a password",
                "A second line is \"next: PASSWORD\" or \"previous: PASSWORD\", and there is no "
                "third.");
  return secret;
}

Result<SecretFile> load_secret_file(const std::filesystem::path& file) {
  auto text = read_text_file(file);
  if (!text) return fail(text.error());
  auto secret = parse_secret_file(*text);
  if (!secret) return fail(secret.error().within(file.string()));
  return secret;
}

std::string render_secret_file(const SecretFile& secret) {
  std::string text = secret.in_use + "\n";
  if (!secret.next.empty()) text.append(kNext).append(secret.next).append("\n");
  if (!secret.previous.empty()) text.append(kPrevious).append(secret.previous).append("\n");
  return text;
}

Status check_new_password(std::string_view password) {
  if (password.size() < kShortest || password.size() > kLongest)
    return fail(Code::invalid, "the new password is shorter than 12 letters or longer than 128");
  const bool printable =
      std::ranges::all_of(password, [](char letter) { return letter > ' ' && letter <= '~'; });
  if (!printable)
    return fail(Code::invalid, "the new password has a blank or a letter beyond ASCII",
                "Take letters, digits and signs of ASCII: every program reads those alike.");
  if (password.starts_with("development-"))
    return fail(Code::invalid, "the new password looks like one of the quick start",
                "Passwords that begin with \"development-\" are refused where data matters.");
  return {};
}

}  // namespace aurum::model
