/* Preloaded into a server, for a disk that takes its time: a file is emptied, or written to the
 * disk, only when the file of AURUM_TEST_HOLD is gone, after 30 s at the latest. <hold>.reached
 * says that somebody waits. PostgreSQL 13 empties a file by its descriptor, later ones by its name;
 * WAL is flushed by fdatasync, as PostgreSQL does it on Linux. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_for_release(void) {
  const char* hold = getenv("AURUM_TEST_HOLD");
  char reached[4096];
  int i;

  for (i = 0; hold != NULL && i < 3000 && access(hold, F_OK) == 0; ++i) {
    snprintf(reached, sizeof reached, "%s.reached", hold);
    close(open(reached, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    usleep(10000);
  }
}

int truncate(const char* path, off_t length) {
  static int (*real)(const char*, off_t);

  if (real == NULL) real = (int (*)(const char*, off_t))dlsym(RTLD_NEXT, "truncate");
  wait_for_release();
  return real(path, length);
}

int ftruncate(int file, off_t length) {
  static int (*real)(int, off_t);

  if (real == NULL) real = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate");
  wait_for_release();
  return real(file, length);
}

int fdatasync(int file) {
  static int (*real)(int);

  if (real == NULL) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_for_release();
  return real(file);
}
