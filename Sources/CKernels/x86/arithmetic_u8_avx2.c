// Element-wise arithmetic in the fused float form that import proves equal to the fixed point; the rest is portable.
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx2.h"
#include "x86.h"

THIMBLE_AVX2 void thimble_arithmetic_u8_avx2(const thimble_arithmetic_args *args) {
  const thimble_arithmetic *p = args->arithmetic;
  size_t i = 0;
  if (p->is_fused && args->first_stride == 1 && args->second_stride == 1) {
    const __m256 a = _mm256_set1_ps(p->a), b = _mm256_set1_ps(p->b), c = _mm256_set1_ps(p->c);
    for (; i + 16 <= args->count; i += 16) {
      __m256i sum[2];
      for (int j = 0; j < 2; j++) {
        __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(args->first + i + 8 * j))));
        __m256 y = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(args->second + i + 8 * j))));
        sum[j] = _mm256_cvtps_epi32(_mm256_fmadd_ps(x, a, _mm256_fmadd_ps(y, b, c)));
      }
      __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(sum[0], sum[1]), 0xD8);
      __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      bytes = _mm_max_epu8(bytes, _mm_set1_epi8((char)p->clamp_min));
      bytes = _mm_min_epu8(bytes, _mm_set1_epi8((char)p->clamp_max));
      _mm_storeu_si128((void *)(args->out + i), bytes);
    }
  }
  thimble_arithmetic_args rest = *args;
  rest.first += i * args->first_stride;
  rest.second += i * args->second_stride;
  rest.out += i;
  rest.count -= i;
  thimble_arithmetic_u8_portable(&rest);
}
#endif
