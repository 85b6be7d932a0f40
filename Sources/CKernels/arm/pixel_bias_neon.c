#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

// Σ of `count` bytes.
static uint32_t sum_bytes(const uint8_t *x, size_t count) {
  uint32x4_t sum = vdupq_n_u32(0);
  for (; count >= 16; count -= 16, x += 16) sum = vpadalq_u16(sum, vpaddlq_u8(vld1q_u8(x)));
  uint32_t total = vaddvq_u32(sum);
  for (size_t k = 0; k < count; k++) total += x[k];
  return total;
}

void thimble_pixel_bias_neon(const thimble_pixel_bias_args *args) {
  for (size_t i = 0; i < args->pixels; i++) {
    uint32_t sum = 0;
    for (size_t r = 0; r < args->run_count; r++)
      sum += sum_bytes(args->runs[r] + (ptrdiff_t)i * args->pixel_stride, args->run_bytes);
    args->out[i] = (int32_t)(0u - (uint32_t)args->weight_zero_point * sum);
  }
}
#endif
