#pragma once

#include "port/atomics.h"

/* What the fence did since the server started, in shared memory. */
typedef struct FenceCounters {
  pg_atomic_uint64
      waits; /* commits that waited for the lease before they were allowed or refused */
  pg_atomic_uint64 refused;      /* commits and reads that were refused */
  pg_atomic_uint64 withheld;     /* commits whose acknowledgement had to wait */
  pg_atomic_uint64 withheld_now; /* of those, the ones that still wait */
  pg_atomic_uint64 cut;          /* of those, the ones whose client lost its connection instead */
} FenceCounters;

/* In _PG_init. */
extern void counters_request(void);
/* NULL in a server of which the library is no part from the start. */
extern FenceCounters* fence_counters;

extern bool fence_enabled; /* aurum.fence */
