#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lease.h"
#include "lease_page_layout.h"

StaticAssertDecl(sizeof(AurumLeasePage) == 40, "the layout of the lease page");
StaticAssertDecl(offsetof(AurumLeasePage, state) == 12, "the layout of the lease page");
StaticAssertDecl(offsetof(AurumLeasePage, epoch) == 16, "the layout of the lease page");
StaticAssertDecl(offsetof(AurumLeasePage, deadline_ns) == 24, "the layout of the lease page");

static const AurumLeasePage* page = NULL;
static const char* page_path = "";
static const char* problem = "aurum.lease_page is not set";
static dev_t page_device;
static ino_t page_inode;

/* Counts on while the machine sleeps, and no administrator can set it. */
int64 lease_clock(void) {
  struct timespec now;

  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* NULL when the open file can be a page of ours: private to the server's own user, and whole. */
static const char* what_is_wrong(int fd, struct stat* facts) {
  if (fstat(fd, facts) != 0) return "the lease page can not be examined";
  if (!S_ISREG(facts->st_mode)) return "the lease page is no file";
  if (facts->st_uid != geteuid()) return "the lease page belongs to another user";
  if ((facts->st_mode & 077) != 0) return "the lease page is open to other users";
  if (facts->st_size < AURUM_LEASE_PAGE_SIZE) return "the lease page is too short";
  return NULL;
}

/* Maps what stands under the path now. A page that is mapped is kept while nothing better is there:
 * it can only say that its lease is over. */
static void map_again(void) {
  struct stat facts;
  const char* wrong;
  int fd;

  if (page_path[0] == '\0') return;
  fd = open(page_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    if (page == NULL)
      problem = errno == ENOENT ? "there is no lease page" : "the lease page can not be opened";
    return;
  }
  wrong = what_is_wrong(fd, &facts);
  if (wrong != NULL) {
    if (page == NULL) problem = wrong;
  } else if (page == NULL || facts.st_dev != page_device || facts.st_ino != page_inode) {
    void* at = mmap(NULL, AURUM_LEASE_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

    if (at != MAP_FAILED) {
      if (page != NULL) munmap((void*)page, AURUM_LEASE_PAGE_SIZE);
      page = at;
      page_device = facts.st_dev;
      page_inode = facts.st_ino;
    } else if (page == NULL) {
      problem = "the lease page can not be mapped";
    }
  }
  close(fd);
}

/* The deadline is read before the clock: a process that is frozen between the two finds it passed.
 * The words may belong to two writes of the agent; each pair allows only what one of them does. */
static Lease judge(void) {
  Lease lease = {false, AURUM_LEASE_PAGE_IDLE, 0, 0, 0, NULL};

  if (page == NULL) {
    lease.problem = problem;
  } else if (page->magic != AURUM_LEASE_PAGE_MAGIC) {
    lease.problem = "the lease page is no lease page";
  } else if (page->version != AURUM_LEASE_PAGE_VERSION) {
    lease.problem = "the lease page is of a version that this aurum_fence does not know";
  } else {
    lease.state = __atomic_load_n(&page->state, __ATOMIC_ACQUIRE);
    lease.until_ns = __atomic_load_n(&page->deadline_ns, __ATOMIC_ACQUIRE);
    lease.epoch = __atomic_load_n(&page->epoch, __ATOMIC_ACQUIRE);
    lease.now_ns = lease_clock();
    if (lease.state == AURUM_LEASE_PAGE_MAINTENANCE) {
      lease.until_ns = PG_INT64_MAX;
      lease.valid = true;
    } else {
      lease.valid = lease.state == AURUM_LEASE_PAGE_LEASED && lease.now_ns < lease.until_ns;
    }
  }
  return lease;
}

void lease_map(const char* path) {
  page_path = path == NULL ? "" : path;
  map_again();
}

Lease lease_look(void) {
  Lease lease = judge();

  if (likely(lease.valid)) return lease;
  map_again();
  return judge();
}

char* lease_text(const Lease* lease) {
  if (lease->problem != NULL)
    return psprintf("%s (aurum.lease_page is \"%s\").", lease->problem, page_path);
  if (lease->state != AURUM_LEASE_PAGE_LEASED)
    return pstrdup("By its lease page this server leads no cluster.");
  if (lease->until_ns <= 0)
    return psprintf("Its lease of epoch " UINT64_FORMAT " was given up.", lease->epoch);
  return psprintf("Its lease of epoch " UINT64_FORMAT " ended " INT64_FORMAT " ms ago.",
                  lease->epoch, (lease->now_ns - lease->until_ns) / 1000000);
}
