// What Embedded Swift's standard library asks of the C library; the ordinary runtime has its own.
#if defined(THIMBLE_EMBEDDED)
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/random.h>

static int starts_with_space(const char *s) { return *s == ' ' || (*s >= '\t' && *s <= '\r'); }

// Double("3.25") and Float("3.25"): the end of the number, or null.
const char *_swift_stdlib_strtod_clocale(const char *s, double *out) {
  if (starts_with_space(s)) return NULL;
  char *end;
  *out = strtod(s, &end);
  return end == s ? NULL : end;
}
const char *_swift_stdlib_strtof_clocale(const char *s, float *out) {
  if (starts_with_space(s)) return NULL;
  char *end;
  *out = strtof(s, &end);
  return end == s ? NULL : end;
}

#if !defined(__GLIBC__)
void arc4random_buf(void *out, size_t count) {
  for (unsigned char *p = out; count;) {
    ssize_t r = getrandom(p, count, 0);
    if (r > 0) p += r, count -= (size_t)r;
  }
}
#endif
#endif
