// The reference's requantization (portable/fixed_point.h) on vectors, and stores of part of a vector.
//
// SQRDMULH is floor((2·a·b + 2³¹) / 2³²), saturated: thimble_high_multiply for all a, b. For a negative product −p, gemmlowp
// gives −floor((p + 2³⁰ − 1) / 2³¹), which is floor((−p + 2³⁰) / 2³¹). SRSHL by −s is floor((x + 2^(s−1)) / 2^s): ties go up,
// the reference's go away from zero, so negative x are lowered by 1 first where s > 0.
#ifndef THIMBLE_REQUANTIZE_NEON_H
#define THIMBLE_REQUANTIZE_NEON_H
#include <arm_neon.h>

#include "thimble_kernels.h"

#define THIMBLE_INLINE static inline __attribute__((always_inline))

// How a call's numbers allow to requantize; all give the same where more than one is allowed.
typedef enum {
  // Shifts of at least 1, a zero point of 0 and no clamps: negative values are all clamped, so that how their ties round
  // cannot show.
  THIMBLE_PLAIN,
  // Shifts of at least 1, no clamps.
  THIMBLE_LINEAR,
  THIMBLE_BOUNDED,
  // Rounded once, shifts of at least 1.
  THIMBLE_ONCE,
  // Any shifts.
  THIMBLE_UNBOUNDED,
  THIMBLE_UNBOUNDED_ONCE,
} thimble_rounding_neon;

// What is the same for all channels.
typedef struct {
  int32x4_t zero_point;
  uint8x16_t clamp_min, clamp_max;
  thimble_rounding_neon rounding;
} thimble_output_neon;

THIMBLE_INLINE thimble_rounding_neon thimble_bounded_rounding(const thimble_requantization *rq) {
  if (rq->clamp_min != 0 || rq->clamp_max != 255) return THIMBLE_BOUNDED;
  return rq->zero_point != 0 ? THIMBLE_LINEAR : THIMBLE_PLAIN;
}

THIMBLE_INLINE thimble_output_neon thimble_output_of(const thimble_requantization *rq) {
  return (thimble_output_neon){
      .zero_point = vdupq_n_s32(rq->zero_point),
      .clamp_min = vdupq_n_u8(rq->clamp_min),
      .clamp_max = vdupq_n_u8(rq->clamp_max),
      .rounding = rq->rounds_once   ? THIMBLE_UNBOUNDED_ONCE
                  : rq->is_bounded ? thimble_bounded_rounding(rq)
                                   : THIMBLE_UNBOUNDED,
  };
}

// x / 2^−right, rounded half away from zero. right ≤ 0.
THIMBLE_INLINE int32x4_t thimble_rounding_shift_neon(int32x4_t x, int32x4_t right) {
  int32x4_t lower = vshrq_n_s32(vandq_s32(x, right), 31);  // −1 where x < 0 and right < 0
  return vrshlq_s32(vqaddq_s32(x, lower), right);
}

// Any value and any shift in −31…31 (right; negative = left).
THIMBLE_INLINE int32x4_t thimble_requantize_neon(int32x4_t value, int32x4_t multiplier, int32x4_t shift) {
  int32x4_t zero = vdupq_n_s32(0), left = vnegq_s32(shift);
  int32x4_t shifted = vshlq_s32(value, vmaxq_s32(left, zero));
  return thimble_rounding_shift_neon(vqrdmulhq_s32(shifted, multiplier), vminq_s32(left, zero));
}

// ⌊(value · multiplier + 2^(30 + shift)) / 2^(31 + shift)⌋, saturated: SRSHL computes without overflow.
THIMBLE_INLINE int32x4_t thimble_requantize_once_neon(int32x4_t value, int32x4_t multiplier, int32x4_t shift) {
  int32x4_t right = vsubq_s32(vdupq_n_s32(-31), shift);
  int64x2_t low = vmull_s32(vget_low_s32(value), vget_low_s32(multiplier)), high = vmull_high_s32(value, multiplier);
  low = vrshlq_s64(low, vmovl_s32(vget_low_s32(right)));
  high = vrshlq_s64(high, vmovl_high_s32(right));
  return vqmovn_high_s64(vqmovn_s64(low), high);
}

// Four channels' multipliers, and how far SQSHL shifts left after the multiplication: see thimble_bytes16.
typedef struct {
  int32x4_t multiplier, left;
} thimble_factors_neon;

enum { THIMBLE_FRACTION_BITS = 7, THIMBLE_LEFT = 16 + THIMBLE_FRACTION_BITS };

THIMBLE_INLINE thimble_factors_neon thimble_factors_of(const thimble_channels16 *channels, int first) {
  return (thimble_factors_neon){
      vld1q_s32(channels->multiplier + first), vsubq_s32(vdupq_n_s32(THIMBLE_LEFT), vld1q_s32(channels->shift + first))};
}

