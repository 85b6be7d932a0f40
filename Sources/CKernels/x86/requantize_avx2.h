// TFLite's requantization of 8 accumulators at a time, exact. See requantize_avx512.h for the formulas.
#ifndef THIMBLE_REQUANTIZE_AVX2_H
#define THIMBLE_REQUANTIZE_AVX2_H
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "../portable/fixed_point.h"
#include "thimble_kernels.h"

#define THIMBLE_AVX2 __attribute__((target("avx2,fma")))
#define THIMBLE_AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

// 8 accumulators of channels 0…7 or 8…15 (`half`) of a block, by the symmetric shape or, where exact, the floor shape.
THIMBLE_AVX2_INLINE __m256i requantize_8(__m256i acc, const thimble_channels16 *channels, int half, const thimble_requantization *rq) {
  const bool is_floor = rq->rounds_once || rq->clamp_min >= rq->zero_point;
  const int bit = is_floor ? 30 : 31;
  const __m256i multiplier = _mm256_loadu_si256((const void *)(channels->multiplier + 8 * half));
  const __m256i shift = _mm256_loadu_si256((const void *)(channels->shift + 8 * half));
  const __m256i unit = _mm256_set1_epi64x(((int64_t)2 * rq->zero_point + 1) << bit);
  const __m256i nudge = _mm256_set1_epi64x(rq->rounds_once ? 0 : (int64_t)1 << bit);
  const __m256i even_shift = _mm256_and_si256(shift, _mm256_set1_epi64x(0xffffffff));
  const __m256i odd_shift = _mm256_srli_epi64(shift, 32);
  __m256i sign = _mm256_setzero_si256();
  if (!is_floor) {
    sign = _mm256_srai_epi32(acc, 31);
    acc = _mm256_add_epi32(acc, acc);
  }
  __m256i even = _mm256_mul_epi32(acc, multiplier);
  __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), _mm256_srli_epi64(multiplier, 32));
  even = _mm256_add_epi64(even, _mm256_add_epi64(_mm256_sllv_epi64(unit, even_shift), nudge));
  odd = _mm256_add_epi64(odd, _mm256_add_epi64(_mm256_sllv_epi64(unit, odd_shift), nudge));
  __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  high = _mm256_add_epi32(high, sign);
  return _mm256_srav_epi32(high, is_floor ? _mm256_sub_epi32(shift, _mm256_set1_epi32(1)) : shift);
}

// 16 accumulators → clamped bytes; `count` of them are stored, at most 16.
THIMBLE_AVX2_INLINE void store_requantized_16(
    __m256i low, __m256i high, const thimble_channels16 *channels, const thimble_requantization *rq, uint8_t *out, size_t count) {
  if (count > 16) count = 16;
  if (!rq->is_bounded) {
    int32_t values[16];
    _mm256_storeu_si256((void *)values, low);
    _mm256_storeu_si256((void *)(values + 8), high);
    for (size_t n = 0; n < count; n++) {
      int32_t value = rq->rounds_once ? thimble_requantize_once(values[n], channels->multiplier[n], channels->shift[n])
                                      : thimble_requantize(values[n], channels->multiplier[n], channels->shift[n]);
      out[n] = (uint8_t)thimble_clamp((int32_t)((uint32_t)value + (uint32_t)rq->zero_point), rq->clamp_min, rq->clamp_max);
    }
    return;
  }
  __m256i words = _mm256_packs_epi32(requantize_8(low, channels, 0, rq), requantize_8(high, channels, 1, rq));
  words = _mm256_permute4x64_epi64(words, 0xD8);
  __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  bytes = _mm_max_epu8(bytes, _mm_set1_epi8((char)rq->clamp_min));
  bytes = _mm_min_epu8(bytes, _mm_set1_epi8((char)rq->clamp_max));
  if (count >= 16) {
    _mm_storeu_si128((void *)out, bytes);
  } else {
    uint8_t buffer[16];
    _mm_storeu_si128((void *)buffer, bytes);
    memcpy(out, buffer, count);
  }
}

// Accumulators hold two partial sums a channel: acc[v] those of channels 4v…4v+3. Adds them up: channels 0…7, 8…15.
THIMBLE_AVX2_INLINE __m256i add_pairs(__m256i first, __m256i second) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(first, second), 0xD8);
}
#endif
