/* Preloaded into a server: a file is emptied only when the file of AURUM_TEST_HOLD is gone, after
 * 30 s at the latest. <hold>.reached says that somebody waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int truncate(const char* path, off_t length) {
  static int (*real)(const char*, off_t);
  const char* hold = getenv("AURUM_TEST_HOLD");
  char reached[4096];
  int i;

  if (real == NULL) real = (int (*)(const char*, off_t))dlsym(RTLD_NEXT, "truncate");
  for (i = 0; hold != NULL && i < 3000 && access(hold, F_OK) == 0; ++i) {
    snprintf(reached, sizeof reached, "%s.reached", hold);
    close(open(reached, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    usleep(10000);
  }
  return real(path, length);
}
