#include "fuzzing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const uint8_t *fuzzing_guarded(const uint8_t *bytes, size_t count) {
  static uint8_t *end;
  if (!end) {
    size_t page = 4096;
    uint8_t *base = mmap(NULL, FUZZING_INPUT_BYTES_MAX + page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + FUZZING_INPUT_BYTES_MAX, page, PROT_NONE)) abort();
    end = base + FUZZING_INPUT_BYTES_MAX;
  }
  if (count > FUZZING_INPUT_BYTES_MAX) abort();
  if (count) memcpy(end - count, bytes, count);
  return end - count;
}

static size_t limit;

void fuzzing_limit_allocations(size_t byte_count) { limit = byte_count; }

// Sanitizers bring an allocator of their own; the fuzzer's -malloc_limit_mb bounds it.
#if defined(__GLIBC__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void check(size_t size) {
  if (__builtin_expect(limit != 0 && size > limit, 0)) abort();
}

void *malloc(size_t size) {
  check(size);
  return __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
  if (size) check(n > SIZE_MAX / size ? SIZE_MAX : n * size);
  return __libc_calloc(n, size);
}
void *realloc(void *old, size_t size) {
  check(size);
  return __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  check(size);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
  check(size);
  void *memory = __libc_memalign(alignment, size);
  if (!memory) return ENOMEM;
  *out = memory;
  return 0;
}
#endif
