#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace aurum::backup {

/// An error of pgBackRest can be pages long; the store is no place for them.
inline void shorten(std::string& error) {
  constexpr std::size_t kErrorLength = 400;
  if (error.size() > kErrorLength) error.resize(kErrorLength);
}

/// Behind the others, of which the oldest goes when there are more than `most`.
template <class T>
void remember(std::vector<T>& all, T one, std::size_t most) {
  shorten(one.error);
  all.push_back(std::move(one));
  if (all.size() > most) all.erase(all.begin());
}

}  // namespace aurum::backup
