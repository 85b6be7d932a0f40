// TFLite's requantization of 16 accumulators at a time, exact; and packing to bytes.
//
// With acc · q as 64-bit products, nested floors merge: SaturatingRoundingDoublingHighMul and RoundingDivideByPOT become one
// rounded shift, but for the tie of negative values (half away from zero), which needs one more unit subtracted.
// Needs `thimble_requantization.is_bounded`.
#ifndef THIMBLE_REQUANTIZE_AVX512_H
#define THIMBLE_REQUANTIZE_AVX512_H
#include <immintrin.h>
#include <stdbool.h>

#include "thimble_kernels.h"

#define THIMBLE_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define THIMBLE_AVX512_INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

// The numbers of 16 channels, as the multiplication wants them.
typedef struct {
  __m512i even_multiplier, odd_multiplier;
  __m512i even_addend, odd_addend;
  __m512i shift;
} requantizer;

// Two shapes of the same sum, e the shift:
// - symmetric: high dword of 2·acc·q + 2³¹ + 2^(31+e) + zp·2^(32+e), less one where acc < 0, shifted right by e;
// - floor: high dword of acc·q + n + 2^(30+e) + zp·2^(31+e), shifted right by e − 1. With n = 0 it is the single rounding.
//   With n = 2³⁰ it is the double rounding where everything below the zero point is clamped: the tie cannot show.
THIMBLE_AVX512_INLINE requantizer make_requantizer(__m512i multiplier, __m512i shift, const thimble_requantization *rq, bool is_floor) {
  const int bit = is_floor ? 30 : 31;
  const __m512i odd_lanes = _mm512_srli_epi64(shift, 32);
  const __m512i even_lanes = _mm512_and_si512(shift, _mm512_set1_epi64(0xffffffff));
  const __m512i unit = _mm512_set1_epi64(((int64_t)2 * rq->zero_point + 1) << bit);
  const __m512i nudge = _mm512_set1_epi64(rq->rounds_once ? 0 : (int64_t)1 << bit);
  requantizer r;
  r.even_multiplier = multiplier;
  r.odd_multiplier = _mm512_srli_epi64(multiplier, 32);
  r.even_addend = _mm512_add_epi64(_mm512_sllv_epi64(unit, even_lanes), nudge);
  r.odd_addend = _mm512_add_epi64(_mm512_sllv_epi64(unit, odd_lanes), nudge);
  r.shift = is_floor ? _mm512_sub_epi32(shift, _mm512_set1_epi32(1)) : shift;
  return r;
}

THIMBLE_AVX512_INLINE __m512i requantize(__m512i acc, requantizer r, bool is_floor) {
  __m512i sign = _mm512_setzero_si512();
  if (!is_floor) {
    sign = _mm512_srai_epi32(acc, 31);
    acc = _mm512_add_epi32(acc, acc);
  }
  __m512i odd = _mm512_shuffle_epi32(acc, 0xF5);
  __m512i even_product = _mm512_add_epi64(_mm512_mul_epi32(acc, r.even_multiplier), r.even_addend);
  __m512i odd_product = _mm512_add_epi64(_mm512_mul_epi32(odd, r.odd_multiplier), r.odd_addend);
  __m512i high = _mm512_mask_shuffle_epi32(odd_product, 0x5555, even_product, 0xF5);
  if (!is_floor) high = _mm512_add_epi32(high, sign);
  return _mm512_srav_epi32(high, r.shift);
}

// Four vectors of 16 values → 64 bytes, saturated; the bytes of each 128-bit lane stay in their lane:
// lane l holds x0[4l…4l+3], x1[4l…], x2[4l…], x3[4l…].
THIMBLE_AVX512_INLINE __m512i pack_bytes(__m512i x0, __m512i x1, __m512i x2, __m512i x3) {
  return _mm512_packus_epi16(_mm512_packs_epi32(x0, x1), _mm512_packs_epi32(x2, x3));
}

// Puts packed bytes of x0…x3 in the order x0[0…15], x1[0…15], x2[0…15], x3[0…15].
THIMBLE_AVX512_INLINE __m512i order_panels(__m512i packed) {
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), packed);
}

THIMBLE_AVX512_INLINE __m512i clamp_bytes(__m512i x, const thimble_requantization *rq) {
  return _mm512_min_epu8(_mm512_max_epu8(x, _mm512_set1_epi8((char)rq->clamp_min)), _mm512_set1_epi8((char)rq->clamp_max));
}

THIMBLE_AVX512_INLINE __mmask64 first_bytes(size_t count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

// Whether the floor shape is exact.
static inline bool is_floor(const thimble_requantization *rq) { return rq->rounds_once || rq->clamp_min >= rq->zero_point; }
#endif
