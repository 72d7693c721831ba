/* Writes a lease page as the agent does, for tests:
 *   lease_page FILE make | leased MS EPOCH | idle | maintenance | magic N | version N */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lease_page_layout.h"

static int64_t now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static AurumLeasePage* map(const char* path, int make) {
  int fd = open(path, O_RDWR | (make ? O_CREAT | O_EXCL : 0), 0600);
  void* page;

  if (fd < 0 || (make && ftruncate(fd, AURUM_LEASE_PAGE_SIZE) != 0)) return NULL;
  page = mmap(NULL, AURUM_LEASE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? NULL : page;
}

static void set(AurumLeasePage* page, uint32_t state, int64_t deadline, uint64_t epoch) {
  if (state != AURUM_LEASE_PAGE_LEASED) __atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
  __atomic_store_n(&page->deadline_ns, deadline, __ATOMIC_RELEASE);
  __atomic_store_n(&page->epoch, epoch, __ATOMIC_RELEASE);
  __atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
}

int main(int argc, char** argv) {
  const char* what = argc > 2 ? argv[2] : "";
  long long number = argc > 3 ? atoll(argv[3]) : 0;
  AurumLeasePage* page = argc > 2 ? map(argv[1], strcmp(what, "make") == 0) : NULL;

  if (page == NULL) {
    perror("lease_page");
    return 1;
  }
  if (strcmp(what, "make") == 0) {
    page->version = AURUM_LEASE_PAGE_VERSION;
    page->magic = AURUM_LEASE_PAGE_MAGIC;
  } else if (strcmp(what, "leased") == 0 && argc > 4) {
    set(page, AURUM_LEASE_PAGE_LEASED, now_ns() + number * 1000000, strtoull(argv[4], NULL, 10));
  } else if (strcmp(what, "idle") == 0) {
    set(page, AURUM_LEASE_PAGE_IDLE, 0, 0);
  } else if (strcmp(what, "maintenance") == 0) {
    set(page, AURUM_LEASE_PAGE_MAINTENANCE, 0, 0);
  } else if (strcmp(what, "magic") == 0) {
    page->magic = (uint64_t)number;
  } else if (strcmp(what, "version") == 0) {
    page->version = (uint32_t)number;
  } else {
    fprintf(stderr, "lease_page: what is \"%s\"?\n", what);
    return 2;
  }
  return 0;
}
