#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

// One group: LD4 turns [16 channels][4] into 4 vectors of 16 channels; each is widened and multiplied by one byte a pixel.
// x holds the pixels' bytes widened; the group's are lanes first…first + 3.
#define GROUP(first)                                                                             \
  do {                                                                                           \
    int8x16x4_t w4 = vld4q_s8(w);                                                                \
    w += 64;                                                                                     \
    MULTIPLY(w4.val[0], first);                                                                  \
    MULTIPLY(w4.val[1], first + 1);                                                              \
    MULTIPLY(w4.val[2], first + 2);                                                              \
    MULTIPLY(w4.val[3], first + 3);                                                              \
  } while (0)
#define MULTIPLY(bytes, lane)                                                                    \
  do {                                                                                           \
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);                   \
    for (int p = 0; p < rows; p++) {                                                             \
      acc[p][0] = vmlal_laneq_s16(acc[p][0], vget_low_s16(low), x[p], lane);                     \
      acc[p][1] = vmlal_high_laneq_s16(acc[p][1], low, x[p], lane);                              \
      acc[p][2] = vmlal_laneq_s16(acc[p][2], vget_low_s16(high), x[p], lane);                    \
      acc[p][3] = vmlal_high_laneq_s16(acc[p][3], high, x[p], lane);                             \
    }                                                                                            \
  } while (0)

// `rows` pixels from `pixel` by one panel; pixels past the last are the last again, and not stored.
THIMBLE_INLINE void tile(
    const thimble_gemm_args *args, const int8_t *w, const thimble_channels16 *channels, const thimble_output_neon *output,
    size_t pixel, const int rows, uint8_t *out, size_t count) {
  int32x4_t acc[4][4];
  ptrdiff_t offset[4];
  for (int p = 0; p < rows; p++) {
    size_t index = thimble_minimum(pixel + (size_t)p, args->pixels - 1);
    offset[p] = (ptrdiff_t)index * args->pixel_stride;
    int32x4_t extra = vdupq_n_s32(args->pixel_bias ? args->pixel_bias[index] : 0);
    for (int j = 0; j < 4; j++) acc[p][j] = vaddq_s32(vld1q_s32(channels->bias + 4 * j), extra);
  }
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *source[4];
    for (int p = 0; p < rows; p++) source[p] = args->runs[r] + offset[p];
    int16x8_t x[4];
    size_t groups = args->groups;
    for (; groups >= 2; groups -= 2) {
      for (int p = 0; p < rows; p++) x[p] = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(source[p])));
      for (int p = 0; p < rows; p++) source[p] += 8;
      GROUP(0);
      GROUP(4);
    }
    if (groups) {
      for (int p = 0; p < rows; p++) x[p] = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(source[p])));
      GROUP(0);
    }
  }
  thimble_factors_neon factors[4];
  thimble_load_factors(channels, factors);
  thimble_finish16(acc, rows, factors, output, out + (ptrdiff_t)pixel * args->out_stride, args->out_stride, count);
}

// for each panel: for each 4 pixels: acc (4,16) += x (4,k) · w (k,16) in 16-bit products; requantize; store
void thimble_gemm_s8_4x16_neon(const thimble_gemm_args *args) {
  thimble_output_neon output = thimble_output_of(&args->requantization);
  const int8_t *w = args->weights;
  for (size_t n = 0; n < args->panels; n++, w += args->run_count * args->groups * 64) {
    const thimble_channels16 *channels = args->channels + n;
    uint8_t *out = args->out + 16 * n;
    size_t count = args->out_channels - 16 * n, pixel = 0;
    for (; pixel + 4 <= args->pixels; pixel += 4) tile(args, w, channels, &output, pixel, 4, out, count);
    for (; pixel < args->pixels; pixel++) tile(args, w, channels, &output, pixel, 1, out, count);
  }
}
#endif
