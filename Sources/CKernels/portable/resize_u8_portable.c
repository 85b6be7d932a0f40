#include "portable.h"
#include "resize_positions.h"
#pragma STDC FP_CONTRACT OFF

// Σ over the four corners of value · (1 − dy or dy) · (1 − dx or dx), plus a half, truncated.
static uint8_t blend_float(uint8_t v00, uint8_t v10, uint8_t v01, uint8_t v11, float dy, float dx) {
  float value = (float)v00 * (1 - dy) * (1 - dx) + (float)v10 * dy * (1 - dx) + (float)v01 * (1 - dy) * dx +
                (float)v11 * dy * dx + 0.5f;
  return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : (int32_t)value);
}

// The same over signed values (byte − 128) in 20-bit fixed point, rounded half away from zero.
static uint8_t blend_integer(int64_t v00, int64_t v10, int64_t v01, int64_t v11, int64_t dy, int64_t dx) {
  int64_t sum = (v00 - 128) * (THIMBLE_RESIZE_UNIT - dy) * (THIMBLE_RESIZE_UNIT - dx) + (v10 - 128) * dy * (THIMBLE_RESIZE_UNIT - dx) +
                (v01 - 128) * (THIMBLE_RESIZE_UNIT - dy) * dx + (v11 - 128) * dy * dx;
  int64_t rounded = (sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20);
  return (uint8_t)(rounded + 128);
}

void thimble_resize_u8_portable(const thimble_resize_args *args) {
  size_t channels = args->channel_count, row_bytes = args->input_width * channels;
  for (size_t y = args->row_begin; y < args->row_end; y++) {
    uint8_t *out = args->out + y * args->output_width * channels;
    if (args->kind == THIMBLE_NEAREST) {
      const uint8_t *row = args->input + nearest(args, y, args->input_height, args->output_height) * row_bytes;
      for (size_t x = 0; x < args->output_width; x++) {
        const uint8_t *pixel = row + nearest(args, x, args->input_width, args->output_width) * channels;
        for (size_t c = 0; c < channels; c++) *out++ = pixel[c];
      }
      continue;
    }
    bool is_float = args->kind == THIMBLE_BILINEAR_FLOAT;
    interpolation (*interpolate)(const thimble_resize_args *, size_t, size_t, size_t) =
        is_float ? interpolate_float : interpolate_integer;
    interpolation iy = interpolate(args, y, args->input_height, args->output_height);
    const uint8_t *upper_row = args->input + iy.lower * row_bytes, *lower_row = args->input + iy.upper * row_bytes;
    for (size_t x = 0; x < args->output_width; x++) {
      interpolation ix = interpolate(args, x, args->input_width, args->output_width);
      size_t left = ix.lower * channels, right = ix.upper * channels;
      for (size_t c = 0; c < channels; c++) {
        uint8_t v00 = upper_row[left + c], v10 = lower_row[left + c];
        uint8_t v01 = upper_row[right + c], v11 = lower_row[right + c];
        *out++ = is_float ? blend_float(v00, v10, v01, v11, iy.float_share, ix.float_share)
                          : blend_integer(v00, v10, v01, v11, iy.share, ix.share);
      }
    }
  }
}
