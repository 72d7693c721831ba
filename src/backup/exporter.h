#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backup/catalogue.h"

/// The series of pgbackrest_exporter, so that its dashboards and alerts work unchanged. Pure.
namespace aurum::backup {

/// For GET /metrics; `now` in seconds since 1970.
std::string render_exporter(const Catalogue& catalogue, std::string_view stanza, std::int64_t now);

/// Writes "# HELP", "# TYPE" and one sample per call of `sample`.
class Series {
 public:
  Series(std::string& out, std::string_view name, std::string_view help);
  void sample(std::string_view labels, double value);
  void sample(std::string_view labels, std::int64_t value);

 private:
  std::string& out_;
  std::string name_;
};
/// `name="value"` with what Prometheus wants escaped.
std::string label(std::string_view name, std::string_view value);

}  // namespace aurum::backup
