\echo Use "CREATE EXTENSION aurum_fence" to load this file. \quit

CREATE FUNCTION aurum_fence_status(
  OUT state text,           -- leased, expired, idle, maintenance, no page, standby, off
  OUT epoch bigint,
  OUT remaining_ms bigint,  -- of the lease; negative when it is over
  OUT problem text,         -- why there is no page
  OUT waits bigint,         -- commits that waited for the lease before they were allowed or refused
  OUT refused bigint,       -- commits and reads that were refused
  OUT withheld bigint,      -- commits whose acknowledgement had to wait
  OUT withheld_now bigint,  -- of those, the ones that still wait
  OUT cut bigint)           -- of those, the ones whose client lost its connection instead
LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aurum_fence_status';

CREATE VIEW aurum_fence AS SELECT * FROM aurum_fence_status();
