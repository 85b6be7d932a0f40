#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "arm.h"
#include "requantize_neon.h"

// Σ over all runs of the bytes of 4 pixels that are `step` apart.
THIMBLE_INLINE uint32x4_t sum4(const thimble_pixel_bias_args *args, size_t pixel, ptrdiff_t step) {
  static const uint8_t ones[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const size_t rest = args->run_bytes % 16;
  const uint8x16_t all = vdupq_n_u8(1), last = vld1q_u8(ones + 16 - rest);
  uint32x4_t sums[4];
  for (int p = 0; p < 4; p++) sums[p] = vdupq_n_u32(0);
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *x = args->runs[r] + (ptrdiff_t)pixel * args->pixel_stride;
    for (const uint8_t *end = x + args->run_bytes - rest; x < end; x += 16)
      for (int p = 0; p < 4; p++) sums[p] = vdotq_u32(sums[p], vld1q_u8(x + p * step), all);
    if (rest)
      for (int p = 0; p < 4; p++) sums[p] = vdotq_u32(sums[p], vld1q_u8(x + p * step), last);
  }
  return vpaddq_u32(vpaddq_u32(sums[0], sums[1]), vpaddq_u32(sums[2], sums[3]));
}

// for each 4 pixels: sums by UDOT with ones; times −weight zero point
void thimble_pixel_bias_dotprod(const thimble_pixel_bias_args *args) {
  uint32x4_t factor = vdupq_n_u32(0u - (uint32_t)args->weight_zero_point);
  size_t i = 0;
  for (; i + 4 <= args->pixels; i += 4)
    vst1q_s32(args->out + i, vreinterpretq_s32_u32(vmulq_u32(sum4(args, i, args->pixel_stride), factor)));
  for (; i < args->pixels; i++)
    args->out[i] = vgetq_lane_s32(vreinterpretq_s32_u32(vmulq_u32(sum4(args, i, 0), factor)), 0);
}
#pragma clang attribute pop
#endif
