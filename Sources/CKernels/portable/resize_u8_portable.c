#include "portable.h"
#pragma STDC FP_CONTRACT OFF

enum { UNIT = 1 << 10 };  // 1.0 in the integer form's 10-bit fixed point

// floor and ceil of a float within ±2³⁰
static int32_t floor_of(float x) {
  int32_t truncated = (int32_t)x;
  return truncated - ((float)truncated > x);
}
static int32_t ceil_of(float x) {
  int32_t truncated = (int32_t)x;
  return truncated + ((float)truncated < x);
}

static int32_t round_half_away(float x) {
  int32_t truncated = (int32_t)x;
  float fraction = x - (float)truncated;
  return truncated + (fraction >= 0.5f) - (fraction <= -0.5f);
}

static size_t minimum(size_t a, size_t b) { return a < b ? a : b; }

// Input positions a step of one output position apart, in elements.
static float float_scale(const thimble_resize_args *args, size_t in, size_t out) {
  if (args->align_corners && out > 1) return (float)(in - 1) / (float)(out - 1);
  return (float)in / (float)out;
}
static int32_t integer_scale(const thimble_resize_args *args, size_t in, size_t out) {
  if (args->align_corners && out > 1) return (int32_t)((UNIT * (in - 1) + (out - 1) / 2) / (out - 1));
  return (int32_t)((UNIT * in + out / 2) / out);
}

// Nearest input index of output index i.
static size_t nearest(const thimble_resize_args *args, size_t i, size_t in, size_t out) {
  float position = ((float)i + (args->half_pixel_centers ? 0.5f : 0.0f)) * float_scale(args, in, out);
  int32_t index = args->align_corners ? round_half_away(position) : floor_of(position);
  return minimum(index < 0 ? 0 : (size_t)index, in - 1);
}

// Where output index i lies between two input indices: position − lower is the upper one's share.
typedef struct {
  size_t lower, upper;
  float float_share;
  int64_t share;  // in UNITs
} interpolation;

static interpolation interpolate_float(const thimble_resize_args *args, size_t i, size_t in, size_t out) {
  float scale = float_scale(args, in, out);
  float position = args->half_pixel_centers ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
  int32_t lower = floor_of(position), upper = ceil_of(position);
  interpolation result = {.lower = lower < 0 ? 0 : (size_t)lower};
  result.lower = minimum(result.lower, in - 1);
  result.upper = minimum(upper < 0 ? 0 : (size_t)upper, in - 1);
  result.float_share = position - (float)result.lower;
  return result;
}

static interpolation interpolate_integer(const thimble_resize_args *args, size_t i, size_t in, size_t out) {
  int64_t scale = integer_scale(args, in, out);
  int64_t position = (int64_t)i * scale;
  if (args->half_pixel_centers) position += scale / 2 - UNIT / 2;
  int64_t lower = position / UNIT, upper = (position + UNIT - 1) / UNIT;
  interpolation result = {.lower = lower < 0 ? 0 : (size_t)lower};
  result.lower = minimum(result.lower, in - 1);
  result.upper = minimum(upper < 0 ? 0 : (size_t)upper, in - 1);
  result.share = position - UNIT * (int64_t)result.lower;
  return result;
}

// Σ over the four corners of value · (1 − dy or dy) · (1 − dx or dx), plus a half, truncated.
static uint8_t blend_float(uint8_t v00, uint8_t v10, uint8_t v01, uint8_t v11, float dy, float dx) {
  float value = (float)v00 * (1 - dy) * (1 - dx) + (float)v10 * dy * (1 - dx) + (float)v01 * (1 - dy) * dx +
                (float)v11 * dy * dx + 0.5f;
  return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : (int32_t)value);
}

// The same over signed values (byte − 128) in 20-bit fixed point, rounded half away from zero.
static uint8_t blend_integer(int64_t v00, int64_t v10, int64_t v01, int64_t v11, int64_t dy, int64_t dx) {
  int64_t sum = (v00 - 128) * (UNIT - dy) * (UNIT - dx) + (v10 - 128) * dy * (UNIT - dx) +
                (v01 - 128) * (UNIT - dy) * dx + (v11 - 128) * dy * dx;
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
