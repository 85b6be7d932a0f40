#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "thimble_system.h"

// From the kernel's ABI, spelled out: musl comes without kernel headers.
enum { FUTEX_WAIT_PRIVATE_ = 0 | 128, FUTEX_WAKE_PRIVATE_ = 1 | 128 };

typedef struct {
  thimble_thread_body body;
  void *context;
} start;

static void *thread_main(void *argument) {
  start s = *(start *)argument;
  free(argument);
  s.body(s.context);
  return NULL;
}

int32_t thimble_thread_start(thimble_thread *out, thimble_thread_body body, void *context, size_t stack_byte_count) {
  start *s = malloc(sizeof *s);
  if (!s) return -ENOMEM;
  *s = (start){body, context};
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  stack_byte_count += 8 << 20;  // instrumented frames are larger by far
#endif
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  int error = pthread_attr_setstacksize(&attributes, stack_byte_count);
  pthread_t thread;
  if (!error) error = pthread_create(&thread, &attributes, thread_main, s);
  pthread_attr_destroy(&attributes);
  if (error) {
    free(s);
    return -error;
  }
  out->handle = (uintptr_t)thread;
  return 0;
}
int32_t thimble_thread_join(thimble_thread thread) { return -pthread_join((pthread_t)thread.handle, NULL); }

int32_t thimble_futex_wait(const void *word, uint32_t expected, int64_t timeout_nanoseconds) {
  struct timespec timeout = {timeout_nanoseconds / 1000000000, timeout_nanoseconds % 1000000000};
  long r = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE_, expected, timeout_nanoseconds < 0 ? NULL : &timeout, NULL, 0);
  return r < 0 ? -errno : 0;
}
int32_t thimble_futex_wake(const void *word, int32_t count) {
  long r = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE_, count, NULL, NULL, 0);
  return r < 0 ? -errno : (int32_t)r;
}
void thimble_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield" ::: "memory");
#endif
}
int32_t thimble_usable_processors(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) < 0) return -errno;
  return CPU_COUNT(&set);
}
int32_t thimble_usable_processor_bits(uint64_t *words, int32_t count) {
  // The kernel fills as many bytes as it has processors, and refuses a shorter buffer.
  long r = syscall(SYS_sched_getaffinity, getpid(), (size_t)count * sizeof *words, words);
  return r < 0 ? -errno : (int32_t)(r / (long)sizeof *words);
}

// The set that the process was started on, before any thread left it.
static cpu_set_t started_on;
static pthread_once_t started_on_is_known = PTHREAD_ONCE_INIT;
static void learn_started_on(void) {
  if (sched_getaffinity(getpid(), sizeof started_on, &started_on) < 0) memset(&started_on, 0xFF, sizeof started_on);
}
static _Thread_local uint32_t placement;
uint32_t thimble_thread_placement(void) { return placement; }
void thimble_thread_set_placement(uint32_t number) { placement = number; }
int32_t thimble_thread_run_on(const int32_t *processors, int32_t count) {
  pthread_once(&started_on_is_known, learn_started_on);
  cpu_set_t set = started_on;
  if (count > 0) CPU_ZERO(&set);
  for (int32_t i = 0; i < count; i++)
    if (processors[i] >= 0 && processors[i] < CPU_SETSIZE) CPU_SET(processors[i], &set);
  return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}
