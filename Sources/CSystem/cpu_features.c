#include "thimble_system.h"

#if defined(__x86_64__)
#include <cpuid.h>
uint32_t thimble_cpu_features(void) {
  uint32_t a, b, c, d, features = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  bool fma = c >> 12 & 1, xsave = c >> 27 & 1;
  if (!xsave) return 0;
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));  // which registers the kernel saves
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  if (fma && (low & 6) == 6 && (b >> 5 & 1)) features |= THIMBLE_CPU_AVX2;
  bool avx512 = (low & 0xe6) == 0xe6 && (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1);
  if ((features & THIMBLE_CPU_AVX2) && avx512 && (c >> 11 & 1)) features |= THIMBLE_CPU_VNNI;
  return features;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
uint32_t thimble_cpu_features(void) {
  uint32_t features = THIMBLE_CPU_NEON;  // part of the base architecture
  if (getauxval(AT_HWCAP) >> 20 & 1) features |= THIMBLE_CPU_DOTPROD;                                       // HWCAP_ASIMDDP
  if ((features & THIMBLE_CPU_DOTPROD) && (getauxval(AT_HWCAP2) >> 13 & 1)) features |= THIMBLE_CPU_I8MM;   // HWCAP2_I8MM
  return features;
}
#else
uint32_t thimble_cpu_features(void) { return 0; }
#endif
