// TFLite's fixed-point rounding, as its reference kernels define it (gemmlowp's double rounding).
#ifndef THIMBLE_FIXED_POINT_H
#define THIMBLE_FIXED_POINT_H
#include <stdint.h>

// SaturatingRoundingDoublingHighMul: (a · b) / 2³¹, rounded half away from zero as gemmlowp does; only −2³¹ · −2³¹ saturates.
static inline int32_t thimble_high_multiply(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  int64_t product = (int64_t)a * b;
  int64_t nudge = product >= 0 ? (1 << 30) : 1 - (1 << 30);
  return (int32_t)((product + nudge) / ((int64_t)1 << 31));
}

// RoundingDivideByPOT: a / 2^shift, rounded half away from zero. shift in 0…31.
static inline int32_t thimble_rounding_shift_right(int32_t a, int32_t shift) {
  int32_t mask = (int32_t)(((int64_t)1 << shift) - 1);
  int32_t remainder = a & mask;
  int32_t threshold = (mask >> 1) + (a < 0 ? 1 : 0);
  return (a >> shift) + (remainder > threshold ? 1 : 0);
}

// MultiplyByQuantizedMultiplier. shift: right, negative = left. A left shift wraps as the reference's would overflow.
static inline int32_t thimble_requantize(int32_t value, int32_t multiplier, int32_t shift) {
  int32_t left = shift < 0 ? -shift : 0;
  int32_t right = shift > 0 ? shift : 0;
  int32_t shifted = (int32_t)((uint32_t)value << left);
  return thimble_rounding_shift_right(thimble_high_multiply(shifted, multiplier), right);
}

// ⌊(value · multiplier + half) / 2^(31 + shift)⌋ with half = 2^(30 + shift), saturated. shift in −31…31.
static inline int32_t thimble_requantize_once(int32_t value, int32_t multiplier, int32_t shift) {
  int32_t bits = 31 + shift;
  int64_t half = bits > 0 ? (int64_t)1 << (bits - 1) : 0;
  int64_t result = ((int64_t)value * multiplier + half) >> bits;
  return result > INT32_MAX ? INT32_MAX : result < INT32_MIN ? INT32_MIN : (int32_t)result;
}

static inline int32_t thimble_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}
#endif
