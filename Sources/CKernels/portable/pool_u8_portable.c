#include "fixed_point.h"
#include "portable.h"

// sum / count, rounded half away from zero. count > 0.
static int64_t rounded_quotient(int64_t sum, int64_t count) {
  return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

// for each channel: the sum or the maximum over the window, then clamp
void thimble_pool_u8_portable(const thimble_pool_args *args) {
  int64_t count = (int64_t)args->rows * (int64_t)args->columns;
  int64_t offset = args->rounds_signed ? 128 : 0;
  for (size_t c = 0; c < args->channel_count; c++) {
    int64_t sum = 0;
    uint8_t maximum = 0;
    for (size_t y = 0; y < args->rows; y++)
      for (size_t x = 0; x < args->columns; x++) {
        uint8_t value = args->first_tap[(ptrdiff_t)y * args->row_stride + (ptrdiff_t)x * args->column_stride + (ptrdiff_t)c];
        sum += value;
        if (value > maximum) maximum = value;
      }
    int32_t value = maximum;
    if (args->is_average) value = (int32_t)(rounded_quotient(sum - offset * count, count) + offset);
    args->out[c] = (uint8_t)thimble_clamp(value, args->clamp_min, args->clamp_max);
  }
}
