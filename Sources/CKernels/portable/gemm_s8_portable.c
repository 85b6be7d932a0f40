#include "fixed_point.h"
#include "portable.h"

// for each pixel, for each channel: acc = bias + Σ runs Σ groups Σ 4 bytes; requantize; store
void thimble_gemm_s8_portable(const thimble_gemm_args *args) {
  const thimble_requantization *rq = &args->requantization;
  size_t panel_bytes = args->run_count * args->groups * 64;
  for (size_t i = 0; i < args->pixels; i++) {
    ptrdiff_t offset = (ptrdiff_t)i * args->pixel_stride;
    uint8_t *out = args->out + (ptrdiff_t)i * args->out_stride;
    for (size_t n = 0; n < args->out_channels; n++) {
      const int8_t *w = args->weights + n / 16 * panel_bytes + n % 16 * 4;
      const thimble_channels16 *channels = args->channels + n / 16;
      uint32_t acc = (uint32_t)channels->bias[n % 16];  // unsigned: wraps as the vector forms do
      if (args->pixel_bias) acc += (uint32_t)args->pixel_bias[i];
      for (size_t r = 0; r < args->run_count; r++) {
        const uint8_t *x = args->runs[r] + offset;
        for (size_t g = 0; g < args->groups; g++, w += 64, x += 4)
          for (int k = 0; k < 4; k++) acc += (uint32_t)((int32_t)x[k] * w[k]);
      }
      int32_t multiplier = channels->multiplier[n % 16], shift = channels->shift[n % 16];
      int32_t value = rq->rounds_once ? thimble_requantize_once((int32_t)acc, multiplier, shift)
                                      : thimble_requantize((int32_t)acc, multiplier, shift);
      out[n] = (uint8_t)thimble_clamp((int32_t)((uint32_t)value + (uint32_t)rq->zero_point), rq->clamp_min, rq->clamp_max);
    }
  }
}

void thimble_pixel_bias_portable(const thimble_pixel_bias_args *args) {
  for (size_t i = 0; i < args->pixels; i++) {
    uint32_t sum = 0;
    for (size_t r = 0; r < args->run_count; r++) {
      const uint8_t *x = args->runs[r] + (ptrdiff_t)i * args->pixel_stride;
      for (size_t k = 0; k < args->run_bytes; k++) sum += x[k];
    }
    args->out[i] = (int32_t)(0u - (uint32_t)args->weight_zero_point * sum);
  }
}
