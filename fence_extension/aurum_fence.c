/* aurum_fence: a primary whose lease is over acknowledges nothing (README.md).
 *
 * Each commit looks at the lease page three times: before it does anything (a lease that is over:
 * wait, then an error, and the transaction is rolled back); when it is durable and replicated; and
 * when the answer is handed to the kernel, since files of dropped tables are removed between the
 * two, other libraries are told, and a backend can be frozen there (a lease that is over: nobody
 * hears of it until there is one again). */
#include "postgres.h"

#include <unistd.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#endif

/* The connection's own structures are not looked at here: no headers of Kerberos and OpenSSL. */
#undef ENABLE_GSS
#undef USE_OPENSSL
#include "libpq/libpq.h"

#include "counters.h"
#include "lease.h"

PG_MODULE_MAGIC;

void _PG_init(void);

/* The page is looked at this often by those who wait for it. */
#define POLL_MS 20L
/* An answer on its way out waits so long: what sends it may be the end of this backend itself. */
#define WAY_OUT_MS 5000
#define FOREVER PG_INT64_MAX

bool fence_enabled = true;
static char* lease_page = NULL;
static int fence_wait_ms = 5000;
static bool fence_reads = false;

static ExecutorRun_hook_type next_run = NULL;
static ProcessUtility_hook_type next_utility = NULL;
static const PQcommMethods* next_channel = NULL;
static PQcommMethods channel;

/* What the transaction under way was allowed by, when it was about to commit; epoch 0: nothing. */
static Lease allowed;
/* A commit whose answer has not left yet, and what it may leave by. */
static Lease answering;
static bool owes_answer = false;
/* COMMIT PREPARED and ROLLBACK PREPARED are done inside a transaction that writes nothing itself.
 */
static bool owes_acknowledgement = false;

/* A standby acknowledges nothing, and neither does single-user mode, nor pg_upgrade, to anybody but
 * its operator. Autovacuum works for nobody. Parallel workers have events of their own, which
 * nobody listens to: their leader commits. Everybody else answers somebody: also a background
 * worker that applies a subscription tells the publisher what it may forget. */
static bool fenced(void) {
  return fence_enabled && IsUnderPostmaster && !IsBinaryUpgrade && !proc_exit_inprogress &&
         MyBackendType != B_AUTOVAC_WORKER && !RecoveryInProgress();
}

/* Whether the answer of this process goes through the channel that can be cut. */
static bool answers_client(void) {
  return (MyBackendType == B_BACKEND || MyBackendType == B_WAL_SENDER) &&
         whereToSendOutput == DestRemote;
}

static uint32 wait_event(void) {
#if PG_VERSION_NUM >= 170000
  static uint32 event = 0;

  if (event == 0) event = WaitEventExtensionNew("AurumFence");
  return event;
#else
  return PG_WAIT_EXTENSION;
#endif
}

static void count(size_t which, int64 by) {
  if (fence_counters == NULL) return;
  pg_atomic_fetch_add_u64((pg_atomic_uint64*)((char*)fence_counters + which), by);
}
#define COUNT(what, by) count(offsetof(FenceCounters, what), by)

/* Waits a moment. Nobody is left to tell of anything when the postmaster is gone: the process ends
 * as it is, since an orderly end would tell the client, or panic over a transaction that committed.
 */
static void pause_a_moment(long ms) {
  int woken = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, ms, wait_event());

  if (woken & WL_POSTMASTER_DEATH) _exit(1);
  if (woken & WL_LATCH_SET) ResetLatch(MyLatch);
}

/* ---- before ---- */

/* Another leadership than the one at hand when its time ran out: somebody may have led between. An
 * agent that is started anew, or takes another lease, changes the epoch without such a gap. */
static bool another_leadership(const Lease* before, const Lease* now) {
  return before->problem == NULL && before->epoch != 0 && now->problem == NULL &&
         now->epoch != before->epoch && now->now_ns >= before->until_ns;
}

/* Waits for the lease, at most aurum.fence_wait, as long as nobody cancels. */
static Lease await_lease(Lease first) {
  Lease lease = first;
  int64 until = lease_clock() + (int64)fence_wait_ms * 1000000;

  COUNT(waits, 1);
  while (!lease.valid && lease_clock() < until) {
    pause_a_moment(Min(POLL_MS, fence_wait_ms));
    CHECK_FOR_INTERRUPTS();
    lease = lease_look();
  }
  if (lease.valid && another_leadership(&first, &lease)) return first;
  return lease;
}

