#include "pg/postgres.h"

/// Replication slots.
namespace aurum::pg {

namespace {

constexpr auto kCreateTimeout = seconds(30);
/// Advancing a logical slot decodes WAL and may take long; a physical one is quick.
constexpr auto kAdvanceTimeout = seconds(30);

/// Keeps the first failure: the other slots are still worth their try.
void keep_first(Status& kept, const Status& now, const std::string& slot) {
  if (!now && kept) kept = fail(now.error().within("replication slot " + slot));
}

Status status_of(const Result<Rows>& result, Code harmless) {
  if (result || result.error().code == harmless) return {};
  return fail(result.error());
}

}  // namespace

Task<Status> Postgres::change_slots(SlotChanges changes) {
  auto opened = co_await open_local(seconds(5));
  if (!opened) co_return fail(opened.error());
  auto session = std::move(*opened);
  Status out;
  for (const auto& name : changes.drop) {
    // A slot that is not there any more is as good as dropped.
    auto done = co_await session->query(
        "SELECT pg_catalog.pg_drop_replication_slot(" + quote_literal(name) + ")", kCreateTimeout);
    keep_first(out, status_of(done, Code::not_found), name);
  }
  for (const auto& name : changes.create) {
    auto done = co_await session->query(
        "SELECT pg_catalog.pg_create_physical_replication_slot(" + quote_literal(name) + ", true)",
        kCreateTimeout);
    keep_first(out, status_of(done, Code::exists), name);
  }
  for (const auto& [name, lsn] : changes.advance) {
    // One that is logical can be moved in its own database only.
    auto where = co_await session->query(
        "SELECT database FROM pg_catalog.pg_replication_slots WHERE slot_name = " +
            quote_literal(name) + " AND database IS NOT NULL",
        kCreateTimeout);
    std::unique_ptr<Session> there;
    if (where && !where->rows.empty()) {
      auto connected = co_await open_local(seconds(5), where->text(0, std::size_t{0}));
      if (!connected) {
        keep_first(out, fail(connected.error()), name);
        continue;
      }
      there = std::move(*connected);
    }
    Session& by = there ? *there : *session;
    auto done =
        co_await by.query("SELECT pg_catalog.pg_replication_slot_advance(" + quote_literal(name) +
                              ", " + quote_literal(to_string(lsn)) + ")",
                          kAdvanceTimeout);
    keep_first(out, status_of(done, Code::not_found), name);
  }
  for (const auto& slot : changes.create_logical) {
    // A logical slot belongs to the database it is created in.
    auto there = co_await open_local(seconds(5), slot.database);
    if (!there) {
      keep_first(out, fail(there.error()), slot.name);
      continue;
    }
    auto done = co_await (*there)->query("SELECT pg_catalog.pg_create_logical_replication_slot(" +
                                             quote_literal(slot.name) + ", " +
                                             quote_literal(slot.plugin) + ")",
                                         kCreateTimeout);
    keep_first(out, status_of(done, Code::exists), slot.name);
  }
  co_return out;
}

}  // namespace aurum::pg
