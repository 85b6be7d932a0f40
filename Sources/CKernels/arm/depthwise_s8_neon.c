#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

// One tap: 16 weights minus the zero point by 16 bytes of every pixel.
#define TAP(t, bytes)                                                                            \
  do {                                                                                           \
    int16x8_t low = vsubl_s8(vget_low_s8(bytes), vget_low_s8(zero_point));                       \
    int16x8_t high = vsubl_high_s8(bytes, zero_point);                                           \
    const uint8_t *source = args->taps[t] + offset;                                              \
    for (int p = 0; p < rows; p++) {                                                             \
      uint8x16_t x = vld1q_u8(source + p * args->pixel_stride);                                  \
      int16x8_t x_low = vreinterpretq_s16_u16(vsubl_u8(vget_low_u8(x), vdup_n_u8(128)));          \
      int16x8_t x_high = vreinterpretq_s16_u16(vsubl_high_u8(x, vdupq_n_u8(128)));               \
      acc[p][0] = vmlal_s16(acc[p][0], vget_low_s16(low), vget_low_s16(x_low));                  \
      acc[p][1] = vmlal_high_s16(acc[p][1], low, x_low);                                         \
      acc[p][2] = vmlal_s16(acc[p][2], vget_low_s16(high), vget_low_s16(x_high));                \
      acc[p][3] = vmlal_high_s16(acc[p][3], high, x_high);                                       \
    }                                                                                            \
  } while (0)

// `rows` pixels from `pixel`, the 16 channels from `channel`.
THIMBLE_INLINE void tile(
    const thimble_depthwise_args *args, const int8_t *w, const thimble_output_neon *output, size_t pixel, const int rows,
    size_t channel) {
  const thimble_channels16 *channels = args->channels + channel / 16;
  ptrdiff_t offset = (ptrdiff_t)pixel * args->pixel_stride + (ptrdiff_t)channel;
  int8x16_t zero_point = vdupq_n_s8((int8_t)args->weight_zero_point);
  // −weight zero point · what was subtracted from the bytes.
  int32x4_t correction = vdupq_n_s32((int32_t)(0u - (uint32_t)args->weight_zero_point * 128 * (uint32_t)args->tap_count));
  int32x4_t acc[4][4];
  for (int p = 0; p < rows; p++)
    for (int j = 0; j < 4; j++) acc[p][j] = vaddq_s32(vld1q_s32(channels->bias + 4 * j), correction);
  size_t t = 0;
  for (; t + 4 <= args->tap_count; t += 4, w += 64) {
    int8x16x4_t w4 = vld4q_s8(w);  // [16 channels][4 taps] → 4 vectors of 16 channels
    TAP(t, w4.val[0]);
    TAP(t + 1, w4.val[1]);
    TAP(t + 2, w4.val[2]);
    TAP(t + 3, w4.val[3]);
  }
  if (t < args->tap_count) {
    int8x16x4_t w4 = vld4q_s8(w);
    TAP(t, w4.val[0]);
    if (t + 1 < args->tap_count) TAP(t + 1, w4.val[1]);
    if (t + 2 < args->tap_count) TAP(t + 2, w4.val[2]);
  }
  uint8_t *out = args->out + (ptrdiff_t)pixel * args->out_stride + channel;
  thimble_factors_neon factors[4];
  thimble_load_factors(channels, factors);
  thimble_finish16(acc, rows, factors, output, out, args->out_stride, args->channel_count - channel);
}

// for each 16 channels: for each 4 pixels: acc (4,16) += taps · (w − zero point) in 16-bit products; requantize; store
void thimble_depthwise_s8_neon(const thimble_depthwise_args *args) {
  thimble_output_neon output = thimble_output_of(&args->requantization);
  size_t panel_bytes = (args->tap_count + 3) / 4 * 64;
  for (size_t channel = 0; channel < args->channel_count; channel += 16) {
    const int8_t *w = args->weights + channel / 16 * panel_bytes;
    size_t pixel = 0;
    for (; pixel + 4 <= args->pixels; pixel += 4) tile(args, w, &output, pixel, 4, channel);
    for (; pixel < args->pixels; pixel++) tile(args, w, &output, pixel, 1, channel);
  }
}
#endif