/* 57P03: drivers and pools take its class for a server that goes away; they connect anew and retry.
 */
static void refuse_if_late(const char* what) {
  Lease lease = lease_look();

  if (unlikely(!lease.valid)) lease = await_lease(lease);
  if (unlikely(!lease.valid)) {
    COUNT(refused, 1);
    ereport(ERROR,
            (errcode(ERRCODE_CANNOT_CONNECT_NOW),
             errmsg("%s refused: this server does not hold the lease of a primary", what),
             errdetail_internal("%s", lease_text(&lease)),
             errhint("Connect again and retry: another server may be the primary now. If there is "
                     "none, see to the agent of aurum on this machine.")));
  }
  allowed = lease;
}

/* ---- behind: durable, but not acknowledged; from here no error can be raised any more ---- */

static bool may_acknowledge(const Lease* under, Lease* lease) {
  *lease = lease_look();
  return lease->valid && !another_leadership(under, lease);
}

/* The client loses its connection and cannot know the outcome. What is still sent goes nowhere: it
 * stays in the send buffer, which nobody flushes before the process ends. */
static void cut_off_client(void) {
  whereToSendOutput = DestNone;
  ProcDiePending = true;
  InterruptPending = true;
  COUNT(cut, 1);
}

/* An interrupt is no answer: a cancel waits, and the end of this backend (pg_terminate_backend, a
 * fast stop) costs the client its connection. Where nothing can be cut only an immediate stop
 * helps; that, and SIGKILL, end every backend here. False when the client is cut off. */
static bool withhold(Lease* under, Lease* lease, int64 at_most_ms) {
  const int64 began = lease_clock();
  bool woken = false;
  bool acknowledged = true;

  /* Also one that was given up before its deadline: what we knew of it counts no more. */
  under->until_ns = Min(under->until_ns, began);
  COUNT(withheld, 1);
  COUNT(withheld_now, 1);
  ereport(LOG_SERVER_ONLY, (errmsg("acknowledgement of a commit withheld"),
                            errdetail_internal("%s", lease_text(lease))));
  while (!may_acknowledge(under, lease)) {
    const bool late =
        at_most_ms != FOREVER && lease_clock() - began >= at_most_ms * INT64CONST(1000000);

    if (answers_client() && (ProcDiePending || lease->valid || late)) {
      cut_off_client();
      acknowledged = false;
      break;
    }
    pause_a_moment(POLL_MS);
    woken = true;
  }
  if (woken) SetLatch(MyLatch); /* what woke us may have been meant for somebody else */
  COUNT(withheld_now, -1);
  return acknowledged;
}

static void withhold_if_late(void) {
  Lease lease;

  if (unlikely(!may_acknowledge(&allowed, &lease)) && !withhold(&allowed, &lease, FOREVER)) return;
  /* An older answer that still waits for its turn leaves by what it was given under. */
  if (!owes_answer || !another_leadership(&answering, &lease)) answering = lease;
  owes_answer = answers_client();
}

/* ---- the way out: what is put into the send buffer can leave by the next byte, or the flush. Only
 * a system call lies between the look and the network, which may be late as well. ---- */

/* False when nothing may leave any more. */
static bool may_leave(void) {
  Lease lease;

  if (likely(!owes_answer)) return true;
  if (whereToSendOutput != DestRemote) return false;
  return likely(may_acknowledge(&answering, &lease)) || withhold(&answering, &lease, WAY_OUT_MS);
}

/* A client that is cut off is told nothing, and the process goes on to its end as if it had been.
 */
static int on_put(char type, const char* message, size_t length) {
  return may_leave() ? next_channel->putmessage(type, message, length) : 0;
}

static int send_if_allowed(int (*flush)(void)) {
  int failed;

  if (!may_leave()) return 0;
  failed = flush();
  if (failed == 0 && !next_channel->is_send_pending()) owes_answer = false;
  return failed;
}

static int on_flush(void) { return send_if_allowed(next_channel->flush); }

static int on_flush_if_writable(void) { return send_if_allowed(next_channel->flush_if_writable); }

/* In the postmaster, before anybody has a connection: all backends inherit it. */
static void stand_in_the_way_out(void) {
  next_channel = PqCommMethods;
  channel = *next_channel;
  channel.putmessage = on_put;
  channel.flush = on_flush;
  channel.flush_if_writable = on_flush_if_writable;
  PqCommMethods = &channel;
}

/* ---- hooks ---- */

static bool writes(void) { return TransactionIdIsValid(GetTopTransactionIdIfAny()); }

