#include "portable.h"
#pragma STDC FP_CONTRACT OFF

void thimble_dequantize_u8_portable(const uint8_t *in, float scale, int32_t zero_point, float *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = scale * (float)((int32_t)in[i] - zero_point);
}
