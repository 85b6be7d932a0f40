#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "arm.h"
#include "requantize_neon.h"

// What a call's sums have in common, in registers.
typedef struct {
  const uint8_t *_Nonnull const *_Nonnull runs;
  size_t run_count, whole, rest;  // bytes of a run in whole vectors, and after them
  uint8x16_t last;                // ones for the rest
} sums_of_runs;

// Σ over all runs of the bytes of 4 pixels, `offset` bytes from the first, that are `step` apart.
THIMBLE_INLINE uint32x4_t sum4(const sums_of_runs runs, ptrdiff_t offset, ptrdiff_t step) {
  uint32x4_t a = vdupq_n_u32(0), b = a, c = a, d = a;
  for (size_t r = 0; r < runs.run_count; r++) {
    const uint8_t *x = runs.runs[r] + offset;
#define ADD(ones)                                      \
  a = vdotq_u32(a, vld1q_u8(x), ones);                 \
  b = vdotq_u32(b, vld1q_u8(x + step), ones);          \
  c = vdotq_u32(c, vld1q_u8(x + 2 * step), ones);      \
  d = vdotq_u32(d, vld1q_u8(x + 3 * step), ones);
    for (const uint8_t *end = x + runs.whole; x < end; x += 16) {
      ADD(vdupq_n_u8(1))
    }
    if (runs.rest) {
      ADD(runs.last)
    }
#undef ADD
  }
  return vpaddq_u32(vpaddq_u32(a, b), vpaddq_u32(c, d));
}

// for each 4 pixels: sums by UDOT with ones; times −weight zero point
void thimble_pixel_bias_dotprod(const thimble_pixel_bias_args *args) {
  static const uint8_t ones[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const size_t rest = args->run_bytes % 16;
  const sums_of_runs runs = {args->runs, args->run_count, args->run_bytes - rest, rest, vld1q_u8(ones + 16 - rest)};
  const uint32x4_t factor = vdupq_n_u32(0u - (uint32_t)args->weight_zero_point);
  const ptrdiff_t step = args->pixel_stride;
  const size_t pixels = args->pixels;
  uint32_t *out = (uint32_t *)args->out;
  ptrdiff_t offset = 0;
  size_t i = 0;
  for (; i + 4 <= pixels; i += 4, offset += 4 * step) vst1q_u32(out + i, vmulq_u32(sum4(runs, offset, step), factor));
  for (; i < pixels; i++, offset += step) out[i] = vgetq_lane_u32(vmulq_u32(sum4(runs, offset, 0), factor), 0);
}
#pragma clang attribute pop
#endif
