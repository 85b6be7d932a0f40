// Rows of a 3×3 depthwise convolution by dot products of a column, for the two instruction sets that have them.
//
// for each 8 channels: for each output row, or pair of rows that share their input:
//   for each output pixel: interleave the columns that are new: a lane holds 4 rows of one channel (4 zips a column)
//     acc[row][j] = bias + left · w₀ + middle · w₁ + right · w₂      weights (a b c 0) for the first row, (0 a b c) for the second
//     requantize, store
// A column serves as the right, the middle and the left one of three outputs (of two at stride 2).
//
// The including file defines
//   BYTES            the vector type of activations
//   SIGN(bytes)      16 activations from 16 bytes: each minus BYTES_OFFSET
//   DOT(acc, w, x)   acc + Σ of 4 products w · x in each lane
#include "requantize_neon.h"

// Per-channel numbers of 8 channels in the order that the products want.
typedef struct {
  int8x16_t weights[2][3][2];  // [row][column][half of the channels]
  int32x4_t bias[2];
  // A number that was taken off every weight so that it fits 8 bits: what every product with 1 counts for.
  int8x16_t rest[2];
  bool has_rest;
  thimble_factors_neon factors[2];
} eight_channels;

// What is the same for all channels.
typedef struct {
  const thimble_depthwise_rows_args *args;
  thimble_output_neon output;
  size_t inside;  // output pixels from the left whose right column is in the picture
} picture;

