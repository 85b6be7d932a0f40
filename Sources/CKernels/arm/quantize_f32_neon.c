#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

// FCVTAS rounds half away from zero, gives 0 for NaN, and saturates.
THIMBLE_INLINE int32x4_t quantize4(const float *in, float32x4_t scale, int32x4_t zero_point) {
  float32x4_t quotient = vdivq_f32(vld1q_f32(in), scale);
  float32x4_t limited = vminq_f32(vmaxq_f32(quotient, vdupq_n_f32(-1024)), vdupq_n_f32(1024));
  return vaddq_s32(vcvtaq_s32_f32(limited), zero_point);
}

void thimble_quantize_f32_neon(const float *in, float scale, int32_t zero_point, uint8_t *out, size_t count) {
  thimble_output_neon output = {.clamp_min = vdupq_n_u8(0), .clamp_max = vdupq_n_u8(255)};
  float32x4_t scales = vdupq_n_f32(scale);
  int32x4_t zero_points = vdupq_n_s32(zero_point);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    int32x4_t a = quantize4(in + i, scales, zero_points), b = quantize4(in + i + 4, scales, zero_points);
    int32x4_t c = quantize4(in + i + 8, scales, zero_points), d = quantize4(in + i + 12, scales, zero_points);
    vst1q_u8(out + i, thimble_narrow16(a, b, c, d, output));
  }
  for (; i < count; i++) {
    float one[4] = {in[i], 0, 0, 0};
    int32x4_t value = quantize4(one, scales, zero_points);
    out[i] = vgetq_lane_u8(thimble_narrow16(value, value, value, value, output), 0);
  }
}

void thimble_dequantize_u8_neon(const uint8_t *in, float scale, int32_t zero_point, float *out, size_t count) {
  int32x4_t zero_points = vdupq_n_s32(zero_point);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint16x8_t wide = vmovl_u8(vld1_u8(in + i));
    int32x4_t low = vsubq_s32(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide))), zero_points);
    int32x4_t high = vsubq_s32(vreinterpretq_s32_u32(vmovl_high_u16(wide)), zero_points);
    vst1q_f32(out + i, vmulq_n_f32(vcvtq_f32_s32(low), scale));
    vst1q_f32(out + i + 4, vmulq_n_f32(vcvtq_f32_s32(high), scale));
  }
  for (; i < count; i++) out[i] = scale * (float)((int32_t)in[i] - zero_point);
}
#endif
