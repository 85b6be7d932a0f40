// Rows of a 3×3 depthwise convolution by dot products of a column, for the two instruction sets that have them: columns are
// interleaved so that a lane holds 4 rows of one channel (4 zips); the weights (a b c 0) then give the first row of a pair and
// (0 a b c) the second.
//
// The including file defines
//   BYTES            the vector type of activations
//   SIGN(bytes)      16 activations from 16 bytes: each minus BYTES_OFFSET
//   DOT(acc, w, x)   acc + Σ of 4 products w · x in each lane
#include "requantize_neon.h"

typedef struct {
  BYTES half[2];
} column_of_eight;

typedef struct {
  int8x16_t weights[2][3][2];  // [row][column][half of the channels]
  // A number that was taken off every weight so that it fits 8 bits: what every product with 1 counts for.
  int8x16_t rest[2];
  bool has_rest;
} weights_of_eight;

static int32_t load_weights(const thimble_depthwise_rows_args *args, size_t channel, weights_of_eight *e) {
  // Taps 0–3, 4–7, 8 of a channel lie at 4·channel in three vectors; column c wants the taps c, 3 + c, 6 + c and a zero.
  static const uint8_t places[2][3][16] = {
      {{0, 3, 18, 255, 4, 7, 22, 255, 8, 11, 26, 255, 12, 15, 30, 255},
       {1, 16, 19, 255, 5, 20, 23, 255, 9, 24, 27, 255, 13, 28, 31, 255},
       {2, 17, 32, 255, 6, 21, 36, 255, 10, 25, 40, 255, 14, 29, 44, 255}},
      {{255, 0, 3, 18, 255, 4, 7, 22, 255, 8, 11, 26, 255, 12, 15, 30},
       {255, 1, 16, 19, 255, 5, 20, 23, 255, 9, 24, 27, 255, 13, 28, 31},
       {255, 2, 17, 32, 255, 6, 21, 36, 255, 10, 25, 40, 255, 14, 29, 44}},
  };
  static const uint8_t firsts[16] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};
  const int8_t *w = args->weights + channel / 16 * 192 + channel % 16 * 4;
  int32_t rest = 0;
  if (args->weight_zero_point != 0) {
    // Weights minus the zero point span at most 255: a number in the middle of what they span brings them into 8 bits.
    int8x16_t low = vld1q_s8(w), high = low;
    for (int i = 0; i < 6; i++) {
      int8x16_t x = vld1q_s8(w + i / 2 * 64 + i % 2 * 16);
      // Unused taps of the last group are zeros, which must not count.
      if (i >= 4) x = vqtbl1q_s8(x, vld1q_u8(firsts));
      low = vminq_s8(low, x);
      high = vmaxq_s8(high, x);
    }
    int32_t least = vminvq_s8(low) - args->weight_zero_point, most = vmaxvq_s8(high) - args->weight_zero_point;
    if (least < -128) rest = least + 128;
    if (most > 127) rest = most - 127;
  }
  e->has_rest = rest != 0;
  e->rest[0] = vreinterpretq_s8_u32(vdupq_n_u32((uint8_t)rest * 0x010101u));
  e->rest[1] = vreinterpretq_s8_u32(vdupq_n_u32((uint8_t)rest * 0x01010100u));
  // Wraps in 8 bits to the difference, which fits.
  int8x16_t taken = vdupq_n_s8((int8_t)(uint8_t)(args->weight_zero_point + rest));
  for (int j = 0; j < 2; j++) {
    int8x16x3_t packed;
    for (int i = 0; i < 3; i++) packed.val[i] = vsubq_s8(vld1q_s8(w + 64 * i + 16 * j), taken);
    for (int r = 0; r < 2; r++)
      for (int c = 0; c < 3; c++) e->weights[r][c][j] = vqtbl3q_s8(packed, vld1q_u8(places[r][c]));
  }
  return (int32_t)(0u - (uint32_t)args->weight_zero_point * BYTES_OFFSET * 9);
}

// A column of 4 rows, or of 3 and any fourth, whose weights are zero.
THIMBLE_INLINE void load_column(const int ROWS, const uint8_t *const rows[4], ptrdiff_t offset, column_of_eight *x) {
  uint8x8_t a = vld1_u8(rows[0] + offset), b = vld1_u8(rows[1] + offset);
  uint8x8_t c = vld1_u8(rows[2] + offset), d = ROWS == 1 ? c : vld1_u8(rows[3] + offset);
  uint8x16_t ac = __builtin_shufflevector(a, c, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
  uint8x16_t bd = __builtin_shufflevector(b, d, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
  x->half[0] = SIGN(vzip1q_u8(ac, bd));
  x->half[1] = SIGN(vzip2q_u8(ac, bd));
}

THIMBLE_INLINE void products(
    const int ROWS, const bool HAS_REST, const weights_of_eight *e, const int32x4_t bias[2], const column_of_eight *left,
    const column_of_eight *middle, const column_of_eight *right, int32x4_t acc[4]) {
  for (int r = 0; r < ROWS; r++) {
    if (ROWS == 2) __asm__("" : "+r"(bias));  // a load of both, not two moves
    for (int j = 0; j < 2; j++) {
      int32x4_t sum = DOT(bias[j], e->weights[r][0][j], left->half[j]);
      sum = DOT(sum, e->weights[r][1][j], middle->half[j]);
      sum = DOT(sum, e->weights[r][2][j], right->half[j]);
      if (HAS_REST)
        sum = DOT(DOT(DOT(sum, e->rest[r], left->half[j]), e->rest[r], middle->half[j]), e->rest[r], right->half[j]);
      acc[2 * r + j] = sum;
    }
  }
}

#include "depthwise_rows_neon.h"
