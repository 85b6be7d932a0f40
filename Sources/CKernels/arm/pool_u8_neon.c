#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

THIMBLE_INLINE const uint8_t *tap(const thimble_pool_args *args, size_t y, size_t x, size_t channel) {
  return args->first_tap + (ptrdiff_t)y * args->row_stride + (ptrdiff_t)x * args->column_stride + channel;
}

static uint8x16_t maximum(const thimble_pool_args *args, size_t channel) {
  uint8x16_t result = vdupq_n_u8(0);
  for (size_t y = 0; y < args->rows; y++)
    for (size_t x = 0; x < args->columns; x++) result = vmaxq_u8(result, vld1q_u8(tap(args, y, x, channel)));
  return result;
}

// The sums, then as the portable kernel; 64 bits hold any window.
static uint8x16_t average(const thimble_pool_args *args, size_t channel) {
  uint32x4_t sums[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};
  for (size_t y = 0; y < args->rows; y++)
    for (size_t x = 0; x < args->columns; x++) {
      uint8x16_t bytes = vld1q_u8(tap(args, y, x, channel));
      uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
      sums[0] = vaddw_u16(sums[0], vget_low_u16(low));
      sums[1] = vaddw_high_u16(sums[1], low);
      sums[2] = vaddw_u16(sums[2], vget_low_u16(high));
      sums[3] = vaddw_high_u16(sums[3], high);
    }
  uint32_t sum[16];
  for (int j = 0; j < 4; j++) vst1q_u32(sum + 4 * j, sums[j]);
  int64_t count = (int64_t)args->rows * (int64_t)args->columns, offset = args->rounds_signed ? 128 : 0;
  uint8_t bytes[16];
  for (int c = 0; c < 16; c++) {
    int64_t total = (int64_t)sum[c] - offset * count;
    int64_t quotient = (total > 0 ? total + count / 2 : total - count / 2) / count;
    bytes[c] = (uint8_t)(quotient + offset);
  }
  return vld1q_u8(bytes);
}

// for each 16 channels: the sum or the maximum over the window, then clamp
void thimble_pool_u8_neon(const thimble_pool_args *args) {
  for (size_t channel = 0; channel < args->channel_count; channel += 16) {
    uint8x16_t value = args->is_average ? average(args, channel) : maximum(args, channel);
    value = vminq_u8(vmaxq_u8(value, vdupq_n_u8(args->clamp_min)), vdupq_n_u8(args->clamp_max));
    thimble_store16(args->out + channel, value, args->channel_count - channel);
  }
}
#endif
