#include "model/config_sources.h"

/// `aurum.disk` of patroni.yml.
namespace aurum::model {
namespace {

void limit(const Reader& reader, std::string_view key, DiskLimit& out, Findings& findings) {
  const std::string text = reader.text(key);
  if (text.empty()) return;
  const auto parsed = parse_disk_limit(text);
  if (parsed)
    out = *parsed;
  else
    findings.error(key, parsed.error().message, parsed.error().hint);
}

}  // namespace

DiskConfig read_disk(const Reader& reader, Findings& findings) {
  DiskConfig out;
  limit(reader, "aurum.disk.low", out.low, findings);
  limit(reader, "aurum.disk.critical", out.critical, findings);
  DiskLimit ballast{.bytes = out.ballast};
  limit(reader, "aurum.disk.ballast", ballast, findings);
  if (ballast.percent != 0)
    findings.error("aurum.disk.ballast", "is a share", "Write its size, as 256MB.");
  out.ballast = ballast.bytes;
  out.hand_over = reader.boolean("aurum.disk.hand_over", out.hand_over);
  return out;
}

}  // namespace aurum::model
