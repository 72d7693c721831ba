#include "pg/conninfo.h"
#include "pg/files.h"
#include "pg/postgres.h"
#include "pg/wal_end.h"

/// Permanent logical slots on a standby (PATRONI_COMPAT §8.10): their state is read from the
/// leader's files by SQL and written while the server is down.
namespace aurum::pg {

namespace {

constexpr auto kReadTimeout = seconds(10);

struct SlotState {
  std::string name, bytes;
};

/// Names of slots, as PostgreSQL allows them; they become file names here.
bool good_name(const std::string& name) {
  return !name.empty() &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

std::string from_hex(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return out;
}

/// One that is there already, also half written by a try that was cut off, is written anew: the
/// server does not know it yet.
Status write_slots(const fs::path& data_dir, const std::vector<SlotState>& slots) {
  const mode_t mode = file_mode(data_dir);
  for (const auto& slot : slots) {
    const fs::path dir = data_dir / "pg_replslot" / slot.name;
    std::error_code ec;
    fs::create_directory(dir, ec);
    if (ec) return fail(Code::io, "cannot make " + dir.string() + ": " + ec.message());
    fs::permissions(dir, fs::perms(mode == 0640 ? 0750 : 0700), ec);
    auto written = write_file(dir / "state", slot.bytes, mode);
    if (!written) return fail(written.error());
  }
  return sync_directory(data_dir / "pg_replslot");
}

}  // namespace

Task<Result<bool>> Postgres::copy_slots(model::Upstream leader,
                                        std::vector<model::SlotConfig> slots,
                                        model::PgTarget target, model::DynamicConfig dynamic,
                                        Duration timeout) {
  std::string names;
  for (const auto& slot : slots)
    if (good_name(slot.name)) names += (names.empty() ? "" : ",") + quote_literal(slot.name);
  if (names.empty() || target.slot_name.empty()) co_return false;
  auto session = co_await open_remote(leader, rewind_login(config_->pg),
                                      {{"dbname", config_->pg.database}}, seconds(5));
  if (!session) co_return fail(session.error());
  // Rows of its catalogs that such a slot needs stay only while our feedback holds them.
  auto held = co_await (*session)->query(
      "SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = " +
          quote_literal(target.slot_name) + " AND (xmin IS NOT NULL OR catalog_xmin IS NOT NULL)",
      kReadTimeout);
  if (!held) co_return fail(held.error());
  if (held->rows.empty()) co_return false;
  auto rows = co_await (*session)->query(
      "SELECT slot_name, pg_catalog.encode(pg_catalog.pg_read_binary_file('pg_replslot/' || "
      "slot_name || '/state', 0, 1000000, false), 'hex') AS state, restart_lsn FROM "
      "pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary AND slot_name "
      "IN (" +
          names + ")",
      kReadTimeout);
  if (!rows) co_return fail(rows.error().within("the leader's slots"));
  // A copy whose WAL is not here could never move on: it comes when its consumer has
  // (LogicalSlotsLater.are_copied_to_a_later_replica_…).
  const auto oldest =
      co_await runtime::in_pool(pool_, [dir = config_->pg.data_dir] { return oldest_wal(dir); });
  std::vector<SlotState> states;
  for (std::size_t i = 0; i < rows->rows.size(); ++i) {
    const auto from = model::parse_lsn(rows->text(i, "restart_lsn"));
    if (from && oldest && *from >= *oldest)
      states.push_back({rows->text(i, "slot_name"), from_hex(rows->text(i, "state"))});
  }
  session->reset();
  if (states.empty()) co_return false;

  const Instant deadline = runtime::now() + timeout;
  auto stopped = co_await stop(model::StopMode::fast, timeout, true);
  if (!stopped) co_return fail(stopped.error());
  auto written = co_await runtime::in_pool(
      pool_, [dir = config_->pg.data_dir, states] { return write_slots(dir, states); });
  if (!written) log_.warn("slots.copy", written.error().text());  // it is started in any case
  const Duration left = std::max<Duration>(deadline - runtime::now(), seconds(5));
  auto started = co_await start(std::move(target), std::move(dynamic), left);
  if (!started) co_return fail(started.error());
  co_return written.has_value();
}

}  // namespace aurum::pg
