#include "portable.h"

// for each position: the first index whose byte beats all before it
void thimble_arg_extreme_u8_portable(const thimble_arg_extreme_args *args) {
  for (size_t o = 0; o < args->outer; o++) {
    const uint8_t *input = args->input + o * args->extent * args->inner;
    for (size_t i = 0; i < args->inner; i++) {
      uint8_t best = input[i];
      size_t index = 0;
      for (size_t k = 1; k < args->extent; k++) {
        uint8_t value = input[k * args->inner + i];
        if (args->takes_minimum ? value < best : value > best) {
          best = value;
          index = k;
        }
      }
      if (args->index_byte_count == 4)
        ((int32_t *)args->out)[o * args->inner + i] = (int32_t)index;
      else
        ((int64_t *)args->out)[o * args->inner + i] = (int64_t)index;
    }
  }
}