// Saturates to bytes and clamps; the same as clamping first, as the clamps are bytes.
THIMBLE_INLINE uint8x16_t thimble_narrow16(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d, thimble_output_neon output) {
  int16x8_t low = vqmovn_high_s32(vqmovn_s32(a), b), high = vqmovn_high_s32(vqmovn_s32(c), d);
  uint8x16_t bytes = vqmovun_high_s16(vqmovun_s16(low), high);
  return vminq_u8(vmaxq_u8(bytes, output.clamp_min), output.clamp_max);
}

// How channels of a call round: here only shifts below 1 are not bounded, whatever the accumulators are.
static inline thimble_rounding_neon thimble_rounding_of(
    const thimble_requantization *rq, const thimble_factors_neon *factors, size_t count) {
  if (rq->is_bounded && !rq->rounds_once) return thimble_bounded_rounding(rq);
  uint32x4_t is_outside = vdupq_n_u32(0);  // a multiplier of 0 gives 0 with any shift
  for (size_t j = 0; j < count; j++)
    is_outside = vorrq_u32(
        is_outside,
        vandq_u32(vcgeq_s32(factors[j].left, vdupq_n_s32(THIMBLE_LEFT)), vtstq_s32(factors[j].multiplier, factors[j].multiplier)));
  if (vmaxvq_u32(is_outside) != 0) return rq->rounds_once ? THIMBLE_UNBOUNDED_ONCE : THIMBLE_UNBOUNDED;
  return rq->rounds_once ? THIMBLE_ONCE : thimble_bounded_rounding(rq);
}

// 16 outputs of calls that are bounded.
//
// A shift s after the multiplication is done in parts that together round as one does. SQSHL by 23 − s and taking the high
// halves is ⌊x / 2^(s − 7)⌋, saturated to 16 bits; SQRSHRUN by 7 adds a half and drops the other bits:
// ⌊(⌊x / 2^(s − 7)⌋ + 2⁶) / 2⁷⌋ = ⌊(x + 2^(s − 1)) / 2^s⌋ for s ≥ 1. What saturates is 256 or −256 or beyond, and stays outside
// 0…255 with any zero point, which is added while 7 bits of fraction are there.
//
// Rounded once, SQDMULH is ⌊acc · multiplier / 2³¹⌋, and the same rest gives ⌊(acc · multiplier + 2^(30 + s)) / 2^(31 + s)⌋.
THIMBLE_INLINE uint8x16_t thimble_bytes16(
    const int32x4_t acc[4], const thimble_factors_neon factors[4], thimble_output_neon output,
    const thimble_rounding_neon rounding) {
  int16x8_t x[4];
  for (int j = 0; j < 4; j++) {
    int32x4_t product = rounding == THIMBLE_ONCE ? vqdmulhq_s32(acc[j], factors[j].multiplier)
                                                 : vqrdmulhq_s32(acc[j], factors[j].multiplier);
    if (rounding == THIMBLE_LINEAR || rounding == THIMBLE_BOUNDED) product = vsraq_n_s32(product, product, 31);  // every shift is at least 1
    x[j] = vreinterpretq_s16_s32(vqshlq_s32(product, factors[j].left));
  }
  int16x8_t low = vuzp2q_s16(x[0], x[1]), high = vuzp2q_s16(x[2], x[3]);
  if (rounding != THIMBLE_PLAIN) {
    int16x8_t zero_point = vreinterpretq_s16_s32(vshlq_n_s32(output.zero_point, THIMBLE_FRACTION_BITS));
    zero_point = vuzp1q_s16(zero_point, zero_point);
    low = vqaddq_s16(low, zero_point);
    high = vqaddq_s16(high, zero_point);
  }
  uint8x16_t bytes =
      vqrshrun_high_n_s16(vqrshrun_n_s16(low, THIMBLE_FRACTION_BITS), high, THIMBLE_FRACTION_BITS);
  return rounding == THIMBLE_BOUNDED || rounding == THIMBLE_ONCE ? vminq_u8(vmaxq_u8(bytes, output.clamp_min), output.clamp_max) : bytes;
}

// Stores the first `count` bytes, count < 8.
THIMBLE_INLINE void thimble_store_part8(uint8_t *out, uint8x8_t bytes, size_t count) {
  if (count & 4) {
    uint32_t word = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    __builtin_memcpy(out, &word, 4);
    bytes = vext_u8(bytes, bytes, 4);
    out += 4;
  }
  if (count & 2) {
    uint16_t half = vget_lane_u16(vreinterpret_u16_u8(bytes), 0);
    __builtin_memcpy(out, &half, 2);
    bytes = vext_u8(bytes, bytes, 2);
    out += 2;
  }
  if (count & 1) *out = vget_lane_u8(bytes, 0);
}

