#include "pg/wal_end.h"

#include <charconv>

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

constexpr std::string_view kStoppedAt = "error in WAL record at ";
constexpr std::string_view kLength = "len (rec/tot):";

std::string_view behind(std::string_view text, std::string_view mark) {
  const auto at = text.find(mark);
  return at == std::string_view::npos ? std::string_view() : text.substr(at + mark.size());
}

}  // namespace

std::optional<model::Lsn> last_record_before_end(std::string_view err) {
  const std::string_view rest = behind(err, kStoppedAt);
  const auto lsn = model::parse_lsn(rest.substr(0, rest.find(':')));
  if (!lsn) return std::nullopt;
  return *lsn;
}

std::uint32_t record_length(std::string_view line) {
  std::string_view total = behind(behind(line, kLength), "/");
  total.remove_prefix(std::min(total.size(), total.find_first_not_of(' ')));
  std::uint32_t length = 0;
  std::from_chars(total.data(), total.data() + total.size(), length);
  return length;
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

std::uint64_t wal_segment_size(const fs::path& data_dir) {
  std::error_code ec;
  for (fs::directory_iterator it(data_dir / "pg_wal", ec), end; !ec && it != end;
       it.increment(ec)) {
    const std::string name = it->path().filename();
    if (name.size() == 24 && name.find_first_not_of("0123456789ABCDEF") == std::string::npos)
      return it->file_size(ec);
  }
  return 0;
}

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

  const auto dump = [&](model::Lsn from, std::vector<std::string> more) {
    runtime::ProcessSpec spec;
    spec.argv = {*tool,
                 "--path",
                 (dir / "pg_wal").string(),
                 "--timeline",
                 std::to_string(timeline),
                 "--start",
                 model::to_string(from)};
    spec.argv.insert(spec.argv.end(), more.begin(), more.end());
    spec.env = child_environment();
    spec.timeout = deadline - runtime::now();
    return runtime::run_process(std::move(spec));
  };
  std::optional<model::Lsn> last;
  if (flushed.value > kBefore) {
    auto read = co_await dump({flushed.value - kBefore}, {"--quiet"});
    if (!read) co_return fail(read.error().within("pg_waldump"));
    last = last_record_before_end(read->err);
  }
  if (!last) {
    auto control = co_await control_data();
    if (!control) co_return fail(control.error());
    auto read = co_await dump(control->redo, {"--quiet"});
    if (!read) co_return fail(read.error().within("pg_waldump"));
    last = last_record_before_end(read->err);
    if (!last) co_return fail(Code::protocol, "pg_waldump: " + tool_reason(*read));
  }
  auto shown = co_await dump(*last, {"--limit", "1"});
  if (!shown) co_return fail(shown.error().within("pg_waldump"));
  const std::uint32_t length = record_length(shown->out);
  if (length == 0) co_return fail(Code::protocol, "pg_waldump: " + tool_reason(*shown));
  const model::Lsn end = end_of_record(*last, length, size);
  // WAL that was flushed can not be missing.
  if (end < flushed)
    co_return fail(Code::invalid, "WAL ends at " + model::to_string(end) + ", before " +
                                      model::to_string(flushed) + " which was flushed");
  co_return end;
}

}  // namespace aurum::pg
