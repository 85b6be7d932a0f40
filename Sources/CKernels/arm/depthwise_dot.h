// Depthwise convolution by dot products of 4 taps, for the two instruction sets that have them. The including file defines
//   BYTES         the vector type of activations, and ZIP1, ZIP2 of two of them
//   LOAD(source)  16 activations, each a byte minus BYTES_OFFSET
//   DOT(a, w, x)  a + Σ of 4 products w · x in each lane
#include "requantize_neon.h"

// [4 taps][16 channels] → a vector for each 4 channels: [4 channels][4 taps].
THIMBLE_INLINE void interleave(BYTES a, BYTES b, BYTES c, BYTES d, BYTES x[4]) {
  BYTES ac_low = ZIP1(a, c), ac_high = ZIP2(a, c), bd_low = ZIP1(b, d), bd_high = ZIP2(b, d);
  x[0] = ZIP1(ac_low, bd_low);
  x[1] = ZIP2(ac_low, bd_low);
  x[2] = ZIP1(ac_high, bd_high);
  x[3] = ZIP2(ac_high, bd_high);
}

// What every channel's accumulator starts from beside its bias: −weight zero point · what LOAD subtracted.
THIMBLE_INLINE int32x4_t initial(const thimble_depthwise_args *args) {
  return vdupq_n_s32((int32_t)(0u - (uint32_t)args->weight_zero_point * BYTES_OFFSET * (uint32_t)args->tap_count));
}

THIMBLE_INLINE void finish(
    const thimble_depthwise_args *args, int32x4_t acc[4], const int32x4_t sum[4], const bool has_zero_point,
    const thimble_channels16 *channels, const thimble_output_neon *output, size_t pixel, size_t channel) {
  if (has_zero_point)
    for (int j = 0; j < 4; j++) acc[j] = vmlsq_s32(acc[j], sum[j], vdupq_n_s32(args->weight_zero_point));
  uint8_t *out = args->out + (ptrdiff_t)pixel * args->out_stride + channel;
  thimble_factors_neon factors[4];
  thimble_load_factors(channels, factors);
  thimble_finish16((const int32x4_t(*)[4])acc, 1, factors, output, out, args->out_stride, args->channel_count - channel);
}

// 16 channels, any taps: groups of 4 taps as the weights are packed; taps past the last are zero.
THIMBLE_INLINE void any_taps(
    const thimble_depthwise_args *args, const int8_t *weights, const thimble_output_neon *output, size_t channel,
    const bool has_zero_point) {
  const thimble_channels16 *channels = args->channels + channel / 16;
  for (size_t pixel = 0; pixel < args->pixels; pixel++) {
    ptrdiff_t offset = (ptrdiff_t)pixel * args->pixel_stride + (ptrdiff_t)channel;
    const int8_t *w = weights;
    int32x4_t acc[4], sum[4];
    for (int j = 0; j < 4; j++) acc[j] = vaddq_s32(vld1q_s32(channels->bias + 4 * j), initial(args));
    for (int j = 0; j < 4; j++) sum[j] = vdupq_n_s32(0);
    for (size_t t = 0; t < args->tap_count; t += 4, w += 64) {
      BYTES tap[4], x[4];
      for (size_t k = 0; k < 4; k++)
        tap[k] = t + k < args->tap_count ? LOAD(args->taps[t + k] + offset) : (BYTES){0};
      interleave(tap[0], tap[1], tap[2], tap[3], x);
      for (int j = 0; j < 4; j++) {
        acc[j] = DOT(acc[j], vld1q_s8(w + 16 * j), x[j]);
        if (has_zero_point) sum[j] = DOT(sum[j], vdupq_n_s8(1), x[j]);
      }
    }
    finish(args, acc, sum, has_zero_point, channels, output, pixel, channel);
  }
}

// A column of a 3×3 window: 3 taps and a zero a lane.
THIMBLE_INLINE void load_column(const thimble_depthwise_args *args, int column, ptrdiff_t offset, BYTES x[4]) {
  const uint8_t *const *taps = args->taps;
  interleave(
      LOAD(taps[column] + offset), LOAD(taps[3 + column] + offset), LOAD(taps[6 + column] + offset), (BYTES){0}, x);
}

