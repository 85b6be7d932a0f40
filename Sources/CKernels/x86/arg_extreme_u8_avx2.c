// The first index of the extreme of lines of bytes.
//
// for each line: the extreme over vectors of 32, then within one; then the first byte equal to it
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx2.h"
#include "x86.h"

// The least byte of 32, in every byte.
THIMBLE_AVX2_INLINE __m256i least_byte(__m256i x) {
  __m128i half = _mm_min_epu8(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  half = _mm_minpos_epu16(_mm_min_epu8(half, _mm_srli_epi16(half, 8)));  // the low byte of each pair, the high one 0
  return _mm256_broadcastb_epi8(half);
}

// 32 bytes of a line, flipped; those past its end are the greatest there are.
THIMBLE_AVX2_INLINE __m256i load_bytes(const uint8_t *line, size_t left, __m256i flip) {
  static const uint8_t past[64] __attribute__((aligned(32))) = {
      0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
      0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const __m256i bytes = _mm256_xor_si256(_mm256_loadu_si256((const void *)line), flip);
  return left >= 32 ? bytes : _mm256_or_si256(bytes, _mm256_loadu_si256((const void *)(past + 32 - left)));
}

// `flip`: all ones to find the maximum as the minimum of the complement. The first of equal bytes is never past the end.
THIMBLE_AVX2_INLINE void run(const thimble_arg_extreme_args *args, __m256i flip) {
  const size_t extent = args->extent;
  const uint8_t *line = args->input;
  for (size_t o = 0; o < args->outer; o++, line += extent) {
    __m256i least = load_bytes(line, extent, flip);
    for (size_t k = 32; k < extent; k += 32) least = _mm256_min_epu8(least, load_bytes(line + k, extent - k, flip));
    least = least_byte(least);
    size_t k = 0;
    uint32_t equal;
    while (!(equal = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load_bytes(line + k, extent - k, flip), least)))) k += 32;
    const size_t index = k + (size_t)__builtin_ctz(equal);
    if (args->index_byte_count == 4)
      ((int32_t *)args->out)[o] = (int32_t)index;
    else
      ((int64_t *)args->out)[o] = (int64_t)index;
  }
}

THIMBLE_AVX2 void thimble_arg_extreme_u8_avx2(const thimble_arg_extreme_args *args) {
  if (args->inner != 1)
    thimble_arg_extreme_u8_portable(args);
  else
    run(args, args->takes_minimum ? _mm256_setzero_si256() : _mm256_set1_epi8(-1));
}
#endif