static void forget_transaction(void) {
  allowed.epoch = 0;
  owes_acknowledgement = false;
}

static void on_transaction(XactEvent event, void* argument) {
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
      if (writes() && fenced()) refuse_if_late("commit");
      break;
    case XACT_EVENT_PRE_PREPARE:
      if (fenced()) refuse_if_late("prepare");
      break;
    case XACT_EVENT_COMMIT:
      if ((writes() || owes_acknowledgement) && fenced()) withhold_if_late();
      forget_transaction();
      break;
    case XACT_EVENT_PREPARE:
      if (fenced()) withhold_if_late();
      forget_transaction();
      break;
    case XACT_EVENT_ABORT:
      forget_transaction();
      break;
    default:
      break;
  }
}

/* Results of a query leave with, or behind, its last row; COPY TO has no executor in the first
 * form. */
static bool fences_reads(void) {
  return fence_reads && MyBackendType == B_BACKEND && !IsParallelWorker() && fenced();
}

static bool is_second_phase(Node* statement) {
  TransactionStmtKind kind;

  if (!IsA(statement, TransactionStmt)) return false;
  kind = ((TransactionStmt*)statement)->kind;
  return kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED;
}

#if PG_VERSION_NUM >= 140000
#define UTILITY_ARGUMENTS                                                                   \
  PlannedStmt *plan, const char *query, bool read_only_tree, ProcessUtilityContext context, \
      ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *destination,   \
      QueryCompletion *completion
#define UTILITY_PASS \
  plan, query, read_only_tree, context, parameters, environment, destination, completion
#else
#define UTILITY_ARGUMENTS                                                                        \
  PlannedStmt *plan, const char *query, ProcessUtilityContext context, ParamListInfo parameters, \
      QueryEnvironment *environment, DestReceiver *destination, QueryCompletion *completion
#define UTILITY_PASS plan, query, context, parameters, environment, destination, completion
#endif

static void on_utility(UTILITY_ARGUMENTS) {
  bool second_phase = is_second_phase(plan->utilityStmt);
  bool copies = IsA(plan->utilityStmt, CopyStmt);

  if (second_phase && fenced())
    refuse_if_late("second phase of a commit");
  else if (copies && fences_reads())
    refuse_if_late("read");
  if (next_utility)
    next_utility(UTILITY_PASS);
  else
    standard_ProcessUtility(UTILITY_PASS);
  if (second_phase) owes_acknowledgement = true;
  if (copies && fences_reads()) refuse_if_late("read");
}

#if PG_VERSION_NUM >= 180000
#define RUN_ARGUMENTS QueryDesc *query, ScanDirection direction, uint64 rows
#define RUN_PASS query, direction, rows
#else
#define RUN_ARGUMENTS QueryDesc *query, ScanDirection direction, uint64 rows, bool once
#define RUN_PASS query, direction, rows, once
#endif

static void on_run(RUN_ARGUMENTS) {
  bool reads = fences_reads();

  if (reads) refuse_if_late("read");
  if (next_run)
    next_run(RUN_PASS);
  else
    standard_ExecutorRun(RUN_PASS);
  if (reads) refuse_if_late("read");
}

static void define_settings(void) {
  DefineCustomBoolVariable("aurum.fence", "Refuses commits without a valid lease.",
                           "Off only where an operator runs a server without its agent.",
                           &fence_enabled, true, PGC_POSTMASTER, 0, NULL, NULL, NULL);
  DefineCustomStringVariable("aurum.lease_page", "The lease page of this member's guard.", NULL,
                             &lease_page, "", PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
  DefineCustomIntVariable(
      "aurum.fence_wait", "How long a commit waits for the lease before it is refused.", NULL,
      &fence_wait_ms, 5000, 0, 3600000, PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
  DefineCustomBoolVariable("aurum.fence_reads", "Refuses reads as well.", NULL, &fence_reads, false,
                           PGC_SUSET, 0, NULL, NULL, NULL);
}

void _PG_init(void) {
  /* Mapped by each backend for itself it would guard only those that happen to load it. */
  if (!process_shared_preload_libraries_in_progress) {
    if (IsUnderPostmaster)
      ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                      errmsg("aurum_fence can only be loaded by shared_preload_libraries")));
    return;
  }
  define_settings();
  counters_request();
  lease_map(lease_page);
  RegisterXactCallback(on_transaction, NULL);
  next_utility = ProcessUtility_hook;
  ProcessUtility_hook = on_utility;
  next_run = ExecutorRun_hook;
  ExecutorRun_hook = on_run;
  stand_in_the_way_out();
}
