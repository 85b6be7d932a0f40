// System calls that fail, for LD_PRELOAD before a dynamically linked thimble:
//   cc -shared -fPIC -O2 -o libfaults.so faults.c -ldl
//   THIMBLE_FAULTS=FILE LD_PRELOAD=./libfaults.so thimble …
// FILE holds a `control`, which whoever drives the test maps too. Only calls that the program itself makes fail, not those of the
// libraries below it. Which ones, and how, follows from the seed and the number of calls since it was set.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct {
  // 0: nothing fails.
  _Atomic uint64_t seed;
  // Of a million calls so many fail.
  _Atomic uint64_t rate;
  // Where not 0: only the call of this number fails, from 1 on, and nothing else.
  _Atomic uint64_t nth;
  // Calls that could have failed, and that did, since the seed was set.
  _Atomic uint64_t calls;
  _Atomic uint64_t injected;
  // The calls that failed last, and which way was chosen: in a ring.
  struct {
    char name[24];
    uint64_t way;
  } last[32];
} control;

static control *shared;
static uintptr_t text_start, text_end;

static int find_text(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size, (void)context;
  // The program itself comes first.
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
    text_start = info->dlpi_addr + header->p_vaddr;
    text_end = text_start + header->p_memsz;
  }
  return 1;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("THIMBLE_FAULTS");
  if (!path) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) abort();
  void *base = mmap(NULL, sizeof(control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) abort();
  close(fd);
  dl_iterate_phdr(find_text, NULL);
  shared = base;
}

static uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

// 0 where this call goes through; else a number to choose the way it fails.
static uint64_t fails(const void *caller, const char *name) {
  if (!shared || (uintptr_t)caller < text_start || (uintptr_t)caller >= text_end) return 0;
  uint64_t seed = atomic_load(&shared->seed);
  if (!seed) return 0;
  uint64_t call = atomic_fetch_add(&shared->calls, 1) + 1;
  uint64_t nth = atomic_load(&shared->nth);
  uint64_t number = mix(mix(seed) ^ call);
  if (nth ? call != nth : number % 1000000 >= atomic_load(&shared->rate)) return 0;
  uint64_t place = atomic_fetch_add(&shared->injected, 1) % 32;
  number >>= 20;
  if (!number) number = 1;
  strncpy(shared->last[place].name, name, sizeof shared->last[place].name - 1);
  shared->last[place].way = number;
  return number;
}

#define FAILS fails(__builtin_return_address(0), __func__)
#define REAL(name)                                               \
  static __typeof__(&name) real;                                 \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int choose(uint64_t number, const int *errors, size_t count) {
  errno = errors[(number >> 8) % count];
  return -1;
}
#define ERRORS(number, ...) \
  choose(number, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static int is_regular(int fd) {
  int error = errno;
  struct stat s;
  int result = fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
  errno = error;
  return result;
}
// At least one byte, fewer than were asked for where that can be.
static size_t shorter(uint64_t number, size_t count) { return count < 2 ? count : 1 + (number >> 24) % (count - 1); }

// Files

ssize_t read(int fd, void *buffer, size_t count) {
  REAL(read);
  // Those of eventfd and its like, which do not wait, are never interrupted.
  uint64_t f = is_regular(fd) ? FAILS : 0;
  if (f && f % 4 < 2) return ERRORS(f, EINTR);
  if (f) return f % 4 == 2 ? real(fd, buffer, shorter(f, count)) : ERRORS(f, EIO);
  return real(fd, buffer, count);
}
ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
  REAL(pread);
  uint64_t f = FAILS;
  if (f && f % 4 == 0) return ERRORS(f, EINTR);
  if (f && f % 4 < 3) return real(fd, buffer, shorter(f, count), offset);
  if (f) return ERRORS(f, EIO);
  return real(fd, buffer, count, offset);
}
ssize_t write(int fd, const void *buffer, size_t count) {
  REAL(write);
  uint64_t f = is_regular(fd) ? FAILS : 0;
  if (f && f % 4 < 2) return ERRORS(f, EINTR);
  if (f) return f % 4 == 2 ? real(fd, buffer, shorter(f, count)) : ERRORS(f, ENOSPC, EIO, EDQUOT);
  return real(fd, buffer, count);
}
ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
  REAL(pwrite);
  uint64_t f = FAILS;
  if (f && f % 4 == 0) return ERRORS(f, EINTR);
  if (f && f % 4 < 3) return real(fd, buffer, shorter(f, count), offset);
  if (f) return ERRORS(f, ENOSPC, EIO, EDQUOT);
  return real(fd, buffer, count, offset);
}
int open(const char *path, int flags, ...) {
  REAL(open);
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EINTR, EMFILE, ENFILE, ENOMEM, EIO) : real(path, flags, mode);
}
int fcntl(int fd, int command, ...) {
  REAL(fcntl);
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  uint64_t f = command == F_DUPFD_CLOEXEC ? FAILS : 0;
  return f ? ERRORS(f, EMFILE) : real(fd, command, argument);
}
int stat(const char *restrict path, struct stat *restrict status) {
  REAL(stat);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EIO, ENOMEM) : real(path, status);
}
int fsync(int fd) {
  REAL(fsync);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EIO, ENOSPC, EINTR) : real(fd);
}
int rename(const char *from, const char *to) {
  REAL(rename);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EIO, ENOSPC) : real(from, to);
}
DIR *opendir(const char *path) {
  REAL(opendir);
  uint64_t f = FAILS;
  if (!f) return real(path);
  ERRORS(f, EMFILE, ENOMEM, EIO);
  return NULL;
}
struct dirent *readdir(DIR *directory) {
  REAL(readdir);
  uint64_t f = FAILS;
  if (!f) return real(directory);
  ERRORS(f, EIO);
  return NULL;
}

