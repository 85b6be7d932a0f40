// Bilinear resizing with float positions, 8 channels at a time; the same sums in the same order as the reference.
// The loops are those of resize_u8_avx512.c.
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "../portable/resize_positions.h"
#include "requantize_avx2.h"
#include "x86.h"

enum { RUN_MAX = 64, LANES = 8 };

THIMBLE_AVX2_INLINE __m256 weighted(const uint8_t *bytes, float share) {
  const __m256i values = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)bytes));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(values), _mm256_set1_ps(share));
}

// `channels` of `count` pixels from one between the same four corners.
THIMBLE_AVX2_INLINE void blend_run(
    const uint8_t *const corners[4], float row_share, const float *shares, size_t count, uint8_t *out, size_t out_stride, size_t channels) {
  const __m256 a = weighted(corners[0], 1 - row_share), b = weighted(corners[1], row_share);
  const __m256 d = weighted(corners[2], 1 - row_share), e = weighted(corners[3], row_share);
  for (size_t i = 0; i < count; i++, out += out_stride) {
    const __m256 share = _mm256_set1_ps(shares[i]), rest = _mm256_set1_ps(1 - shares[i]);
    __m256 value = _mm256_add_ps(_mm256_mul_ps(a, rest), _mm256_mul_ps(b, rest));
    value = _mm256_add_ps(value, _mm256_mul_ps(d, share));
    value = _mm256_add_ps(value, _mm256_mul_ps(e, share));
    value = _mm256_max_ps(_mm256_add_ps(value, _mm256_set1_ps(0.5f)), _mm256_setzero_ps());
    const __m256i values = _mm256_cvttps_epi32(value);
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
    store_bytes_8(_mm_packus_epi16(words, words), out, channels);
  }
}

THIMBLE_AVX2 static void resize_row(const thimble_resize_args *args, size_t y) {
  const size_t channels = args->channel_count, row_bytes = args->input_width * channels, width = args->output_width;
  const interpolation iy = interpolate_float(args, y, args->input_height, args->output_height);
  const uint8_t *upper_row = args->input + iy.lower * row_bytes, *lower_row = args->input + iy.upper * row_bytes;
  uint8_t *out = args->out + y * width * channels;
  const float scale = float_scale(args, args->input_width, width);
  const bool half_pixel_centers = args->half_pixel_centers;
  const size_t input_width = args->input_width;
  float shares[RUN_MAX];
  interpolation ix = interpolate_by(scale, half_pixel_centers, 0, input_width);
  for (size_t x = 0; x < width;) {
    const size_t left = ix.lower * channels, right = ix.upper * channels;
    const interpolation first = ix;
    size_t count = 0;
    do {
      shares[count++] = ix.float_share;
      if (x + count == width) break;
      ix = interpolate_by(scale, half_pixel_centers, x + count, input_width);
    } while (count < RUN_MAX && ix.lower == first.lower && ix.upper == first.upper);
    for (size_t c = 0; c < channels; c += LANES) {
      // The last channels of many once more, together with those before them.
      const size_t at = c + LANES <= channels || channels < LANES ? c : channels - LANES;
      const uint8_t *const corners[4] = {upper_row + left + at, lower_row + left + at, upper_row + right + at, lower_row + right + at};
      blend_run(corners, iy.float_share, shares, count, out + x * channels + at, channels, channels);
    }
    x += count;
  }
}

void thimble_resize_u8_avx2(const thimble_resize_args *args) {
  if (args->kind != THIMBLE_BILINEAR_FLOAT) {
    thimble_resize_u8_portable(args);
    return;
  }
  for (size_t y = args->row_begin; y < args->row_end; y++) resize_row(args, y);
}
#endif
