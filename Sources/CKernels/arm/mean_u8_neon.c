#if defined(__aarch64__)
#include "arm.h"
#include "../portable/portable.h"
#include "requantize_neon.h"

// Σ (x − zero point) over the reduced axes for the 16 outputs from `input`.
static void sum16(const thimble_mean_args *args, const uint8_t *input, int32x4_t sums[4]) {
  size_t index[THIMBLE_RANK_MAX] = {0};
  int16x8_t zero_point = vdupq_n_s16((int16_t)args->input_zero_point);
  for (int j = 0; j < 4; j++) sums[j] = vdupq_n_s32(0);
  for (;;) {
    ptrdiff_t offset = 0;
    for (size_t d = 0; d < args->reduced_rank; d++) offset += (ptrdiff_t)index[d] * args->reduced_strides[d];
    uint8x16_t bytes = vld1q_u8(input + offset);
    int16x8_t low = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))), zero_point);
    int16x8_t high = vsubq_s16(vreinterpretq_s16_u16(vmovl_high_u8(bytes)), zero_point);
    sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
    sums[1] = vaddw_high_s16(sums[1], low);
    sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
    sums[3] = vaddw_high_s16(sums[3], high);
    size_t d = args->reduced_rank;
    while (d > 0 && ++index[d - 1] == args->reduced_extents[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

// for each 16 outputs that lie next to each other: sum; requantize; clamp; store
void thimble_mean_u8_neon(const thimble_mean_args *args) {
  if (args->kept_stride != 1) {
    thimble_mean_u8_portable(args);
    return;
  }
  thimble_output_neon output = {.clamp_min = vdupq_n_u8(0), .clamp_max = vdupq_n_u8(255)};
  int32x4_t multiplier = vdupq_n_s32(args->multiplier), shift = vdupq_n_s32(args->shift);
  for (size_t i = 0; i < args->kept_count; i += 16) {
    int32x4_t sums[4];
    sum16(args, args->input + i, sums);
    for (int j = 0; j < 4; j++)
      sums[j] = vaddq_s32(thimble_requantize_neon(sums[j], multiplier, shift), vdupq_n_s32(args->output_zero_point));
    thimble_store16(args->out + i, thimble_narrow16(sums[0], sums[1], sums[2], sums[3], output), args->kept_count - i);
  }
}
#endif
