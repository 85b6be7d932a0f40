#include "fixed_point.h"
#include "portable.h"

// for each pixel, for each channel: acc = bias + Σ taps (w − zero point) · x; requantize; store
void thimble_depthwise_s8_portable(const thimble_depthwise_args *args) {
  const thimble_requantization *rq = &args->requantization;
  size_t panel_bytes = (args->tap_count + 3) / 4 * 64;
  for (size_t i = 0; i < args->pixels; i++) {
    ptrdiff_t offset = (ptrdiff_t)i * args->pixel_stride;
    uint8_t *out = args->out + (ptrdiff_t)i * args->out_stride;
    for (size_t c = 0; c < args->channel_count; c++) {
      const int8_t *w = args->weights + c / 16 * panel_bytes + c % 16 * 4;
      const thimble_channels16 *channels = args->channels + c / 16;
      uint32_t acc = (uint32_t)channels->bias[c % 16];
      for (size_t t = 0; t < args->tap_count; t++) {
        int32_t weight = w[t / 4 * 64 + t % 4] - args->weight_zero_point;
        acc += (uint32_t)(weight * (int32_t)args->taps[t][offset + (ptrdiff_t)c]);
      }
      int32_t multiplier = channels->multiplier[c % 16], shift = channels->shift[c % 16];
      int32_t value = rq->rounds_once ? thimble_requantize_once((int32_t)acc, multiplier, shift)
                                      : thimble_requantize((int32_t)acc, multiplier, shift);
      out[c] = (uint8_t)thimble_clamp((int32_t)((uint32_t)value + (uint32_t)rq->zero_point), rq->clamp_min, rq->clamp_max);
    }
  }
}
