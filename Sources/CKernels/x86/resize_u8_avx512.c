// Bilinear resizing with float positions, 16 channels at a time; the same sums in the same order as the reference.
//
// for each output row, for each run of output pixels between the same two input pixels, for 16 channels:
//   weight the four corners by the row's share, once
//   for each pixel of the run: weight by the column's share, add, truncate, store
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "../portable/resize_positions.h"
#include "requantize_avx512.h"
#include "x86.h"

enum { RUN_MAX = 64 };

THIMBLE_AVX512_INLINE __m512 weighted(const uint8_t *bytes, __mmask16 mask, float share) {
  __m512i values = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, bytes));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(values), _mm512_set1_ps(share));
}

THIMBLE_AVX512 static void resize_row(const thimble_resize_args *args, size_t y) {
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
    for (size_t c = 0; c < channels; c += 16) {
      const __mmask16 mask = (__mmask16)first_bytes(channels - c);
      const __m512 a = weighted(upper_row + left + c, mask, 1 - iy.float_share);
      const __m512 b = weighted(lower_row + left + c, mask, iy.float_share);
      const __m512 d = weighted(upper_row + right + c, mask, 1 - iy.float_share);
      const __m512 e = weighted(lower_row + right + c, mask, iy.float_share);
      uint8_t *to = out + x * channels + c;
      for (size_t i = 0; i < count; i++, to += channels) {
        const __m512 share = _mm512_set1_ps(shares[i]), rest = _mm512_set1_ps(1 - shares[i]);
        __m512 value = _mm512_add_ps(_mm512_mul_ps(a, rest), _mm512_mul_ps(b, rest));
        value = _mm512_add_ps(value, _mm512_mul_ps(d, share));
        value = _mm512_add_ps(value, _mm512_mul_ps(e, share));
        value = _mm512_max_ps(_mm512_add_ps(value, _mm512_set1_ps(0.5f)), _mm512_setzero_ps());
        _mm_mask_storeu_epi8(to, mask, _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(value)));
      }
    }
    x += count;
  }
}

void thimble_resize_u8_avx512(const thimble_resize_args *args) {
  if (args->kind != THIMBLE_BILINEAR_FLOAT) {
    thimble_resize_u8_portable(args);
    return;
  }
  for (size_t y = args->row_begin; y < args->row_end; y++) resize_row(args, y);
}
#endif
