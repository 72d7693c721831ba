#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

#include "counters.h"
#include "lease.h"
#include "lease_page_layout.h"

FenceCounters* fence_counters = NULL;

static shmem_startup_hook_type next_startup = NULL;
#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type next_request = NULL;

static void request_memory(void) {
  if (next_request) next_request();
  RequestAddinShmemSpace(MAXALIGN(sizeof(FenceCounters)));
}
#endif

static void make_counters(void) {
  bool found;

  if (next_startup) next_startup();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  fence_counters = ShmemInitStruct("aurum_fence", sizeof(FenceCounters), &found);
  if (!found) {
    pg_atomic_init_u64(&fence_counters->waits, 0);
    pg_atomic_init_u64(&fence_counters->refused, 0);
    pg_atomic_init_u64(&fence_counters->withheld, 0);
    pg_atomic_init_u64(&fence_counters->withheld_now, 0);
    pg_atomic_init_u64(&fence_counters->cut, 0);
  }
  LWLockRelease(AddinShmemInitLock);
}

void counters_request(void) {
#if PG_VERSION_NUM >= 150000
  next_request = shmem_request_hook;
  shmem_request_hook = request_memory;
#else
  RequestAddinShmemSpace(MAXALIGN(sizeof(FenceCounters)));
#endif
  next_startup = shmem_startup_hook;
  shmem_startup_hook = make_counters;
}

static const char* state_text(const Lease* lease) {
  if (!fence_enabled) return "off";
  if (RecoveryInProgress()) return "standby";
  if (lease->problem != NULL) return "no page";
  if (lease->state == AURUM_LEASE_PAGE_MAINTENANCE) return "maintenance";
  if (lease->state != AURUM_LEASE_PAGE_LEASED) return "idle";
  return lease->valid ? "leased" : "expired";
}

PG_FUNCTION_INFO_V1(aurum_fence_status);

Datum aurum_fence_status(PG_FUNCTION_ARGS) {
  Lease lease = lease_look();
  TupleDesc row;
  Datum values[9];
  bool nulls[9] = {false};
  pg_atomic_uint64* counters[5];

  if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "aurum_fence_status() gives a row");
  if (fence_counters == NULL)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("aurum_fence does not run in this server"),
                    errhint("Name it in shared_preload_libraries, and restart PostgreSQL.")));
  values[0] = CStringGetTextDatum(state_text(&lease));
  values[1] = Int64GetDatum((int64)lease.epoch);
  values[2] = Int64GetDatum((lease.until_ns - lease.now_ns) / 1000000);
  values[3] = lease.problem == NULL ? (Datum)0 : CStringGetTextDatum(lease.problem);
  nulls[1] = lease.problem != NULL;
  nulls[2] = lease.problem != NULL || lease.state != AURUM_LEASE_PAGE_LEASED;
  nulls[3] = lease.problem == NULL;
  counters[0] = &fence_counters->waits;
  counters[1] = &fence_counters->refused;
  counters[2] = &fence_counters->withheld;
  counters[3] = &fence_counters->withheld_now;
  counters[4] = &fence_counters->cut;
  for (int i = 0; i < 5; i++) values[4 + i] = Int64GetDatum((int64)pg_atomic_read_u64(counters[i]));
  return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls));
}
