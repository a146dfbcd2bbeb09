/* Fail the n-th operation on files whose path holds a word: for tests of what a failing disk does.
 *
 * Loaded with LD_PRELOAD; armed by fault_arm(word, kind, n), kind one of
 *   'k' the process is killed before the operation
 *   't' half of a write is done, then the process is killed
 *   'e' the operation fails with `number`, once
 *   'p' this operation and all that follow fail with `number`
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char word[256];
static char kind;
static int number;
static long at, count;

void fault_arm(const char *holds, char what, int error, long n) {
  strncpy(word, holds, sizeof word - 1);
  kind = what, number = error, at = n, count = 0;
}

long fault_count(void) { return count; }

static int is_meant(int fd, const char *named) {
  char link[64], path[PATH_MAX];
  if (!word[0]) return 0;
  if (named) return strstr(named, word) != NULL;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, word) != NULL;
}

/* 0: go on; 1: fail; 2: do half of it and die */
static int fate_of(int fd, const char *named) {
  if (!is_meant(fd, named)) return 0;
  count++;
  if (at == 0 || count < at || (count > at && kind != 'p')) return 0;
  if (kind == 'k') kill(getpid(), SIGKILL);
  if (kind == 't') return 2;
  errno = number;
  return 1;
}

static int fate(int fd) { return fate_of(fd, NULL); }

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

#define WRITES(name, type)                                                         \
  ssize_t name(int fd, const void *data, size_t size, type offset) {               \
    static ssize_t (*real)(int, const void *, size_t, type);                       \
    if (!real) real = next(#name);                                                 \
    int what = fate(fd);                                                           \
    if (what == 1) return -1;                                                      \
    if (what == 2) real(fd, data, size / 2, offset), kill(getpid(), SIGKILL);      \
    return real(fd, data, size, offset);                                           \
  }
WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t size) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = next("write");
  int what = fate(fd);
  if (what == 1) return -1;
  if (what == 2) real(fd, data, size / 2), kill(getpid(), SIGKILL);
  return real(fd, data, size);
}

#define CALLS(name, parameters, arguments)                                         \
  int name parameters {                                                            \
    static int(*real) parameters;                                                  \
    if (!real) real = next(#name);                                                 \
    int what = fate(fd);                                                           \
    if (what == 2) kill(getpid(), SIGKILL);                                        \
    return what ? -1 : real arguments;                                             \
  }
CALLS(fsync, (int fd), (fd))
CALLS(ftruncate, (int fd, off_t size), (fd, size))
CALLS(ftruncate64, (int fd, off64_t size), (fd, size))

int rename(const char *from, const char *to) {
  static int (*real)(const char *, const char *);
  if (!real) real = next("rename");
  int what = fate_of(-1, to);
  if (what == 2) kill(getpid(), SIGKILL);
  return what ? -1 : real(from, to);
}