// Memory and threads

void *mmap(void *place, size_t count, int protection, int flags, int fd, off_t offset) {
  REAL(mmap);
  uint64_t f = FAILS;
  if (!f) return real(place, count, protection, flags, fd, offset);
  ERRORS(f, ENOMEM);
  return MAP_FAILED;
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *context) {
  REAL(pthread_create);
  return FAILS ? EAGAIN : real(thread, attributes, body, context);
}

// Sockets. A peer that goes away is gone for the other end too.

static int cut(int fd, uint64_t number) {
  shutdown(fd, SHUT_RDWR);
  return ERRORS(number, ECONNRESET, EPIPE);
}
ssize_t recv(int fd, void *buffer, size_t count, int flags) {
  REAL(recv);
  uint64_t f = FAILS;
  switch (f ? f % 8 : 8) {
    case 0 ... 1: return ERRORS(f, EINTR);
    case 2: return ERRORS(f, EAGAIN);
    case 3 ... 5: return real(fd, buffer, shorter(f, count), flags);
    case 6: return cut(fd, f);
    case 7: shutdown(fd, SHUT_RDWR); return 0;
    default: return real(fd, buffer, count, flags);
  }
}
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  REAL(recvmsg);
  uint64_t f = FAILS;
  switch (f ? f % 8 : 8) {
    case 0 ... 1: return ERRORS(f, EINTR);
    case 2: return ERRORS(f, EAGAIN);
    case 3 ... 5: message->msg_iov[0].iov_len = shorter(f, message->msg_iov[0].iov_len); break;
    case 6: return cut(fd, f);
    case 7: shutdown(fd, SHUT_RDWR); return 0;
  }
  return real(fd, message, flags);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(sendmsg);
  uint64_t f = FAILS;
  switch (f ? f % 8 : 8) {
    case 0 ... 1: return ERRORS(f, EINTR);
    case 2: return ERRORS(f, EAGAIN);
    case 3 ... 5: {
      struct iovec first = {message->msg_iov[0].iov_base, shorter(f, message->msg_iov[0].iov_len)};
      struct msghdr part = *message;
      part.msg_iov = &first;
      part.msg_iovlen = 1;
      return real(fd, &part, flags);
    }
    case 6 ... 7: return cut(fd, f);
    default: return real(fd, message, flags);
  }
}
int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags) {
  REAL(accept4);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EINTR, EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED) : real(fd, address, length, flags);
}
int epoll_ctl(int poll, int operation, int fd, struct epoll_event *event) {
  REAL(epoll_ctl);
  uint64_t f = operation == EPOLL_CTL_ADD ? FAILS : 0;
  return f ? ERRORS(f, ENOMEM, ENOSPC) : real(poll, operation, fd, event);
}
int epoll_wait(int poll, struct epoll_event *events, int count, int timeout) {
  REAL(epoll_wait);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EINTR) : real(poll, events, count, timeout);
}
int eventfd(unsigned value, int flags) {
  REAL(eventfd);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EMFILE, ENFILE, ENOMEM) : real(value, flags);
}
int inotify_add_watch(int fd, const char *path, uint32_t mask) {
  REAL(inotify_add_watch);
  uint64_t f = FAILS;
  return f ? ERRORS(f, ENOSPC, ENOMEM) : real(fd, path, mask);
}
int inotify_init1(int flags) {
  REAL(inotify_init1);
  uint64_t f = FAILS;
  return f ? ERRORS(f, EMFILE, ENFILE, ENOMEM) : real(flags);
}
