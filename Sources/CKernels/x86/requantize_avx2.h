// TFLite's requantization of 8 accumulators at a time, exact. See requantize_avx512.h for the formulas.
#ifndef THIMBLE_REQUANTIZE_AVX2_H
#define THIMBLE_REQUANTIZE_AVX2_H
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "thimble_kernels.h"

#define THIMBLE_AVX2 __attribute__((target("avx2,fma")))
#define THIMBLE_AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

// The numbers of 8 channels, as the multiplication wants them.
typedef struct {
  __m256i even_multiplier, odd_multiplier;
  __m256i even_addend, odd_addend;
  __m256i shift;
} requantizer;

// Quadwords 0 1 2 3 → 0 2 1 3.
THIMBLE_AVX2_INLINE __m256i swap_middle(__m256i x) { return _mm256_permute4x64_epi64(x, 0xD8); }

// Whether the floor shape is exact.
THIMBLE_AVX2_INLINE bool is_floor(const thimble_requantization *rq) { return rq->rounds_once || rq->clamp_min >= rq->zero_point; }

THIMBLE_AVX2_INLINE requantizer make_requantizer(__m256i multiplier, __m256i shift, const thimble_requantization *rq) {
  const int bit = is_floor(rq) ? 30 : 31;
  const __m256i unit = _mm256_set1_epi64x(((int64_t)2 * rq->zero_point + 1) << bit);
  const __m256i nudge = _mm256_set1_epi64x(rq->rounds_once ? 0 : (int64_t)1 << bit);
  requantizer r;
  r.even_multiplier = multiplier;
  r.odd_multiplier = _mm256_srli_epi64(multiplier, 32);
  r.even_addend = _mm256_add_epi64(_mm256_sllv_epi64(unit, _mm256_and_si256(shift, _mm256_set1_epi64x(0xffffffff))), nudge);
  r.odd_addend = _mm256_add_epi64(_mm256_sllv_epi64(unit, _mm256_srli_epi64(shift, 32)), nudge);
  r.shift = is_floor(rq) ? _mm256_sub_epi32(shift, _mm256_set1_epi32(1)) : shift;
  return r;
}

THIMBLE_AVX2_INLINE __m256i requantize(__m256i acc, const requantizer *r, const bool IS_FLOOR) {
  __m256i sign = _mm256_setzero_si256();
  if (!IS_FLOOR) {
    sign = _mm256_srai_epi32(acc, 31);
    acc = _mm256_add_epi32(acc, acc);
  }
  __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc, r->even_multiplier), r->even_addend);
  __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_shuffle_epi32(acc, 0xF5), r->odd_multiplier), r->odd_addend);
  __m256i high = _mm256_blend_epi32(_mm256_shuffle_epi32(even, 0xF5), odd, 0xAA);
  if (!IS_FLOOR) high = _mm256_add_epi32(high, sign);
  return _mm256_srav_epi32(high, r->shift);
}

THIMBLE_AVX2_INLINE __m256i clamp_bytes(__m256i x, const thimble_requantization *rq) {
  return _mm256_min_epu8(_mm256_max_epu8(x, _mm256_set1_epi8((char)rq->clamp_min)), _mm256_set1_epi8((char)rq->clamp_max));
}

// The first `count` bytes of 8, or of 16.
THIMBLE_AVX2_INLINE void store_bytes_8(__m128i bytes, uint8_t *out, size_t count) {
  if (count >= 8) {
    _mm_storel_epi64((void *)out, bytes);
  } else {
    uint8_t buffer[8];
    _mm_storel_epi64((void *)buffer, bytes);
    memcpy(out, buffer, count);
  }
}
THIMBLE_AVX2_INLINE void store_bytes(__m128i bytes, uint8_t *out, size_t count) {
  if (count >= 16) {
    _mm_storeu_si128((void *)out, bytes);
  } else {
    uint8_t buffer[16];
    _mm_storeu_si128((void *)buffer, bytes);
    memcpy(out, buffer, count);
  }
}
#endif
