#include "sim/sync_wait.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdint>
#include <string_view>

namespace aurum::sim {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '*';
}

/// Names and numbers of the list, without quotes.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    if (text[i] == '"') {
      end = std::min(text.find('"', i + 1), text.size());
      words.emplace_back(text.substr(i + 1, end - i - 1));
      ++end;
    } else {
      while (end < text.size() && is_word(text[end])) ++end;
      if (end > i) words.emplace_back(text.substr(i, end - i));
    }
    i = std::max(end, i + 1);
  }
  return words;
}

/// Bits of these names among all.
std::uint32_t bits_of(const std::vector<std::string>& names, std::vector<std::string>& all) {
  std::uint32_t bits = 0;
  for (const std::string& name : names) {
    auto at = std::find(all.begin(), all.end(), name);
    if (at == all.end()) at = all.insert(all.end(), name);
    bits |= 1u << (at - all.begin());
  }
  return bits;
}

}  // namespace

SyncWait read_sync_wait(const std::string& setting, const std::vector<std::string>& everybody) {
  SyncWait wait;
  const auto open = setting.find('(');
  if (open == std::string::npos) {
    wait.names = words_of(setting);
    wait.needed = wait.names.empty() ? 0 : 1;
  } else {
    wait.names = words_of(std::string_view(setting).substr(open));
    wait.needed = std::stoi(words_of(std::string_view(setting).substr(0, open)).back());
  }
  if (wait.names == std::vector<std::string>{"*"}) wait.names = everybody;
  return wait;
}

bool every_election_knows(const model::SyncKey& key, const SyncWait& wait) {
  std::vector<std::string> all;
  const std::uint32_t voters = bits_of(key.members, all), names = bits_of(wait.names, all);
  const std::uint32_t end = 1u << all.size();
  for (std::uint32_t elected = 1; elected < end; ++elected) {
    if ((elected & ~voters) != 0 || std::popcount(elected) != key.quorum + 1) continue;
    for (std::uint32_t told = 0; told < end; ++told) {
      if ((told & ~names) == 0 && std::popcount(told) == wait.needed && (told & elected) == 0)
        return false;
    }
  }
  return true;
}

}  // namespace aurum::sim
