#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/postgres.h"
#include "pg/session.h"
#include "pg/settings.h"

/// The probe's question and how its answer is read. Pure.
namespace aurum::pg {

/// All fields of PgFacts in one round trip: four statements, valid on PostgreSQL 13 to 18.
/// `version` = 150020. With `settings` a fifth statement lists every setting that needs a restart.
std::string probe_sql(int version, bool with_settings);

struct ProbeAnswer {
  model::Lsn insert_lsn;  ///< primary: pg_current_wal_insert_lsn(); 0 on a standby
  std::vector<RunningSetting> settings;
};
/// Fills the fields that come from the query. Code::protocol when the answer has another shape.
Result<ProbeAnswer> read_probe(const std::vector<Rows>& answer, model::PgFacts& facts);

/// Tells a server whose disk stopped from an idle one. On a primary WAL that was inserted is
/// flushed soon; WAL of an idle server may stay unflushed for ever though (hint bits write some
/// that no commit waits for). So when the flush position stands still behind the insert position
/// for a while, one small commit is asked for: it moves the flush position unless the disk is
/// stuck. An idle server is never written to.
class FlushWatch {
 public:
  /// True when a commit should now be asked for as proof.
  bool observe(model::Lsn insert, model::Lsn flush, Instant now, Duration patience);
  /// How long the flush position has stood still.
  Duration stuck_for(Instant now) const { return since_.ns == 0 ? Duration{} : now - since_; }
  void reset() { *this = FlushWatch(); }

 private:
  model::Lsn flush_;
  Instant since_{};
};
/// The commit: waits for the local disk only, never for a synchronous standby.
inline constexpr const char* kFlushProofSql =
    "BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_catalog.txid_current(); COMMIT";

}  // namespace aurum::pg
