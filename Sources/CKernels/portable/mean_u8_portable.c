#include "fixed_point.h"
#include "portable.h"

enum { BLOCK = 64 };

// for each block of outputs: Σ x over the reduced axes; subtract the zero points; requantize; clamp
void thimble_mean_u8_portable(const thimble_mean_args *args) {
  uint32_t count = 1;
  for (size_t d = 0; d < args->reduced_rank; d++) count *= (uint32_t)args->reduced_extents[d];
  for (size_t first = 0; first < args->kept_count; first += BLOCK) {
    size_t width = args->kept_count - first < BLOCK ? args->kept_count - first : BLOCK;
    uint32_t sums[BLOCK];
    for (size_t i = 0; i < width; i++) sums[i] = 0u - count * (uint32_t)args->input_zero_point;
    size_t index[THIMBLE_RANK_MAX] = {0};
    for (;;) {
      const uint8_t *input = args->input + (ptrdiff_t)first * args->kept_stride;
      for (size_t d = 0; d < args->reduced_rank; d++) input += (ptrdiff_t)index[d] * args->reduced_strides[d];
      if (args->kept_stride == 1)
        for (size_t i = 0; i < width; i++) sums[i] += input[i];
      else
        for (size_t i = 0; i < width; i++) sums[i] += input[(ptrdiff_t)i * args->kept_stride];
      size_t d = args->reduced_rank;
      while (d > 0 && ++index[d - 1] == args->reduced_extents[d - 1]) index[--d] = 0;
      if (d == 0) break;
    }
    for (size_t i = 0; i < width; i++) {
      uint32_t value = (uint32_t)thimble_requantize((int32_t)sums[i], args->multiplier, args->shift);
      args->out[first + i] = (uint8_t)thimble_clamp((int32_t)(value + (uint32_t)args->output_zero_point), 0, 255);
    }
  }
}
