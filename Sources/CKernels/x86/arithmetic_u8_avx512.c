// Element-wise arithmetic: the fused float form that import proves equal to the fixed point, or the fixed point itself.
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx512.h"
#include "x86.h"

// value · multiplier / 2³¹ · 2^−shift, rounded twice as TFLite does. |value| ≤ 2²⁹, shift in 0…31.
THIMBLE_AVX512_INLINE __m512i multiply(__m512i value, int32_t multiplier, int32_t shift) {
  const __m512i factor = _mm512_set1_epi32(multiplier), nudge = _mm512_set1_epi64((int64_t)1 << 31);
  __m512i doubled = _mm512_add_epi32(value, value);
  __m512i even = _mm512_add_epi64(_mm512_mul_epi32(doubled, factor), nudge);
  __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(doubled, 32), factor), nudge);
  __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, 0xF5);
  if (shift == 0) return high;
  // Half away from zero: one less for negative values.
  __m512i rounded = _mm512_add_epi32(high, _mm512_set1_epi32(1 << (shift - 1)));
  return _mm512_srav_epi32(_mm512_add_epi32(rounded, _mm512_srai_epi32(high, 31)), _mm512_set1_epi32(shift));
}

THIMBLE_AVX512_INLINE __m512i add_fixed(__m512i x, __m512i y, const thimble_arithmetic *p) {
  x = _mm512_slli_epi32(_mm512_sub_epi32(x, _mm512_set1_epi32(p->first_zero_point)), 20);
  y = _mm512_slli_epi32(_mm512_sub_epi32(y, _mm512_set1_epi32(p->second_zero_point)), 20);
  x = multiply(x, p->first_multiplier, p->first_shift);
  y = multiply(y, p->second_multiplier, p->second_shift);
  __m512i sum = p->kind == THIMBLE_ADD ? _mm512_add_epi32(x, y) : _mm512_sub_epi32(x, y);
  return _mm512_add_epi32(multiply(sum, p->output_multiplier, p->output_shift), _mm512_set1_epi32(p->output_zero_point));
}

THIMBLE_AVX512_INLINE __m512i multiply_fixed(__m512i x, __m512i y, const thimble_arithmetic *p) {
  x = _mm512_sub_epi32(x, _mm512_set1_epi32(p->first_zero_point));
  y = _mm512_sub_epi32(y, _mm512_set1_epi32(p->second_zero_point));
  __m512i product = multiply(_mm512_mullo_epi32(x, y), p->output_multiplier, p->output_shift);
  return _mm512_add_epi32(product, _mm512_set1_epi32(p->output_zero_point));
}

THIMBLE_AVX512_INLINE __m512i add_fused(__m512i x, __m512i y, const thimble_arithmetic *p) {
  __m512 sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(y), _mm512_set1_ps(p->b), _mm512_set1_ps(p->c));
  return _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(x), _mm512_set1_ps(p->a), sum));
}

typedef enum { FUSED, SUM, PRODUCT } form;

THIMBLE_AVX512_INLINE void run(const form FORM, const thimble_arithmetic_args *args) {
  const thimble_arithmetic *p = args->arithmetic;
  const __m512i low = _mm512_set1_epi8((char)p->clamp_min), high = _mm512_set1_epi8((char)p->clamp_max);
  const __m128i first = _mm_set1_epi8((char)*args->first), second = _mm_set1_epi8((char)*args->second);
  for (size_t i = 0; i < args->count; i += 64) {
    __m512i result[4];
    // Reads run over the end into the slack; the store does not.
    for (size_t j = 0; j < 4; j++) {
      size_t at = i + 16 * j;
      __m512i x = _mm512_cvtepu8_epi32(args->first_stride ? _mm_loadu_si128((const void *)(args->first + at)) : first);
      __m512i y = _mm512_cvtepu8_epi32(args->second_stride ? _mm_loadu_si128((const void *)(args->second + at)) : second);
      result[j] = FORM == FUSED ? add_fused(x, y, p) : FORM == SUM ? add_fixed(x, y, p) : multiply_fixed(x, y, p);
    }
    __m512i bytes = order_panels(pack_bytes(result[0], result[1], result[2], result[3]));
    bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, low), high);
    _mm512_mask_storeu_epi8(args->out + i, first_bytes(args->count - i), bytes);
  }
}

THIMBLE_AVX512 void thimble_arithmetic_u8_avx512(const thimble_arithmetic_args *args) {
  const thimble_arithmetic *p = args->arithmetic;
  if (p->is_fused)
    run(FUSED, args);
  else if (p->output_shift < 0 || (p->kind != THIMBLE_MULTIPLY && (p->first_shift < 0 || p->second_shift < 0)))
    thimble_arithmetic_u8_portable(args);
  else if (p->kind == THIMBLE_MULTIPLY)
    run(PRODUCT, args);
  else
    run(SUM, args);
}
#endif
