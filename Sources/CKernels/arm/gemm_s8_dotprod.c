#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "arm.h"
#include "requantize_neon.h"

// One group of 4 inputs: 16 channels by every pixel, whose 4 bytes are one lane of x.
#define GROUP(lane)                                                                              \
  do {                                                                                           \
    for (int j = 0; j < 4; j++) {                                                                \
      int8x16_t w4 = vld1q_s8(w + 16 * j);                                                       \
      for (int p = 0; p < rows; p++) acc[p][j] = vdotq_laneq_s32(acc[p][j], w4, x[p], lane);     \
    }                                                                                            \
    w += 64;                                                                                     \
  } while (0)
// Four groups of every pixel, as bytes minus 128.
#define LOAD()                                                                                   \
  for (int p = 0; p < rows; p++) x[p] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(source[p]), vdupq_n_u8(128)))

// `rows` pixels from `pixel` by one panel; pixels past the last are the last again, and not stored.
THIMBLE_INLINE void tile(
    const thimble_gemm_args *args, const int8_t *w, const thimble_channels16 *channels, const thimble_output_neon *output,
    size_t pixel, const int rows, uint8_t *out, size_t count) {
  int32x4_t acc[4][4];
  ptrdiff_t offset[4];
  for (int p = 0; p < rows; p++) {
    size_t index = thimble_minimum(pixel + (size_t)p, args->pixels - 1);
    offset[p] = (ptrdiff_t)index * args->pixel_stride;
    for (int j = 0; j < 4; j++) acc[p][j] = vld1q_s32(channels->bias + 4 * j);
    if (args->pixel_bias)
      for (int j = 0; j < 4; j++) acc[p][j] = vaddq_s32(acc[p][j], vdupq_n_s32(args->pixel_bias[index]));
  }
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *source[4];
    for (int p = 0; p < rows; p++) source[p] = args->runs[r] + offset[p];
    int8x16_t x[4];
    size_t groups = args->groups;
    for (; groups >= 4; groups -= 4) {
      LOAD();
      GROUP(0);
      GROUP(1);
      GROUP(2);
      GROUP(3);
      for (int p = 0; p < rows; p++) source[p] += 16;
    }
    if (groups) {
      LOAD();
      GROUP(0);
      if (groups > 1) GROUP(1);
      if (groups > 2) GROUP(2);
    }
  }
  thimble_finish16(
      acc, rows, args->pixels - pixel, channels, output, out + (ptrdiff_t)pixel * args->out_stride, args->out_stride,
      count);
}

// for each panel: for each 4 pixels: acc (4,16) += x (4,k) · w (k,16), 4 products an SDOT lane; requantize; store
void thimble_gemm_s8_4x16_dotprod(const thimble_gemm_args *args) {
  thimble_output_neon output = thimble_output_of(&args->requantization);
  const int8_t *w = args->weights;
  for (size_t n = 0; n < args->panels; n++, w += args->run_count * args->groups * 64) {
    const thimble_channels16 *channels = args->channels + n;
    uint8_t *out = args->out + 16 * n;
    size_t count = args->out_channels - 16 * n, pixel = 0;
    for (; pixel + 1 < args->pixels; pixel += 4) tile(args, w, channels, &output, pixel, 4, out, count);
    if (pixel < args->pixels) tile(args, w, channels, &output, pixel, 1, out, count);
  }
}
#pragma clang attribute pop
#endif
