// Bilinear resizing with float positions, 16 channels at a time; the same sums in the same order as the reference.
//
// for each output row, for each run of output pixels between the same two input pixels, for 16 channels:
//   weight the four corners by the row's share, once
//   for each pixel of the run: weight by the column's share, add, truncate, store
#if defined(__aarch64__)
#include "../portable/portable.h"
#include "../portable/resize_positions.h"
#include "arm.h"
#include "requantize_neon.h"
#pragma STDC FP_CONTRACT OFF

enum { RUN_MAX = 64 };

// 16 bytes as floats, times a share.
THIMBLE_INLINE void weighted(const uint8_t *bytes, float share, float32x4_t out[4]) {
  uint8x16_t x = vld1q_u8(bytes);
  uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_high_u8(x);
  out[0] = vmulq_n_f32(vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), share);
  out[1] = vmulq_n_f32(vcvtq_f32_u32(vmovl_high_u16(low)), share);
  out[2] = vmulq_n_f32(vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), share);
  out[3] = vmulq_n_f32(vcvtq_f32_u32(vmovl_high_u16(high)), share);
}

static void resize_row(const thimble_resize_args *args, size_t y) {
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
      float32x4_t a[4], b[4], d[4], e[4];
      weighted(upper_row + left + c, 1 - iy.float_share, a);
      weighted(lower_row + left + c, iy.float_share, b);
      weighted(upper_row + right + c, 1 - iy.float_share, d);
      weighted(lower_row + right + c, iy.float_share, e);
      uint8_t *to = out + x * channels + c;
      for (size_t i = 0; i < count; i++, to += channels) {
        const float share = shares[i], rest = 1 - share;
        uint16x4_t halves[4];
        for (int j = 0; j < 4; j++) {
          float32x4_t value = vaddq_f32(vmulq_n_f32(a[j], rest), vmulq_n_f32(b[j], rest));
          value = vaddq_f32(value, vmulq_n_f32(d[j], share));
          value = vaddq_f32(value, vmulq_n_f32(e[j], share));
          // Truncates; saturates at 0 and above.
          halves[j] = vqmovn_u32(vcvtq_u32_f32(vaddq_f32(value, vdupq_n_f32(0.5f))));
        }
        uint8x8_t low = vqmovn_u16(vcombine_u16(halves[0], halves[1])), high = vqmovn_u16(vcombine_u16(halves[2], halves[3]));
        thimble_store16(to, vcombine_u8(low, high), channels - c);
      }
    }
    x += count;
  }
}

void thimble_resize_u8_neon(const thimble_resize_args *args) {
  if (args->kind != THIMBLE_BILINEAR_FLOAT) {
    thimble_resize_u8_portable(args);
    return;
  }
  for (size_t y = args->row_begin; y < args->row_end; y++) resize_row(args, y);
}
#endif
