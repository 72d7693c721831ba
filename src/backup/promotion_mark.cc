#include "backup/promotion_mark.h"

#include <fstream>
#include <string>

#include <fmt/format.h>

#include "pg/files.h"
#include "pg/postmaster.h"

namespace aurum::backup {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFile = "promotion";

/// "": none.
std::string server_on(const fs::path& data_dir) {
  const auto text = pg::read_file(data_dir / "postmaster.pid");
  const auto server = text ? pg::parse_postmaster_pid(*text) : std::nullopt;
  return server ? fmt::format("{} {}", server->pid, server->start_epoch) : std::string();
}

}  // namespace

PromotionMark::PromotionMark(const fs::path& state_dir, const fs::path& data_dir)
    : file_(state_dir / kFile) {
  std::ofstream(file_) << server_on(data_dir);
}

PromotionMark::~PromotionMark() {
  std::error_code ec;
  fs::remove(file_, ec);
}

bool promotion_is_marked(const fs::path& state_dir, const fs::path& data_dir) {
  const auto marked = pg::read_file(state_dir / kFile);
  return marked && !marked->empty() && *marked == server_on(data_dir);
}

}  // namespace aurum::backup
