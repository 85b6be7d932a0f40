#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)
#include "arm.h"
#include "requantize_neon.h"

THIMBLE_INLINE int8x16_t zip_low(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}
THIMBLE_INLINE int8x16_t zip_high(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}
THIMBLE_INLINE int32x4_t low_halves(int32x4_t a, int32x4_t b) {
  return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}
THIMBLE_INLINE int32x4_t high_halves(int32x4_t a, int32x4_t b) {
  return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

// Two groups: x[q] holds 8 bytes of the pixels 2q and 2q + 1; a and b are 4 channels of the first group, c and d of the
// second. acc[q][j] is (pixels 2q, 2q + 1; channels 2j, 2j + 1).
#define MULTIPLY(x, a, b, c, d)                                                                  \
  do {                                                                                           \
    int8x16_t w0 = zip_low(a, c), w1 = zip_high(a, c), w2 = zip_low(b, d), w3 = zip_high(b, d);  \
    for (int q = 0; q < pairs; q++) {                                                            \
      acc[q][0] = vusmmlaq_s32(acc[q][0], x[q], w0);                                             \
      acc[q][1] = vusmmlaq_s32(acc[q][1], x[q], w1);                                             \
      acc[q][2] = vusmmlaq_s32(acc[q][2], x[q], w2);                                             \
      acc[q][3] = vusmmlaq_s32(acc[q][3], x[q], w3);                                             \
    }                                                                                            \
  } while (0)
#define TWO_GROUPS(x)                                                                            \
  do {                                                                                           \
    MULTIPLY(x, vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 64), vld1q_s8(w + 80));              \
    w += 128;                                                                                    \
  } while (0)
// Four groups of two pixels each.
#define LOAD()                                                                                   \
  for (int q = 0; q < pairs; q++) {                                                              \
    uint64x2_t even = vreinterpretq_u64_u8(vld1q_u8(source[2 * q]));                             \
    uint64x2_t odd = vreinterpretq_u64_u8(vld1q_u8(source[2 * q + 1]));                          \
    first[q] = vreinterpretq_u8_u64(vzip1q_u64(even, odd));                                      \
    second[q] = vreinterpretq_u8_u64(vzip2q_u64(even, odd));                                     \
  }

// Pixels p and p + 1 of the tile by its 8 channels: [pixel][half] as the outputs lie.
THIMBLE_INLINE uint8x16_t finish_pair(
    const int32x4_t acc[4], const int32x4_t bias[2], int32x4_t even, int32x4_t odd, const thimble_factors_neon factors[4],
    const thimble_output_neon *output, const thimble_rounding_neon rounding) {
  int32x4_t x[4] = {
      vaddq_s32(vaddq_s32(low_halves(acc[0], acc[1]), bias[0]), even),
      vaddq_s32(vaddq_s32(low_halves(acc[2], acc[3]), bias[1]), even),
      vaddq_s32(vaddq_s32(high_halves(acc[0], acc[1]), bias[0]), odd),
      vaddq_s32(vaddq_s32(high_halves(acc[2], acc[3]), bias[1]), odd),
  };
  return thimble_bytes16(x, factors, *output, rounding);
}

// 2·`pairs` pixels from `pixel` by the half panel of 8 channels at w, channels->…[channel]; pixels past the last are the
// last again, and not stored.
THIMBLE_INLINE void tile(
    const thimble_gemm_args *args, const int8_t *w, const thimble_channels16 *channels, int channel,
    const thimble_output_neon *output, size_t pixel, const int pairs, uint8_t *out, size_t count) {
  int32x4_t acc[4][4];
  ptrdiff_t offset[8];
  size_t valid = args->pixels - pixel;
  offset[0] = (ptrdiff_t)pixel * args->pixel_stride;
  for (int p = 1; p < 2 * pairs; p++) offset[p] = offset[p - 1] + ((size_t)p < valid ? args->pixel_stride : 0);
  for (int q = 0; q < pairs; q++)
    for (int j = 0; j < 4; j++) acc[q][j] = vdupq_n_s32(0);
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *source[8];
    for (int p = 0; p < 2 * pairs; p++) source[p] = args->runs[r] + offset[p];
    uint8x16_t first[4], second[4];
    size_t groups = args->groups;
    for (; groups >= 4; groups -= 4) {
      LOAD();
      TWO_GROUPS(first);
      TWO_GROUPS(second);
      for (int p = 0; p < 2 * pairs; p++) source[p] += 16;
    }
    if (groups) {
      LOAD();
      if (groups > 1) {
        TWO_GROUPS(first);
        for (int q = 0; q < pairs; q++) first[q] = second[q];
      }
      if (groups & 1) {  // what follows the run is multiplied by zero
        int8x16_t zero = vdupq_n_s8(0);
        MULTIPLY(first, vld1q_s8(w), vld1q_s8(w + 16), zero, zero);
        w += 64;
      }
    }
  }
  int32x4_t bias[2] = {vld1q_s32(channels->bias + channel), vld1q_s32(channels->bias + channel + 4)};
  thimble_factors_neon factors[4] = {thimble_factors_of(channels, channel), thimble_factors_of(channels, channel + 4)};
  factors[2] = factors[0];
  factors[3] = factors[1];
  out += (ptrdiff_t)pixel * args->out_stride;
