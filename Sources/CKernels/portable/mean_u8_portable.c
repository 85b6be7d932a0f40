#include "fixed_point.h"
#include "portable.h"

// for each output: Σ x over the reduced axes; subtract the zero points; requantize; clamp
void thimble_mean_u8_portable(const thimble_mean_args *args) {
  for (size_t i = 0; i < args->kept_count; i++) {
    const uint8_t *input = args->input + (ptrdiff_t)i * args->kept_stride;
    size_t index[THIMBLE_RANK_MAX] = {0};
    uint32_t sum = 0;
    for (;;) {
      ptrdiff_t offset = 0;
      for (size_t d = 0; d < args->reduced_rank; d++) offset += (ptrdiff_t)index[d] * args->reduced_strides[d];
      sum += (uint32_t)((int32_t)input[offset] - args->input_zero_point);
      size_t d = args->reduced_rank;
      while (d > 0 && ++index[d - 1] == args->reduced_extents[d - 1]) index[--d] = 0;
      if (d == 0) break;
    }
    uint32_t value = (uint32_t)thimble_requantize((int32_t)sum, args->multiplier, args->shift);
    args->out[i] = (uint8_t)thimble_clamp((int32_t)(value + (uint32_t)args->output_zero_point), 0, 255);
  }
}
