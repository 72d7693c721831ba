#pragma once

/* Reading the lease page. It is mapped read-only in the postmaster, so that a backend has it from
 * its first moment on; whoever finds it missing, or its lease over, looks again whether the file is
 * still the one it has mapped. */

typedef struct Lease {
  bool valid;          /* this server may acknowledge now */
  uint32 state;        /* AURUM_LEASE_PAGE_*; only where problem is NULL */
  uint64 epoch;        /* of the leadership that the deadline belongs to */
  int64 until_ns;      /* CLOCK_BOOTTIME; PG_INT64_MAX where no deadline counts */
  int64 now_ns;        /* when it was looked at */
  const char* problem; /* why there is no page to look at, or NULL */
} Lease;

/* Once, in the postmaster. A page that cannot be mapped is no error here: it refuses. */
extern void lease_map(const char* path);
extern Lease lease_look(void);
/* "it ended 12 ms ago", for messages; in palloc'd memory */
extern char* lease_text(const Lease* lease);
extern int64 lease_clock(void);