static void load_eight(const thimble_depthwise_rows_args *args, size_t channel, eight_channels *e) {
  // Taps 0–3, 4–7, 8 of a channel lie at 4·channel in three vectors; column c wants the taps c, 3 + c, 6 + c and a zero.
  static const uint8_t places[2][3][16] = {
      {{0, 3, 18, 255, 4, 7, 22, 255, 8, 11, 26, 255, 12, 15, 30, 255},
       {1, 16, 19, 255, 5, 20, 23, 255, 9, 24, 27, 255, 13, 28, 31, 255},
       {2, 17, 32, 255, 6, 21, 36, 255, 10, 25, 40, 255, 14, 29, 44, 255}},
      {{255, 0, 3, 18, 255, 4, 7, 22, 255, 8, 11, 26, 255, 12, 15, 30},
       {255, 1, 16, 19, 255, 5, 20, 23, 255, 9, 24, 27, 255, 13, 28, 31},
       {255, 2, 17, 32, 255, 6, 21, 36, 255, 10, 25, 40, 255, 14, 29, 44}},
  };
  const int8_t *w = args->weights + channel / 16 * 192 + channel % 16 * 4;
  const thimble_channels16 *channels = args->channels + channel / 16;
  int first = (int)(channel % 16), rest = 0;
  if (args->weight_zero_point != 0) {
    // Weights minus the zero point span at most 255: a number in the middle of what they span brings them into 8 bits.
    int8x16_t low = vld1q_s8(w), high = low;
    for (int i = 0; i < 6; i++) {
      int8x16_t x = vld1q_s8(w + i / 2 * 64 + i % 2 * 16);
      // Unused taps of the last group are zeros, which must not count.
      if (i >= 4) x = vreinterpretq_s8_s32(vmulq_n_s32(vreinterpretq_s32_u32(vandq_u32(vreinterpretq_u32_s8(x), vdupq_n_u32(255))), 0x01010101));
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
  int32x4_t offset = vdupq_n_s32((int32_t)(0u - (uint32_t)args->weight_zero_point * BYTES_OFFSET * 9));
  for (int j = 0; j < 2; j++) {
    int8x16x3_t packed;
    for (int i = 0; i < 3; i++) packed.val[i] = vsubq_s8(vld1q_s8(w + 64 * i + 16 * j), taken);
    for (int r = 0; r < 2; r++)
      for (int c = 0; c < 3; c++) e->weights[r][c][j] = vqtbl3q_s8(packed, vld1q_u8(places[r][c]));
    e->bias[j] = vaddq_s32(vld1q_s32(channels->bias + first + 4 * j), offset);
    e->factors[j] = thimble_factors_of(channels, first + 4 * j);
  }
}

// A column of 4 rows, or of 3 and any fourth, whose weights are zero.
THIMBLE_INLINE void load_column(const int ROWS, const uint8_t *const rows[4], ptrdiff_t offset, BYTES x[2]) {
  uint8x8_t a = vld1_u8(rows[0] + offset), b = vld1_u8(rows[1] + offset);
  uint8x8_t c = vld1_u8(rows[2] + offset), d = ROWS == 1 ? c : vld1_u8(rows[3] + offset);
  uint8x16_t ac = __builtin_shufflevector(a, c, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
  uint8x16_t bd = __builtin_shufflevector(b, d, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
  x[0] = SIGN(vzip1q_u8(ac, bd));
  x[1] = SIGN(vzip2q_u8(ac, bd));
}

// One output pixel of `ROWS` rows.
THIMBLE_INLINE void finish_pixel(
    const int ROWS, const bool IS_PLAIN, const bool HAS_REST, const picture *p, const eight_channels *e, const BYTES left[2],
    const BYTES middle[2], const BYTES right[2], uint8_t *const out[2], ptrdiff_t offset, size_t count) {
  int32x4_t acc[4];
  for (int r = 0; r < ROWS; r++) {
    for (int j = 0; j < 2; j++) {
      int32x4_t sum = DOT(e->bias[j], e->weights[r][0][j], left[j]);
      sum = DOT(sum, e->weights[r][1][j], middle[j]);
      sum = DOT(sum, e->weights[r][2][j], right[j]);
      if (HAS_REST) sum = DOT(DOT(DOT(sum, e->rest[r], left[j]), e->rest[r], middle[j]), e->rest[r], right[j]);
      acc[2 * r + j] = sum;
    }
  }
  if (ROWS == 1) acc[2] = acc[0], acc[3] = acc[1];
  uint8x16_t bytes;
  const thimble_factors_neon factors[4] = {e->factors[0], e->factors[1], e->factors[0], e->factors[1]};
  if (IS_PLAIN) {
    bytes = thimble_bytes16(acc, factors, p->output, THIMBLE_PLAIN);
    vst1_u8(out[0] + offset, vget_low_u8(bytes));
    if (ROWS == 2) vst1_u8(out[1] + offset, vget_high_u8(bytes));
    return;
  }
  bytes = p->output.rounding > THIMBLE_BOUNDED ? thimble_rare_bytes16(acc[0], acc[1], acc[2], acc[3], factors, &p->output)
                                               : thimble_bytes16(acc, factors, p->output, THIMBLE_BOUNDED);
  thimble_store8(out[0] + offset, vget_low_u8(bytes), count);
  if (ROWS == 2) thimble_store8(out[1] + offset, vget_high_u8(bytes), count);
}

// `ROWS` output rows of 8 channels, `count` of which are stored. `rows` and `out` stand at the first of the channels.
THIMBLE_INLINE void slide(
    const int ROWS, const int STRIDE, const bool IS_PLAIN, const bool HAS_REST, const picture *p, const eight_channels *source,
    const uint8_t *const source_rows[4], uint8_t *const targets[2], const uint8_t *outside, size_t count) {
  const thimble_depthwise_rows_args *args = p->args;
  const eight_channels e = *source;
  const uint8_t *const beside[4] = {outside, outside, outside, outside};
  const ptrdiff_t step = args->pixel_stride;
  const size_t width = args->input_width, inside = p->inside;
  // Copies, which stores of bytes do not change.
  const uint8_t *const rows[4] = {source_rows[0], source_rows[1], source_rows[2], source_rows[3]};
  uint8_t *const out[2] = {targets[0], targets[1]};
  BYTES x[3][2];
#define LOAD(column, to)                                                               \
  do {                                                                                 \
    ptrdiff_t at = (column);                                                           \
    if ((size_t)at < width) load_column(ROWS, rows, at * step, to);                          \
    else load_column(ROWS, beside, 0, to);                                                   \
  } while (0)
#define TURN(left, middle, right)                                                                             \
  if (STRIDE == 2) load_column(ROWS, rows, in + step, x[middle]);                                                   \
  load_column(ROWS, rows, in + 2 * step, x[right]);                                                                 \
  finish_pixel(ROWS, IS_PLAIN, HAS_REST, p, &e, x[left], x[middle], x[right], out, to, count);                \
  in += STRIDE * step;                                                                                        \
  to += step;
  ptrdiff_t column = -(ptrdiff_t)args->padding, to = 0;
  LOAD(column, x[0]);
  if (STRIDE == 1) LOAD(column + 1, x[1]);
  ptrdiff_t in = column * step;
  size_t pixel = 0;
  if (STRIDE == 1) {
    for (; pixel + 3 <= inside; pixel += 3) {
      TURN(0, 1, 2)
      TURN(1, 2, 0)
      TURN(2, 0, 1)
    }
  } else {
    for (; pixel + 2 <= inside; pixel += 2) {
      TURN(0, 1, 2)
      TURN(2, 1, 0)
    }
  }
  for (column += (ptrdiff_t)pixel * STRIDE; pixel < args->output_width; pixel++, column += STRIDE, to += step) {
    if (STRIDE == 2) LOAD(column + 1, x[1]);
    LOAD(column + 2, x[2]);
    finish_pixel(ROWS, IS_PLAIN, HAS_REST, p, &e, x[0], x[1], x[2], out, to, count);
    for (int j = 0; j < 2; j++) {
      x[0][j] = x[STRIDE][j];
      x[1][j] = x[2][j];
    }
  }
#undef LOAD
#undef TURN
}

#define SLIDE(ROWS, STRIDE, KIND, IS_PLAIN, HAS_REST)                                                                       \
  static __attribute__((noinline)) void slide_##ROWS##_##STRIDE##_##KIND(                                                   \
      const picture *p, const eight_channels *e, const uint8_t *const rows[4], uint8_t *const out[2],                       \
      const uint8_t *outside, size_t count) {                                                                               \
    slide(ROWS, STRIDE, IS_PLAIN, HAS_REST, p, e, rows, out, outside, count);                                               \
  }
#define SLIDES(ROWS, STRIDE)                     \
  SLIDE(ROWS, STRIDE, plain, true, false)        \
  SLIDE(ROWS, STRIDE, plain_rest, true, true)    \
  SLIDE(ROWS, STRIDE, any, false, false)         \
  SLIDE(ROWS, STRIDE, any_rest, false, true)
SLIDES(1, 1)
SLIDES(2, 1)
SLIDES(1, 2)
typedef void slide_function(
    const picture *, const eight_channels *, const uint8_t *const[4], uint8_t *const[2], const uint8_t *, size_t);

THIMBLE_INLINE void depthwise_rows_dot(
    const thimble_depthwise_rows_args *args, void (*depthwise)(const thimble_depthwise_args *)) {
  // What is taken off weights with the zero point −128 may be 128.
  if (args->kernel_height != 3 || args->kernel_width != 3 || args->dilation != 1 ||
      (args->stride != 1 && args->stride != 2) || args->padding + args->stride > 3 || args->weight_zero_point == -128) {
    thimble_depthwise_rows_by_taps(args, depthwise);
    return;
  }
  static slide_function *const slides[3][4] = {
      {slide_1_1_plain, slide_1_1_plain_rest, slide_1_1_any, slide_1_1_any_rest},
      {slide_2_1_plain, slide_2_1_plain_rest, slide_2_1_any, slide_2_1_any_rest},
      {slide_1_2_plain, slide_1_2_plain_rest, slide_1_2_any, slide_1_2_any_rest},
  };
  size_t room = args->input_width + args->padding;
  picture p = {
      .args = args,
      .output = thimble_output_of(&args->requantization),
      .inside = room < 3 ? 0 : thimble_minimum((room - 3) / args->stride + 1, args->output_width),
  };
  for (size_t channel = 0; channel < args->channel_count; channel += 8) {
    eight_channels e;
    load_eight(args, channel, &e);
    size_t count = args->channel_count - channel;
    int kind = (p.output.rounding != THIMBLE_PLAIN || count < 8) * 2 + e.has_rest;
    for (size_t r = 0, done; r < args->row_count; r += done) {
      const uint8_t *const *row = args->rows + 3 * r;
      bool is_pair = args->stride == 1 && r + 1 < args->row_count && row[3] == row[1] && row[4] == row[2];
      done = is_pair ? 2 : 1;
      const uint8_t *rows[4] = {row[0] + channel, row[1] + channel, row[2] + channel, row[is_pair ? 5 : 2] + channel};
      uint8_t *out[2] = {args->out[r] + channel, args->out[r + done - 1] + channel};
      slides[args->stride == 2 ? 2 : done - 1][kind](&p, &e, rows, out, args->outside + channel, count);
    }
  }
}
