#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

// 16 bytes as four vectors of 32-bit numbers.
THIMBLE_INLINE void widen(uint8x16_t bytes, int32x4_t x[4]) {
  uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
  x[0] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low)));
  x[1] = vreinterpretq_s32_u32(vmovl_high_u16(low));
  x[2] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high)));
  x[3] = vreinterpretq_s32_u32(vmovl_high_u16(high));
}

// One operand on the common scale, as the portable rescale.
THIMBLE_INLINE int32x4_t rescale(int32x4_t x, int32_t zero_point, int32_t multiplier, int32_t shift) {
  int32x4_t value = vshlq_n_s32(vsubq_s32(x, vdupq_n_s32(zero_point)), 20);
  return thimble_requantize_neon(value, vdupq_n_s32(multiplier), vdupq_n_s32(shift));
}

THIMBLE_INLINE int32x4_t fixed_point(const thimble_arithmetic *a, int32x4_t x, int32x4_t y) {
  int32x4_t raw;
  if (a->kind == THIMBLE_MULTIPLY) {
    raw = vmulq_s32(vsubq_s32(x, vdupq_n_s32(a->first_zero_point)), vsubq_s32(y, vdupq_n_s32(a->second_zero_point)));
  } else {
    int32x4_t first = rescale(x, a->first_zero_point, a->first_multiplier, a->first_shift);
    int32x4_t second = rescale(y, a->second_zero_point, a->second_multiplier, a->second_shift);
    raw = a->kind == THIMBLE_ADD ? vaddq_s32(first, second) : vsubq_s32(first, second);
  }
  int32x4_t value = thimble_requantize_neon(raw, vdupq_n_s32(a->output_multiplier), vdupq_n_s32(a->output_shift));
  return vaddq_s32(value, vdupq_n_s32(a->output_zero_point));
}

THIMBLE_INLINE int32x4_t fused(const thimble_arithmetic *a, int32x4_t x, int32x4_t y) {
  float32x4_t inner = vfmaq_f32(vdupq_n_f32(a->c), vdupq_n_f32(a->b), vcvtq_f32_s32(y));
  return vcvtnq_s32_f32(vfmaq_f32(inner, vdupq_n_f32(a->a), vcvtq_f32_s32(x)));
}

// 16 elements.
THIMBLE_INLINE uint8x16_t sixteen(
    const thimble_arithmetic *a, uint8x16_t first, uint8x16_t second, thimble_output_neon output, const bool is_fused) {
  int32x4_t x[4], y[4];
  widen(first, x);
  widen(second, y);
  for (int j = 0; j < 4; j++) x[j] = is_fused ? fused(a, x[j], y[j]) : fixed_point(a, x[j], y[j]);
  return thimble_narrow16(x[0], x[1], x[2], x[3], output);
}

THIMBLE_INLINE void run(const thimble_arithmetic_args *args, const bool is_fused) {
  const thimble_arithmetic a = *args->arithmetic;
  const thimble_output_neon output = {.clamp_min = vdupq_n_u8(a.clamp_min), .clamp_max = vdupq_n_u8(a.clamp_max)};
  const size_t count = args->count;
  size_t i = 0;
  if (args->first_stride && args->second_stride) {
    const uint8_t *first = args->first, *second = args->second;
    uint8_t *out = args->out;
    for (; i + 16 <= count; i += 16)
      vst1q_u8(out + i, sixteen(&a, vld1q_u8(first + i), vld1q_u8(second + i), output, is_fused));
  }
  for (; i < count; i += 16) {
    uint8x16_t first = args->first_stride ? vld1q_u8(args->first + i) : vld1q_dup_u8(args->first);
    uint8x16_t second = args->second_stride ? vld1q_u8(args->second + i) : vld1q_dup_u8(args->second);
    thimble_store16(args->out + i, sixteen(&a, first, second, output, is_fused), count - i);
  }
}

// for each 16 elements: the fused form where there is one, else fixed point; clamp; store
void thimble_arithmetic_u8_neon(const thimble_arithmetic_args *args) {
  if (args->arithmetic->is_fused)
    run(args, true);
  else
    run(args, false);
}
#endif