// 16 channels, 3×3: a dot product a column. The last `shared` columns are the next pixel's first and stay in registers.
THIMBLE_INLINE void three_by_three(
    const thimble_depthwise_args *args, const int8_t *weights, const thimble_output_neon *output, size_t channel,
    const bool has_zero_point, const int shared) {
  // Taps 0–3, 4–7, 8 of a channel lie at 4·channel in three vectors; column c wants the taps c, 3 + c, 6 + c and a zero.
  static const uint8_t places[3][16] = {
      {0, 3, 18, 255, 4, 7, 22, 255, 8, 11, 26, 255, 12, 15, 30, 255},
      {1, 16, 19, 255, 5, 20, 23, 255, 9, 24, 27, 255, 13, 28, 31, 255},
      {2, 17, 32, 255, 6, 21, 36, 255, 10, 25, 40, 255, 14, 29, 44, 255},
  };
  const thimble_channels16 *channels = args->channels + channel / 16;
  int8x16_t w[3][4];
  for (int j = 0; j < 4; j++) {
    int8x16x3_t packed = {{vld1q_s8(weights + 16 * j), vld1q_s8(weights + 64 + 16 * j), vld1q_s8(weights + 128 + 16 * j)}};
    for (int c = 0; c < 3; c++) w[c][j] = vqtbl3q_s8(packed, vld1q_u8(places[c]));
  }
  BYTES x[3][4];
  ptrdiff_t offset = (ptrdiff_t)channel;
  for (int c = 0; c < shared; c++) load_column(args, c, offset, x[c]);
  for (size_t pixel = 0; pixel < args->pixels; pixel++, offset += args->pixel_stride) {
    for (int c = shared; c < 3; c++) load_column(args, c, offset, x[c]);
    int32x4_t acc[4], sum[4];
    for (int j = 0; j < 4; j++) {
      acc[j] = vld1q_s32(channels->bias + 4 * j);
      if (has_zero_point) acc[j] = vaddq_s32(acc[j], initial(args));
      sum[j] = vdupq_n_s32(0);
      for (int c = 0; c < 3; c++) {
        acc[j] = DOT(acc[j], w[c][j], x[c][j]);
        if (has_zero_point) sum[j] = DOT(sum[j], vdupq_n_s8(1), x[c][j]);
      }
    }
    finish(args, acc, sum, has_zero_point, channels, output, pixel, channel);
    for (int c = 0; c < shared; c++)
      for (int j = 0; j < 4; j++) x[c][j] = x[3 - shared + c][j];
  }
}

// Whether moving on by a pixel moves `by` columns on, in each row of a 3×3 window.
THIMBLE_INLINE bool steps(const thimble_depthwise_args *args, int by) {
  for (int r = 0; r < 3; r++)
    for (int c = 0; c + by < 3; c++)
      if (args->taps[3 * r + c + by] != args->taps[3 * r + c] + args->pixel_stride) return false;
  return true;
}

THIMBLE_INLINE void depthwise_dot(const thimble_depthwise_args *args) {
  thimble_output_neon output = thimble_output_of(&args->requantization);
  bool has_zero_point = args->weight_zero_point != 0;
  int shared = args->tap_count != 9 ? -1 : steps(args, 1) ? 2 : steps(args, 2) ? 1 : 0;
  size_t panel_bytes = (args->tap_count + 3) / 4 * 64;
  const int8_t *w = args->weights;
  for (size_t channel = 0; channel < args->channel_count; channel += 16, w += panel_bytes) {
    if (has_zero_point) {
      if (shared == 2) three_by_three(args, w, &output, channel, true, 2);
      else if (shared == 1) three_by_three(args, w, &output, channel, true, 1);
      else if (shared == 0) three_by_three(args, w, &output, channel, true, 0);
      else any_taps(args, w, &output, channel, true);
    } else {
      if (shared == 2) three_by_three(args, w, &output, channel, false, 2);
      else if (shared == 1) three_by_three(args, w, &output, channel, false, 1);
      else if (shared == 0) three_by_three(args, w, &output, channel, false, 0);
      else any_taps(args, w, &output, channel, false);
    }
  }
}
