// Depthwise convolution, 16 channels at a time, with vpmaddwd on bytes widened to 16 bits.
//
// for each panel of 16 channels: widen its weights and take their zero point off
//   for each pixel, for each group of 4 taps:
//     interleave 4 taps × 16 channels, widen;  acc[v] += pairs of taps · w[v], v = 0…3 (4 channels each)
//   add the pairs and the bias, requantize, store
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx2.h"
#include "x86.h"

enum { GROUPS_MAX = 16 };  // 64 taps: larger windows are left to the portable kernel

THIMBLE_AVX2_INLINE void load_weights(__m256i weights[][4], const thimble_depthwise_args *args, size_t panel, size_t groups) {
  const int8_t *w = args->weights + panel * groups * 64;
  const __m256i zero_point = _mm256_set1_epi16((int16_t)args->weight_zero_point);
  for (size_t g = 0; g < groups; g++) {
    // Taps past the last one weigh nothing, zero point or not.
    size_t taps = args->tap_count - 4 * g;
    const __m256i counted = _mm256_set1_epi64x(taps >= 4 ? -1 : ((int64_t)1 << 16 * taps) - 1);
    for (int v = 0; v < 4; v++) {
      __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(w + 64 * g + 16 * (size_t)v)));
      weights[g][v] = _mm256_and_si256(_mm256_sub_epi16(wide, zero_point), counted);
    }
  }
}

THIMBLE_AVX2_INLINE __m128i load_tap(const uint8_t *const *taps, size_t t, size_t count, ptrdiff_t offset) {
  return _mm_loadu_si128((const void *)(taps[t < count ? t : 0] + offset));
}

THIMBLE_AVX2 void thimble_depthwise_s8_avx2(const thimble_depthwise_args *args) {
  const size_t groups = (args->tap_count + 3) / 4;
  if (groups > GROUPS_MAX) {
    thimble_depthwise_s8_portable(args);
    return;
  }
  __m256i weights[GROUPS_MAX][4];
  for (size_t first = 0; first < args->channel_count; first += 16) {
    load_weights(weights, args, first / 16, groups);
    const thimble_channels16 *channels = args->channels + first / 16;
    const __m256i low_bias = _mm256_loadu_si256((const void *)channels->bias);
    const __m256i high_bias = _mm256_loadu_si256((const void *)(channels->bias + 8));
    for (size_t i = 0; i < args->pixels; i++) {
      ptrdiff_t offset = (ptrdiff_t)i * args->pixel_stride + (ptrdiff_t)first;
      __m256i acc[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
      for (size_t g = 0; g < groups; g++) {
        __m128i a = load_tap(args->taps, 4 * g, args->tap_count, offset), b = load_tap(args->taps, 4 * g + 1, args->tap_count, offset);
        __m128i c = load_tap(args->taps, 4 * g + 2, args->tap_count, offset), d = load_tap(args->taps, 4 * g + 3, args->tap_count, offset);
        __m128i ab_low = _mm_unpacklo_epi8(a, b), ab_high = _mm_unpackhi_epi8(a, b);
        __m128i cd_low = _mm_unpacklo_epi8(c, d), cd_high = _mm_unpackhi_epi8(c, d);
        __m128i x[4] = {
            _mm_unpacklo_epi16(ab_low, cd_low), _mm_unpackhi_epi16(ab_low, cd_low), _mm_unpacklo_epi16(ab_high, cd_high),
            _mm_unpackhi_epi16(ab_high, cd_high)};
        for (int v = 0; v < 4; v++)
          acc[v] = _mm256_add_epi32(acc[v], _mm256_madd_epi16(_mm256_cvtepu8_epi16(x[v]), weights[g][v]));
      }
      __m256i low = _mm256_add_epi32(add_pairs(acc[0], acc[1]), low_bias);
      __m256i high = _mm256_add_epi32(add_pairs(acc[2], acc[3]), high_bias);
      store_requantized_16(
          low, high, channels, &args->requantization, args->out + (ptrdiff_t)i * args->out_stride + first,
          args->channel_count - first);
    }
  }
}
#endif
