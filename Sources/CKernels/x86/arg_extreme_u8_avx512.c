// The first index of the extreme of lines of bytes.
//
// for each line: the extreme over vectors of 64, then within one; then the first byte equal to it
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx512.h"
#include "x86.h"

// 64 bytes from `k` on; bytes past the end never win. `flip` turns the maximum into a minimum.
THIMBLE_AVX512_INLINE __m512i load_line(const uint8_t *line, size_t k, size_t extent, __m512i flip) {
  const __m512i none = _mm512_xor_si512(_mm512_set1_epi8(-1), flip);
  return _mm512_xor_si512(_mm512_mask_loadu_epi8(none, first_bytes(extent - k), line + k), flip);
}

THIMBLE_AVX512_INLINE size_t first_minimum(const uint8_t *line, size_t extent, __m512i flip) {
  __m512i least = load_line(line, 0, extent, flip);
  for (size_t k = 64; k < extent; k += 64) least = _mm512_min_epu8(least, load_line(line, k, extent, flip));
  __m256i half = _mm256_min_epu8(_mm512_castsi512_si256(least), _mm512_extracti64x4_epi64(least, 1));
  __m128i quarter = _mm_min_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  quarter = _mm_minpos_epu16(_mm_min_epu8(quarter, _mm_srli_epi16(quarter, 8)));  // the low byte of each pair, the high one 0
  const __m512i extreme = _mm512_broadcastb_epi8(quarter);
  for (size_t k = 0;; k += 64) {
    __mmask64 equal = _mm512_cmpeq_epi8_mask(load_line(line, k, extent, flip), extreme);
    if (equal) return k + (size_t)__builtin_ctzll(equal);
  }
}

THIMBLE_AVX512 void thimble_arg_extreme_u8_avx512(const thimble_arg_extreme_args *args) {
  if (args->inner != 1) {
    thimble_arg_extreme_u8_portable(args);
    return;
  }
  const __m512i flip = args->takes_minimum ? _mm512_setzero_si512() : _mm512_set1_epi8(-1);
  for (size_t o = 0; o < args->outer; o++) {
    size_t index = first_minimum(args->input + o * args->extent, args->extent, flip);
    if (args->index_byte_count == 4)
      ((int32_t *)args->out)[o] = (int32_t)index;
    else
      ((int64_t *)args->out)[o] = (int64_t)index;
  }
}
#endif
