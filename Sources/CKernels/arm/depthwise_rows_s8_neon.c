// Rows of a 3×3 depthwise convolution with 16-bit multiplications.
#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

typedef struct {
  int16x8_t row[4];  // bytes minus 128
} column_of_eight;

typedef struct {
  int16x8_t tap[9];  // weights minus the zero point
  bool has_rest;
} weights_of_eight;

static int32_t load_weights(const thimble_depthwise_rows_args *args, size_t channel, weights_of_eight *e) {
  const int8_t *w = args->weights + channel / 16 * 192 + channel % 16 * 4;
  int8x8_t zero_point = vdup_n_s8((int8_t)args->weight_zero_point);
  for (int t = 0; t < 9; t += 4, w += 64) {
    int8x8x4_t taps = vld4_s8(w);  // [8 channels][4 taps] → 4 vectors of 8 channels
    for (int k = 0; k < 4 && t + k < 9; k++) e->tap[t + k] = vsubl_s8(taps.val[k], zero_point);
  }
  e->has_rest = false;
  return (int32_t)(0u - (uint32_t)args->weight_zero_point * 128 * 9);
}

THIMBLE_INLINE void load_column(const int ROWS, const uint8_t *const rows[4], ptrdiff_t offset, column_of_eight *x) {
  for (int r = 0; r < ROWS + 2; r++) x->row[r] = vreinterpretq_s16_u16(vsubl_u8(vld1_u8(rows[r] + offset), vdup_n_u8(128)));
}

THIMBLE_INLINE void products(
    const int ROWS, const bool HAS_REST, const weights_of_eight *e, const int32x4_t bias[2], const column_of_eight *left,
    const column_of_eight *middle, const column_of_eight *right, int32x4_t acc[4]) {
  (void)HAS_REST;
  const column_of_eight *columns[3] = {left, middle, right};
  for (int r = 0; r < ROWS; r++) {
    if (ROWS == 2) __asm__("" : "+r"(bias));  // a load of both, not two moves
    int32x4_t low = bias[0], high = bias[1];
    for (int c = 0; c < 3; c++) {
      for (int k = 0; k < 3; k++) {
        int16x8_t x = columns[c]->row[r + k], w = e->tap[3 * k + c];
        low = vmlal_s16(low, vget_low_s16(w), vget_low_s16(x));
        high = vmlal_high_s16(high, w, x);
      }
    }
    acc[2 * r] = low;
    acc[2 * r + 1] = high;
  }
}

#define HAS_NO_REST
#include "depthwise_rows_neon.h"

void thimble_depthwise_rows_s8_neon(const thimble_depthwise_rows_args *args) {
  depthwise_rows(args, thimble_depthwise_s8_neon);
}
#endif
