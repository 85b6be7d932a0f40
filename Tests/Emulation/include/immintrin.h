// AVX-512 on processors without it: SIMD Everywhere's functions under Intel's names, and those that it does not have.
#ifndef THIMBLE_EMULATED_IMMINTRIN_H
#define THIMBLE_EMULATED_IMMINTRIN_H
#include_next <immintrin.h>
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <math.h>
#include <simde/x86/avx512.h>
#include <stdint.h>
#include <string.h>

#define EMULATED static inline __attribute__((always_inline, unused))
#define LOAD(TYPE, COUNT, NAME, FROM) \
  TYPE NAME[COUNT];                   \
  memcpy(NAME, &(FROM), sizeof NAME)

// Elements whose bit is set are stored, or loaded, and no others touched.
#define MASKED_STORE(NAME, VECTOR, MASK, TYPE, COUNT)              \
  EMULATED void NAME(void *to, MASK mask, VECTOR from) {           \
    LOAD(TYPE, COUNT, elements, from);                             \
    for (int i = 0; i < COUNT; i++)                                \
      if (mask >> i & 1) memcpy((TYPE *)to + i, elements + i, sizeof(TYPE)); \
  }
#define MASKED_LOAD(NAME, VECTOR, MASK, TYPE, COUNT)               \
  EMULATED VECTOR NAME(VECTOR other, MASK mask, const void *from) { \
    LOAD(TYPE, COUNT, elements, other);                            \
    for (int i = 0; i < COUNT; i++)                                \
      if (mask >> i & 1) memcpy(elements + i, (const TYPE *)from + i, sizeof(TYPE)); \
    VECTOR result;                                                 \
    memcpy(&result, elements, sizeof result);                      \
    return result;                                                 \
  }
MASKED_STORE(emulated_mm_mask_storeu_epi8, __m128i, uint16_t, uint8_t, 16)
MASKED_STORE(emulated_mm256_mask_storeu_epi8, __m256i, uint32_t, uint8_t, 32)
MASKED_STORE(emulated_mm512_mask_storeu_epi8, simde__m512i, uint64_t, uint8_t, 64)
MASKED_STORE(emulated_mm256_mask_storeu_epi32, __m256i, uint8_t, int32_t, 8)
MASKED_LOAD(emulated_mm_mask_loadu_epi8, __m128i, uint16_t, uint8_t, 16)
MASKED_LOAD(emulated_mm512_mask_loadu_epi8, simde__m512i, uint64_t, uint8_t, 64)

// Element by element.
#define EACH(NAME, FROM_VECTOR, FROM, TO_VECTOR, TO, EXPRESSION)   \
  EMULATED TO_VECTOR NAME(FROM_VECTOR from) {                      \
    LOAD(FROM, 16, x, from);                                       \
    TO result[16];                                                 \
    for (int i = 0; i < 16; i++) result[i] = EXPRESSION;           \
    TO_VECTOR vector;                                              \
    memcpy(&vector, result, sizeof vector);                        \
    return vector;                                                 \
  }
// What the processor makes of a float that no integer is near to: INT32_MIN.
EMULATED int32_t emulated_int32(float x) { return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN; }
EACH(emulated_mm512_cvtepu8_epi32, __m128i, uint8_t, simde__m512i, int32_t, x[i])
EACH(emulated_mm512_cvtepi32_ps, simde__m512i, int32_t, simde__m512, float, (float)x[i])
EACH(emulated_mm512_cvttps_epi32, simde__m512, float, simde__m512i, int32_t, emulated_int32(x[i]))
EACH(emulated_mm512_cvtps_epi32, simde__m512, float, simde__m512i, int32_t, emulated_int32(rintf(x[i])))
EACH(emulated_mm512_cvtusepi32_epi8, simde__m512i, uint32_t, __m128i, uint8_t, x[i] > 255 ? 255 : (uint8_t)x[i])

EMULATED simde__m512i emulated_mm512_srav_epi32(simde__m512i from, simde__m512i counts) {
  LOAD(int32_t, 16, x, from);
  LOAD(uint32_t, 16, count, counts);
  for (int i = 0; i < 16; i++) x[i] >>= count[i] > 31 ? 31 : count[i];
  memcpy(&from, x, sizeof from);
  return from;
}
EMULATED simde__m512i emulated_mm512_srai_epi32(simde__m512i from, unsigned count) {
  return emulated_mm512_srav_epi32(from, simde_mm512_set1_epi32((int32_t)count));
}
EMULATED simde__m512i emulated_mm512_shuffle_epi32(simde__m512i from, int order) {
  LOAD(int32_t, 16, x, from);
  int32_t result[16];
  for (int i = 0; i < 16; i++) result[i] = x[i / 4 * 4 + (order >> i % 4 * 2 & 3)];
  memcpy(&from, result, sizeof from);
  return from;
}
EMULATED simde__m512i emulated_mm512_mask_shuffle_epi32(simde__m512i other, uint16_t mask, simde__m512i from, int order) {
  return simde_mm512_mask_mov_epi32(other, mask, emulated_mm512_shuffle_epi32(from, order));
}

#undef _mm512_shuffle_epi32
#undef _mm512_mask_shuffle_epi32
#define _mm_mask_storeu_epi8 emulated_mm_mask_storeu_epi8
#define _mm256_mask_storeu_epi8 emulated_mm256_mask_storeu_epi8
#define _mm512_mask_storeu_epi8 emulated_mm512_mask_storeu_epi8
#define _mm256_mask_storeu_epi32 emulated_mm256_mask_storeu_epi32
#define _mm512_mask_loadu_epi8 emulated_mm512_mask_loadu_epi8
#define _mm_maskz_loadu_epi8(MASK, FROM) emulated_mm_mask_loadu_epi8(_mm_setzero_si128(), MASK, FROM)
#define _mm512_maskz_loadu_epi8(MASK, FROM) emulated_mm512_mask_loadu_epi8(simde_mm512_setzero_si512(), MASK, FROM)
#define _mm512_cvtepu8_epi32 emulated_mm512_cvtepu8_epi32
#define _mm512_cvtepi32_ps emulated_mm512_cvtepi32_ps
#define _mm512_cvttps_epi32 emulated_mm512_cvttps_epi32
#define _mm512_cvtps_epi32 emulated_mm512_cvtps_epi32
#define _mm512_cvtusepi32_epi8 emulated_mm512_cvtusepi32_epi8
#define _mm512_srav_epi32 emulated_mm512_srav_epi32
#define _mm512_srai_epi32 emulated_mm512_srai_epi32
#define _mm512_shuffle_epi32 emulated_mm512_shuffle_epi32
#define _mm512_mask_shuffle_epi32 emulated_mm512_mask_shuffle_epi32
#endif
