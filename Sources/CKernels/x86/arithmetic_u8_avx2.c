// Element-wise arithmetic: the fused float form that import proves equal to the fixed point, or the fixed point itself. The last
// elements are portable.
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx2.h"
#include "x86.h"

// value · multiplier / 2³¹ · 2^−shift, rounded twice as TFLite does. |value| ≤ 2²⁹, shift in 0…31.
THIMBLE_AVX2_INLINE __m256i multiply(__m256i value, int32_t multiplier, int32_t shift) {
  const __m256i factor = _mm256_set1_epi32(multiplier), nudge = _mm256_set1_epi64x((int64_t)1 << 31);
  __m256i doubled = _mm256_add_epi32(value, value);
  __m256i even = _mm256_add_epi64(_mm256_mul_epi32(doubled, factor), nudge);
  __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(doubled, 32), factor), nudge);
  __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  if (shift == 0) return high;
  // Half away from zero: one less for negative values.
  __m256i rounded = _mm256_add_epi32(high, _mm256_set1_epi32(1 << (shift - 1)));
  return _mm256_srav_epi32(_mm256_add_epi32(rounded, _mm256_srai_epi32(high, 31)), _mm256_set1_epi32(shift));
}

THIMBLE_AVX2_INLINE __m256i add_fixed(__m256i x, __m256i y, const thimble_arithmetic *p) {
  x = _mm256_slli_epi32(_mm256_sub_epi32(x, _mm256_set1_epi32(p->first_zero_point)), 20);
  y = _mm256_slli_epi32(_mm256_sub_epi32(y, _mm256_set1_epi32(p->second_zero_point)), 20);
  x = multiply(x, p->first_multiplier, p->first_shift);
  y = multiply(y, p->second_multiplier, p->second_shift);
  __m256i sum = p->kind == THIMBLE_ADD ? _mm256_add_epi32(x, y) : _mm256_sub_epi32(x, y);
  return _mm256_add_epi32(multiply(sum, p->output_multiplier, p->output_shift), _mm256_set1_epi32(p->output_zero_point));
}

THIMBLE_AVX2_INLINE __m256i multiply_fixed(__m256i x, __m256i y, const thimble_arithmetic *p) {
  x = _mm256_sub_epi32(x, _mm256_set1_epi32(p->first_zero_point));
  y = _mm256_sub_epi32(y, _mm256_set1_epi32(p->second_zero_point));
  __m256i product = multiply(_mm256_mullo_epi32(x, y), p->output_multiplier, p->output_shift);
  return _mm256_add_epi32(product, _mm256_set1_epi32(p->output_zero_point));
}

THIMBLE_AVX2_INLINE __m256i add_fused(__m256i x, __m256i y, const thimble_arithmetic *p) {
  __m256 sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(y), _mm256_set1_ps(p->b), _mm256_set1_ps(p->c));
  return _mm256_cvtps_epi32(_mm256_fmadd_ps(_mm256_cvtepi32_ps(x), _mm256_set1_ps(p->a), sum));
}

typedef enum { FUSED, SUM, PRODUCT } form;

// Returns how many elements it has done.
THIMBLE_AVX2_INLINE size_t run(const form FORM, const thimble_arithmetic_args *args) {
  const thimble_arithmetic *p = args->arithmetic;
  const __m128i low = _mm_set1_epi8((char)p->clamp_min), high = _mm_set1_epi8((char)p->clamp_max);
  size_t i = 0;
  for (; i + 16 <= args->count; i += 16) {
    __m256i result[2];
    for (size_t j = 0; j < 2; j++) {
      size_t at = i + 8 * j;
      __m256i x = args->first_stride ? _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(args->first + at)))
                                     : _mm256_set1_epi32(*args->first);
      __m256i y = args->second_stride ? _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(args->second + at)))
                                      : _mm256_set1_epi32(*args->second);
      result[j] = FORM == FUSED ? add_fused(x, y, p) : FORM == SUM ? add_fixed(x, y, p) : multiply_fixed(x, y, p);
    }
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(result[0], result[1]), 0xD8);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((void *)(args->out + i), _mm_min_epu8(_mm_max_epu8(bytes, low), high));
  }
  return i;
}

THIMBLE_AVX2 void thimble_arithmetic_u8_avx2(const thimble_arithmetic_args *args) {
  const thimble_arithmetic *p = args->arithmetic;
  size_t i = 0;
  if (p->is_fused)
    i = run(FUSED, args);
  else if (p->output_shift < 0 || (p->kind != THIMBLE_MULTIPLY && (p->first_shift < 0 || p->second_shift < 0)))
    i = 0;
  else if (p->kind == THIMBLE_MULTIPLY)
    i = run(PRODUCT, args);
  else
    i = run(SUM, args);
  thimble_arithmetic_args rest = *args;
  rest.first += i * args->first_stride;
  rest.second += i * args->second_stride;
  rest.out += i;
  rest.count -= i;
  thimble_arithmetic_u8_portable(&rest);
}
#endif
