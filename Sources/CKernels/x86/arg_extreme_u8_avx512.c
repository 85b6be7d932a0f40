// The first index of the extreme of lines of bytes.
//
// for each line: the extreme over vectors of 64, then within one; then the first byte equal to it
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx512.h"
#include "x86.h"

// The least byte of 64, in every byte.
THIMBLE_AVX512_INLINE __m512i least_byte(__m512i x) {
  __m256i half = _mm256_min_epu8(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  __m128i quarter = _mm_min_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  quarter = _mm_minpos_epu16(_mm_min_epu8(quarter, _mm_srli_epi16(quarter, 8)));  // the low byte of each pair, the high one 0
  return _mm512_broadcastb_epi8(quarter);
}

THIMBLE_AVX512_INLINE void store_index(const thimble_arg_extreme_args *args, size_t line, size_t index) {
  if (args->index_byte_count == 4)
    ((int32_t *)args->out)[line] = (int32_t)index;
  else
    ((int64_t *)args->out)[line] = (int64_t)index;
}

// `flip`: all ones to find the maximum as the minimum of the complement. Bytes past the end never win.
THIMBLE_AVX512_INLINE void run(const thimble_arg_extreme_args *args, __m512i flip) {
  const __m512i none = _mm512_xor_si512(_mm512_set1_epi8(-1), flip);
  const size_t extent = args->extent;
  const uint8_t *line = args->input;
  if (extent <= 64) {
    const __mmask64 mask = first_bytes(extent);
    for (size_t o = 0; o < args->outer; o++, line += extent) {
      __m512i bytes = _mm512_xor_si512(_mm512_mask_loadu_epi8(none, mask, line), flip);
      store_index(args, o, (size_t)__builtin_ctzll(_mm512_cmpeq_epi8_mask(bytes, least_byte(bytes))));
    }
    return;
  }
  for (size_t o = 0; o < args->outer; o++, line += extent) {
    __m512i least = _mm512_set1_epi8(-1);
    for (size_t k = 0; k < extent; k += 64)
      least = _mm512_min_epu8(least, _mm512_xor_si512(_mm512_mask_loadu_epi8(none, first_bytes(extent - k), line + k), flip));
    least = _mm512_xor_si512(least_byte(least), flip);
    size_t k = 0;
    __mmask64 equal;
    while (!(equal = _mm512_mask_cmpeq_epi8_mask(first_bytes(extent - k), _mm512_loadu_si512(line + k), least))) k += 64;
    store_index(args, o, k + (size_t)__builtin_ctzll(equal));
  }
}

THIMBLE_AVX512 void thimble_arg_extreme_u8_avx512(const thimble_arg_extreme_args *args) {
  if (args->inner != 1)
    thimble_arg_extreme_u8_portable(args);
  else
    run(args, args->takes_minimum ? _mm512_setzero_si512() : _mm512_set1_epi8(-1));
}
#endif