// Stores the first `count` bytes, count up to 16 or more.
THIMBLE_INLINE void thimble_store16(uint8_t *out, uint8x16_t bytes, size_t count) {
  if (count >= 16) {
    vst1q_u8(out, bytes);
  } else if (count >= 8) {
    vst1_u8(out, vget_low_u8(bytes));
    thimble_store_part8(out + 8, vget_high_u8(bytes), count - 8);
  } else {
    thimble_store_part8(out, vget_low_u8(bytes), count);
  }
}
THIMBLE_INLINE void thimble_store8(uint8_t *out, uint8x8_t bytes, size_t count) {
  if (count >= 8)
    vst1_u8(out, bytes);
  else
    thimble_store_part8(out, bytes, count);
}

// The rare roundings, out of the kernels' way. The sum with the zero point wraps in 32 bits as the reference's.
static __attribute__((noinline, unused)) uint8x16_t thimble_rare_bytes16(
    int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d, const thimble_factors_neon factors[4],
    const thimble_output_neon *output) {
  int32x4_t x[4] = {a, b, c, d};
  if (output->rounding == THIMBLE_ONCE) return thimble_bytes16(x, factors, *output, THIMBLE_ONCE);
  for (int j = 0; j < 4; j++) {
    int32x4_t shift = vsubq_s32(vdupq_n_s32(THIMBLE_LEFT), factors[j].left);
    x[j] = output->rounding == THIMBLE_UNBOUNDED_ONCE ? thimble_requantize_once_neon(x[j], factors[j].multiplier, shift)
                                            : thimble_requantize_neon(x[j], factors[j].multiplier, shift);
    x[j] = vaddq_s32(x[j], output->zero_point);
  }
  return thimble_narrow16(x[0], x[1], x[2], x[3], *output);
}

// Accumulators of 16 channels by `rows` pixels before the first product.
THIMBLE_INLINE void thimble_start16(
    int32x4_t (*acc)[4], const int rows, const int32_t *bias, const int32_t *pixel_bias) {
  if (pixel_bias) {
    int32x4_t biases[4];
    for (int j = 0; j < 4; j++) biases[j] = vld1q_s32(bias + 4 * j);
#pragma clang loop unroll(full)
    for (int p = 0; p < rows; p++) {
      int32x4_t extra = vld1q_dup_s32(pixel_bias++);
      __asm__("" : "+r"(pixel_bias));  // the load moves it on
      for (int j = 0; j < 4; j++) acc[p][j] = vaddq_s32(biases[j], extra);
    }
    return;
  }
#pragma clang loop unroll(full)
  for (int p = 0; p < rows; p++) {
    __asm__("" : "+r"(bias));  // two loads a pixel, not four moves
    for (int j = 0; j < 4; j++) acc[p][j] = vld1q_s32(bias + 4 * j);
  }
}

// 16 channels of `rows` pixels: requantize and store `count` of them, or 16.
THIMBLE_INLINE void thimble_finish16(
    const int32x4_t (*acc)[4], const int rows, const thimble_factors_neon factors[4], const thimble_output_neon *output,
    uint8_t *out, ptrdiff_t out_stride, size_t count) {
  thimble_factors_neon f[4];
  for (int j = 0; j < 4; j++) f[j] = factors[j];
#define FINISH(STORE, BYTES)                                     \
  _Pragma("clang loop unroll(full)") for (int p = 0; p < rows; p++) { \
    STORE(out, BYTES);                                           \
    out += out_stride;                                           \
  }
#define STORE_ALL(out, bytes) vst1q_u8(out, bytes)
#define STORE_PART(out, bytes) thimble_store16(out, bytes, count)
  if (rows > 1 ? output->rounding >= THIMBLE_ONCE : output->rounding > THIMBLE_ONCE) {
    FINISH(STORE_PART, thimble_rare_bytes16(acc[p][0], acc[p][1], acc[p][2], acc[p][3], factors, output))
  } else if (rows == 1 && output->rounding == THIMBLE_ONCE) {
    FINISH(STORE_PART, thimble_bytes16(acc[p], f, *output, THIMBLE_ONCE))
  } else if (output->rounding == THIMBLE_BOUNDED || count < 16) {
    // With the zero point and the clamps of plain and linear calls nothing changes.
    FINISH(STORE_PART, thimble_bytes16(acc[p], f, *output, THIMBLE_BOUNDED))
  } else if (output->rounding == THIMBLE_LINEAR) {
    FINISH(STORE_ALL, thimble_bytes16(acc[p], f, *output, THIMBLE_LINEAR))
  } else {
    FINISH(STORE_ALL, thimble_bytes16(acc[p], f, *output, THIMBLE_PLAIN))
  }
#undef FINISH
#undef STORE_ALL
#undef STORE_PART
}

THIMBLE_INLINE void thimble_load_factors(const thimble_channels16 *channels, thimble_factors_neon factors[4]) {
  for (int j = 0; j < 4; j++) factors[j] = thimble_factors_of(channels, 4 * j);
}

THIMBLE_INLINE size_t thimble_minimum(size_t a, size_t b) { return a < b ? a : b; }
#endif
