#include "fixed_point.h"
#include "portable.h"

enum { BLOCK = 64 };

// sum / count, rounded half away from zero. count > 0; a window has at most 2^14 taps.
static int32_t rounded_quotient(int32_t sum, int32_t count) { return (sum > 0 ? sum + count / 2 : sum - count / 2) / count; }

// for each block of channels: the sum or the maximum over the window, then clamp
void thimble_pool_u8_portable(const thimble_pool_args *args) {
  int32_t count = (int32_t)(args->rows * args->columns);
  int32_t offset = args->rounds_signed ? 128 : 0;
  for (size_t first = 0; first < args->channel_count; first += BLOCK) {
    size_t width = args->channel_count - first < BLOCK ? args->channel_count - first : BLOCK;
    uint32_t results[BLOCK] = {0};
    for (size_t y = 0; y < args->rows; y++)
      for (size_t x = 0; x < args->columns; x++) {
        const uint8_t *tap = args->first_tap + (ptrdiff_t)y * args->row_stride + (ptrdiff_t)x * args->column_stride + first;
        if (args->is_average)
          for (size_t c = 0; c < width; c++) results[c] += tap[c];
        else
          for (size_t c = 0; c < width; c++) results[c] = tap[c] > results[c] ? tap[c] : results[c];
      }
    for (size_t c = 0; c < width; c++) {
      int32_t value = (int32_t)results[c];
      if (args->is_average) value = rounded_quotient(value - offset * count, count) + offset;
      args->out[first + c] = (uint8_t)thimble_clamp(value, args->clamp_min, args->clamp_max);
    }
  }
}