#pragma clang loop unroll(full)
  for (int q = 0; q < pairs; q++, out += 2 * args->out_stride) {
    size_t first = (size_t)(2 * q);
    if (first >= valid) break;
    int32x4_t even = vdupq_n_s32(0), odd = even;
    if (args->pixel_bias) {
      even = vdupq_n_s32(args->pixel_bias[pixel + first]);
      odd = vdupq_n_s32(args->pixel_bias[pixel + (first + 1 < valid ? first + 1 : first)]);
    }
    uint8x16_t bytes;
    if (output->rounding == THIMBLE_PLAIN)
      bytes = finish_pair(acc[q], bias, even, odd, factors, output, THIMBLE_PLAIN);
    else if (output->rounding == THIMBLE_LINEAR || output->rounding == THIMBLE_BOUNDED)
      bytes = finish_pair(acc[q], bias, even, odd, factors, output, THIMBLE_BOUNDED);
    else if (output->rounding == THIMBLE_UNBOUNDED)
      bytes = finish_pair(acc[q], bias, even, odd, factors, output, THIMBLE_UNBOUNDED);
    else
      bytes = finish_pair(acc[q], bias, even, odd, factors, output, THIMBLE_ONCE);
    thimble_store8(out, vget_low_u8(bytes), count);
    if (first + 1 < valid) thimble_store8(out + args->out_stride, vget_high_u8(bytes), count);
  }
}

// One pixel by one panel: USDOT with the pixel's 4 bytes in every lane.
THIMBLE_INLINE void row(
    const thimble_gemm_args *args, const int8_t *w, const thimble_channels16 *channels, const thimble_output_neon *output,
    size_t pixel, uint8_t *out, size_t count) {
  int32x4_t acc[1][4];
  int32x4_t extra = vdupq_n_s32(args->pixel_bias ? args->pixel_bias[pixel] : 0);
  for (int j = 0; j < 4; j++) acc[0][j] = vaddq_s32(vld1q_s32(channels->bias + 4 * j), extra);
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *x = args->runs[r] + (ptrdiff_t)pixel * args->pixel_stride;
    for (size_t g = 0; g < args->groups; g++, w += 64, x += 4) {
      uint32_t word;
      __builtin_memcpy(&word, x, 4);
      uint8x16_t x4 = vreinterpretq_u8_u32(vdupq_n_u32(word));
      for (int j = 0; j < 4; j++) acc[0][j] = vusdotq_s32(acc[0][j], x4, vld1q_s8(w + 16 * j));
    }
  }
  thimble_factors_neon factors[4];
  thimble_load_factors(channels, factors);
  thimble_finish16(acc, 1, factors, output, out + (ptrdiff_t)pixel * args->out_stride, args->out_stride, count);
}

// for each panel: for each 8 pixels: for each 8 channels: acc (8,8) += x (8,k) · w (k,8), 2×8 by 8×2 a USMMLA; requantize; store
void thimble_gemm_s8_8x8_i8mm(const thimble_gemm_args *args) {
  thimble_output_neon output = thimble_output_of(&args->requantization);
  const int8_t *w = args->weights;
  for (size_t n = 0; n < args->panels; n++, w += args->run_count * args->groups * 64) {
    const thimble_channels16 *channels = args->channels + n;
    uint8_t *out = args->out + 16 * n;
    size_t count = args->out_channels - 16 * n, tiled = args->pixels % 8 == 1 ? args->pixels - 1 : args->pixels;
    for (size_t pixel = 0; pixel < tiled; pixel += 8) {
      for (int channel = 0; channel < 16 && count > (size_t)channel; channel += 8) {
        const int8_t *half = w + 4 * channel;
        size_t left = count - (size_t)channel;
        if (pixel + 4 < tiled)
          tile(args, half, channels, channel, &output, pixel, 4, out + channel, left);
        else
          tile(args, half, channels, channel, &output, pixel, 2, out + channel, left);
      }
    }
    if (tiled < args->pixels) row(args, w, channels, &output, tiled, out, count);
  }
}
#pragma clang attribute pop
#endif
