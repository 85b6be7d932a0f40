#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "thimble_system.h"

static void *mapped(void *base, int32_t *error) {
  *error = base == MAP_FAILED ? errno : 0;
  return base == MAP_FAILED ? NULL : base;
}
void *thimble_map_file(int32_t fd, size_t count, int32_t *error) {
  return mapped(mmap(NULL, count, PROT_READ, MAP_PRIVATE, fd, 0), error);
}
void *thimble_map_shared(int32_t fd, int64_t offset, size_t count, bool is_writable, int32_t *error) {
  return mapped(mmap(NULL, count, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset), error);
}
void *thimble_map_anonymous(size_t count, int32_t *error) {
  return mapped(mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), error);
}
int32_t thimble_unmap(void *base, size_t count) { return munmap(base, count) < 0 ? -errno : 0; }
int32_t thimble_release_pages(void *base, size_t count) { return madvise(base, count, MADV_DONTNEED) < 0 ? -errno : 0; }
int32_t thimble_populate_pages(const void *base, size_t count) {
  return madvise((void *)base, count, 22 /* MADV_POPULATE_READ */) < 0 ? -errno : 0;
}
int32_t thimble_set_pages_apart(void *base, size_t count) { return madvise(base, count, MADV_RANDOM) < 0 ? -errno : 0; }
size_t thimble_page_byte_count(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void thimble_configure_allocator(void) {
#if defined(__GLIBC__)
  // The budget counts what is used: one arena, and what is freed goes back to the kernel.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  mallopt(M_TRIM_THRESHOLD, 128 * 1024);
#endif
}
