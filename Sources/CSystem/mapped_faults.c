// What becomes of a page of a mapped file that cannot be read: the file was cut off, or reading the disk failed. The kernel
// says so by SIGBUS in the thread that touched it. Where a guarded region holds the page, zeros take the region's place, the
// fault is counted, and the thread goes on; whoever owns the region asks for the count and throws the result away. Writes to a
// region that may be written to go on in the zeros.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "thimble_system.h"

// One region each. Another is refused with EMFILE: whoever maps so many files holds as many descriptors, and the usual limit
// of those is the same.
enum { REGION_COUNT = 1024 };

// `version` is odd while the region is free or being written. A reader that sees one even value before and after has read
// one region's values. The region that faults cannot change meanwhile, so a reader never has to wait: what changes is
// another's.
typedef struct {
  atomic_uint version;
  atomic_uint fault_count;
  atomic_uintptr_t start;
  atomic_size_t byte_count;
  atomic_bool is_writable;
  atomic_bool is_taken;
} region;

static region regions[REGION_COUNT];
static atomic_int used_count;  // regions[used_count...] have never been taken
static struct sigaction previous_action;
static int32_t installation_error;
static pthread_once_t installation = PTHREAD_ONCE_INIT;

// Puts zeros in the place of the whole region: one fault instead of one a page, and no more mappings than before. A page that
// nobody writes to takes no memory.
static bool replace(uintptr_t start, size_t byte_count, bool is_writable) {
  // Not mmap(): musl's waits for a lock.
  int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
  long result = syscall(
      SYS_mmap, start, byte_count, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0L);
  return result != -1;
}

static bool is_handled(uintptr_t address) {
  int count = atomic_load_explicit(&used_count, memory_order_acquire);
  for (int index = 0; index < count; index++) {
    region *r = &regions[index];
    unsigned version = atomic_load_explicit(&r->version, memory_order_acquire);
    if (version % 2 == 1) continue;
    uintptr_t start = atomic_load_explicit(&r->start, memory_order_relaxed);
    size_t byte_count = atomic_load_explicit(&r->byte_count, memory_order_relaxed);
    bool is_writable = atomic_load_explicit(&r->is_writable, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&r->version, memory_order_relaxed) != version) continue;
    if (address < start || address - start >= byte_count) continue;
    // Counted first: another thread may read the zeros as soon as they are there.
    atomic_fetch_add_explicit(&r->fault_count, 1, memory_order_seq_cst);
    return replace(start, byte_count, is_writable);
  }
  return false;
}

static void handle(int signal, siginfo_t *information, void *context) {
  (void)context;
  int saved = errno;
  // BUS_ADRALN is the code's mistake, and codes from 0 down are sent by a process: neither is about a file.
  int code = information->si_code;
  if (code <= BUS_ADRALN || !is_handled((uintptr_t)information->si_addr)) {
    // As if this handler were not there: the access is tried again, what was sent is sent again.
    // What may no longer do that ends as the signal would have ended it.
    if (sigaction(SIGBUS, &previous_action, NULL) < 0) _exit(128 + SIGBUS);
    if (code <= 0) raise(signal);
  }
  errno = saved;
}

static void install(void) {
  for (int index = 0; index < REGION_COUNT; index++) atomic_init(&regions[index].version, 1);
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &previous_action) < 0) installation_error = -errno;
}

int32_t thimble_prepare_guards(void) {
  pthread_once(&installation, install);
  return installation_error;
}

int32_t thimble_guard_region(void *base, size_t byte_count, bool is_writable) {
  if (thimble_prepare_guards() < 0) return installation_error;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (int32_t index = 0; index < REGION_COUNT; index++) {
    region *r = &regions[index];
    if (atomic_exchange(&r->is_taken, true)) continue;
    // Nobody sees these values under the version of the region that was here before.
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&r->start, (uintptr_t)base, memory_order_relaxed);
    atomic_store_explicit(&r->byte_count, (byte_count + page - 1) / page * page, memory_order_relaxed);
    atomic_store_explicit(&r->is_writable, is_writable, memory_order_relaxed);
    atomic_store_explicit(&r->fault_count, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->version, 1, memory_order_release);
    int used = atomic_load(&used_count);
    while (used <= index && !atomic_compare_exchange_weak(&used_count, &used, index + 1)) {
    }
    return index;
  }
  return -EMFILE;
}

void thimble_unguard_region(int32_t index) {
  region *r = &regions[index];
  atomic_fetch_add_explicit(&r->version, 1, memory_order_acq_rel);
  atomic_store(&r->is_taken, false);
}

uint32_t thimble_region_fault_count(int32_t index) { return atomic_load(&regions[index].fault_count); }
