#include "fixed_point.h"
#include "portable.h"

// One operand on the common scale: round((x − zero point) · 2²⁰ · factor).
static int32_t rescale(uint8_t x, int32_t zero_point, int32_t multiplier, int32_t shift) {
  int32_t value = (int32_t)((uint32_t)((int32_t)x - zero_point) << 20);
  return thimble_requantize(value, multiplier, shift);
}

// for each element: add, subtract or multiply; requantize; clamp. The fused form, where there is one, gives the same bytes.
void thimble_arithmetic_u8_portable(const thimble_arithmetic_args *args) {
  const thimble_arithmetic *a = args->arithmetic;
  for (size_t i = 0; i < args->count; i++) {
    uint8_t x = args->first[i * args->first_stride];
    uint8_t y = args->second[i * args->second_stride];
    uint32_t raw;
    if (a->kind == THIMBLE_MULTIPLY) {
      raw = (uint32_t)(((int32_t)x - a->first_zero_point) * ((int32_t)y - a->second_zero_point));
    } else {
      uint32_t first = (uint32_t)rescale(x, a->first_zero_point, a->first_multiplier, a->first_shift);
      uint32_t second = (uint32_t)rescale(y, a->second_zero_point, a->second_multiplier, a->second_shift);
      raw = a->kind == THIMBLE_ADD ? first + second : first - second;
    }
    uint32_t value = (uint32_t)thimble_requantize((int32_t)raw, a->output_multiplier, a->output_shift);
    value += (uint32_t)a->output_zero_point;
    args->out[i] = (uint8_t)thimble_clamp((int32_t)value, a->clamp_min, a->clamp_max);
  }
}
