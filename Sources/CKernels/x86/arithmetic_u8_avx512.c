// Element-wise arithmetic in the fused float form that import proves equal to the fixed point; the rest is portable.
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx512.h"
#include "x86.h"

THIMBLE_AVX512 void thimble_arithmetic_u8_avx512(const thimble_arithmetic_args *args) {
  const thimble_arithmetic *p = args->arithmetic;
  if (!p->is_fused || args->first_stride != 1 || args->second_stride != 1) {
    thimble_arithmetic_u8_portable(args);
    return;
  }
  const __m512 a = _mm512_set1_ps(p->a), b = _mm512_set1_ps(p->b), c = _mm512_set1_ps(p->c);
  const __m512i low = _mm512_set1_epi8((char)p->clamp_min), high = _mm512_set1_epi8((char)p->clamp_max);
  for (size_t i = 0; i < args->count; i += 64) {
    __m512i sum[4];
    // Reads run over the end into the slack; the store does not.
    for (int j = 0; j < 4; j++) {
      __m512 x = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(args->first + i + 16 * j))));
      __m512 y = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(args->second + i + 16 * j))));
      sum[j] = _mm512_cvtps_epi32(_mm512_fmadd_ps(x, a, _mm512_fmadd_ps(y, b, c)));
    }
    __m512i bytes = order_panels(pack_bytes(sum[0], sum[1], sum[2], sum[3]));
    bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, low), high);
    _mm512_mask_storeu_epi8(args->out + i, first_bytes(args->count - i), bytes);
  }
}
#endif
