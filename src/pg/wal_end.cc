#include "pg/wal_end.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "pg/files.h"
#include "pg/postgres.h"
#include "pg/programs.h"
#include "runtime/process.h"

namespace aurum::pg {

namespace {

constexpr std::uint64_t kPage = 8192;  ///< no package of PostgreSQL is built with another one
constexpr std::uint64_t kPageHeader = 24, kSegmentHeader = 40;

/// So far before the last known position reading begins: any place will do that has the begin of a
/// record between it and the end.
constexpr std::uint64_t kBefore = 64 * 1024;

std::string_view behind(std::string_view text, std::string_view mark) {
  const auto at = text.find(mark);
  return at == std::string_view::npos ? std::string_view() : text.substr(at + mark.size());
}

}  // namespace

std::optional<WalRecord> last_record(std::string_view out) {
  const auto begin = out.rfind("rmgr: ");
  if (begin == std::string_view::npos || (begin > 0 && out[begin - 1] != '\n')) return {};
  std::string_view line = out.substr(begin);
  line = line.substr(0, line.find('\n'));
  std::string_view total = behind(behind(line, "len (rec/tot):"), "/");
  total.remove_prefix(std::min(total.size(), total.find_first_not_of(' ')));
  WalRecord record;
  std::from_chars(total.data(), total.data() + total.size(), record.length);
  const std::string_view at = behind(line, ", lsn: ");
  const auto lsn = model::parse_lsn(at.substr(0, at.find(',')));
  if (!lsn || record.length == 0) return {};
  record.lsn = *lsn;
  return record;
}

bool is_end_of_wal(std::string_view err) {
  return err.find("error in WAL record at ") != std::string_view::npos;
}

model::Lsn end_of_record(model::Lsn lsn, std::uint32_t length, std::uint64_t segment_size) {
  std::uint64_t at = lsn.value;
  std::uint64_t left = length;
  while (left > kPage - at % kPage) {
    left -= kPage - at % kPage;
    at += kPage - at % kPage;
    at += at % segment_size == 0 ? kSegmentHeader : kPageHeader;
  }
  return {(at + left + 7) / 8 * 8};
}

bool is_wal_file_name(std::string_view name) {
  return name.size() == 24 && name.find_first_not_of("0123456789ABCDEF") == name.npos;
}

std::uint64_t wal_segment_size(const fs::path& data_dir) {
  std::error_code ec;
  for (fs::directory_iterator it(data_dir / "pg_wal", ec), end; !ec && it != end; it.increment(ec))
    if (is_wal_file_name(it->path().filename().native())) return it->file_size(ec);
  return 0;
}

std::optional<model::Lsn> oldest_wal(const fs::path& data_dir) {
  const std::uint64_t size = wal_segment_size(data_dir);
  if (size == 0) return std::nullopt;
  std::optional<model::Lsn> oldest;
  std::error_code ec;
  for (fs::directory_iterator it(data_dir / "pg_wal", ec), end; !ec && it != end;
       it.increment(ec)) {
    const std::string name = it->path().filename();
    if (!is_wal_file_name(name)) continue;
    const std::uint64_t id = std::stoull(name.substr(8, 8), nullptr, 16);
    const std::uint64_t number = std::stoull(name.substr(16), nullptr, 16);
    const model::Lsn begin{(id << 32) + number * size};
    if (!oldest || begin < *oldest) oldest = begin;
  }
  return oldest;
}

std::string wal_file_name(model::Timeline timeline, model::Lsn lsn, std::uint64_t segment_size) {
  const std::uint64_t number = lsn.value / segment_size;
  const std::uint64_t in_id = (std::uint64_t{1} << 32) / segment_size;
  return fmt::format("{:08X}{:08X}{:08X}", timeline, number / in_id, number % in_id);
}

namespace {

/// A stretch of WAL that is there: pg_waldump waits seconds for a file that is not.
struct Stretch {
  model::Lsn begin, end;
};

/// From 64 KiB before `near` on, or the begin of its file; none when that is not there.
std::optional<Stretch> stretch_of(const fs::path& data_dir, model::Timeline timeline,
                                  model::Lsn near, std::uint64_t size) {
  const auto there = [&](std::uint64_t at) {
    std::error_code ec;
    return fs::exists(data_dir / "pg_wal" / wal_file_name(timeline, {at}, size), ec);
  };
  std::uint64_t begin = near.value > kBefore ? near.value - kBefore : 0;
  if (!there(begin)) begin = near.value / size * size;
  if (!there(begin)) return std::nullopt;
  std::uint64_t end = begin / size * size;
  while (there(end)) end += size;
  return Stretch{{begin}, {end}};
}

}  // namespace

/// WAL is read as recovery would: record by record, each checked, to the first that is none.
Task<Result<model::Lsn>> Postgres::wal_end(model::Lsn flushed, model::Timeline timeline,
                                           Duration timeout) {
  const Instant deadline = runtime::now() + timeout;
  const fs::path dir = config_->pg.data_dir;
  auto server = co_await live_postmaster();
  if (server) co_return fail(Code::exists, "PostgreSQL runs in " + dir.string());
  auto orphans = co_await end_orphans(timeout);
  if (!orphans) co_return fail(orphans.error());
  auto tool = co_await program("pg_waldump");
  if (!tool) co_return fail(tool.error());
  const auto size = co_await runtime::in_pool(pool_, [dir] { return wal_segment_size(dir); });
  if (size == 0) co_return fail(Code::not_found, "no WAL file in " + (dir / "pg_wal").string());

  // Where reading began in the middle of the last record, or of nothing, it begins once more at the
  // last checkpoint: there a record surely does.
  std::vector<model::Lsn> from;
  if (flushed) from.push_back(flushed);
  from.emplace_back();
  for (model::Lsn near : from) {
    if (!near) {
      auto control = co_await control_data();
      if (!control) co_return fail(control.error());
      near = {control->redo.value + kBefore};
    }
    const auto stretch =
        co_await runtime::in_pool(pool_, [=] { return stretch_of(dir, timeline, near, size); });
    if (!stretch) continue;
    runtime::ProcessSpec spec;
    spec.argv = {*tool,
                 "--path",
                 (dir / "pg_wal").string(),
                 "--timeline",
                 std::to_string(timeline),
                 "--start",
                 model::to_string(stretch->begin),
                 "--end",
                 model::to_string(stretch->end)};
    spec.env = child_environment();
    spec.timeout = deadline - runtime::now();
    auto read = co_await runtime::run_process(std::move(spec));
    if (!read) co_return fail(read.error().within("pg_waldump"));
    const auto last = last_record(read->out);
    if (!last || (!read->ok() && !is_end_of_wal(read->err))) continue;
    const model::Lsn end = end_of_record(last->lsn, last->length, size);
    // Behind a switch to the next file there is padding, which was flushed, too.
    co_return std::max(end, flushed);
  }
  co_return fail(Code::not_found,
                 "the end of WAL is not found from " + model::to_string(flushed) + " on");
}

}  // namespace aurum::pg
