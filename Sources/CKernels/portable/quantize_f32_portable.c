#include "portable.h"
#pragma STDC FP_CONTRACT OFF

// x rounded half away from zero, for |x| < 2²² (larger floats do not come here).
static int32_t round_half_away(float x) {
  int32_t truncated = (int32_t)x;
  float fraction = x - (float)truncated;  // exact
  return truncated + (fraction >= 0.5f) - (fraction <= -0.5f);
}

// out = clamp(round(x / scale) + zero point); the quotient is limited first, so that every float converts
void thimble_quantize_f32_portable(const float *in, float scale, int32_t zero_point, uint8_t *out, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float quotient = in[i] / scale;
    int32_t value = 0;
    if (quotient >= 1024.0f)
      value = 1024;
    else if (quotient <= -1024.0f)
      value = -1024;
    else if (quotient == quotient)
      value = round_half_away(quotient);
    value += zero_point;
    out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
  }
}
