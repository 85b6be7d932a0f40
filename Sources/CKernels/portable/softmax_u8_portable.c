#include "fixed_point.h"
#include "portable.h"

// value · 2^bits with saturation.
static int32_t saturating_shift_left(int32_t value, int bits) {
  int64_t shifted = (int64_t)value * ((int64_t)1 << bits);
  return shifted > INT32_MAX ? INT32_MAX : shifted < INT32_MIN ? INT32_MIN : (int32_t)shifted;
}

// 1 / (1 + a) in Q0.31 for a in Q0.31, 0 ≤ a < 1: three Newton-Raphson steps in Q2.29 from 48/17 − 32/17·d
// (gemmlowp's one_over_one_plus_x_for_x_in_0_1).
static int32_t reciprocal_of_one_plus(int32_t a) {
  int32_t half_denominator = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
  int32_t x = 1515870810 + thimble_high_multiply(half_denominator, -1010580540);
  for (int i = 0; i < 3; i++) {
    int32_t error = (1 << 29) - thimble_high_multiply(half_denominator, x);
    x += saturating_shift_left(thimble_high_multiply(x, error), 2);
  }
  return saturating_shift_left(x, 1);
}

// max; sum of exponentials in Q12.19; one reciprocal a row; out = exp · reciprocal · 256
void thimble_softmax_u8_portable(const thimble_softmax_args *args) {
  uint8_t maximum = 0;
  for (size_t i = 0; i < args->depth; i++)
    if (args->input[i] > maximum) maximum = args->input[i];
  uint32_t sum = 0;
  for (size_t i = 0; i < args->depth; i++) {
    int32_t exponential = args->exponentials[maximum - args->input[i]];
    if (exponential >= 0) sum += (uint32_t)thimble_rounding_shift_right(exponential, 12);
  }
  int headroom = sum ? __builtin_clz(sum) : 0;
  uint32_t fraction = (sum << headroom) - ((uint32_t)1 << 31);  // of sum = 2^(31−headroom) · (1 + fraction)
  int32_t scale = reciprocal_of_one_plus((int32_t)fraction);
  int32_t shift = 12 - headroom + 31 - 8;
  for (size_t i = 0; i < args->depth; i++) {
    int32_t exponential = args->exponentials[maximum - args->input[i]];
    int32_t value = 0;
    if (exponential >= 0 && shift >= 0 && shift < 32)
      value = thimble_rounding_shift_right(thimble_high_multiply(scale, exponential), shift);
    args->out[i] = (uint8_t)thimble_clamp(value, 0, 255);
  }
}
