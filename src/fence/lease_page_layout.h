#pragma once

#include <stddef.h>
#include <stdint.h>

/* The lease page as C sees it (lease_page.h holds the C++ view of the same bytes, and asserts that
 * both agree). aurum_fence, a library inside PostgreSQL, is C and may be older or newer than the
 * agent: another layout takes another version, and a version that is not known is never trusted. */

#define AURUM_LEASE_PAGE_MAGIC UINT64_C(0x3130656C6D727541) /* "Aurmle01" */
#define AURUM_LEASE_PAGE_VERSION UINT32_C(1)
#define AURUM_LEASE_PAGE_SIZE 4096

enum {
  AURUM_LEASE_PAGE_IDLE = 0,       /* this node does not lead */
  AURUM_LEASE_PAGE_LEASED = 1,     /* it may acknowledge until the deadline */
  AURUM_LEASE_PAGE_MAINTENANCE = 2 /* the cluster is paused: nobody is fenced */
};

typedef struct AurumLeasePage {
  uint64_t magic;
  uint32_t version;
  uint32_t state;
  uint64_t epoch;
  int64_t deadline_ns; /* CLOCK_BOOTTIME */
  int64_t kills;
} AurumLeasePage;
