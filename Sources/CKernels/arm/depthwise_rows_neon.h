// Rows of a 3×3 depthwise convolution, 8 channels at a time.
//
// for each 8 channels: for each output row, or pair of rows that share their input:
//   for each output pixel: load the columns that are new, add products to acc[row][half of the channels], requantize, store
// A column serves as the right, the middle and the left one of three outputs (of two at stride 2).
//
// The including file defines
//   column_of_eight                                   3 or 4 rows of a column
//   weights_of_eight                                  a member `has_rest`, true where products take a longer way
//   load_column(ROWS, rows, offset, column)
//   load_weights(args, channel, weights)              returns what is added to every bias
//   products(ROWS, HAS_REST, weights, bias, left, middle, right, acc)
#include "requantize_neon.h"

typedef struct {
  weights_of_eight weights;
  int32x4_t bias[2];
  thimble_rounding_neon rounding;
  thimble_factors_neon factors[2];
} eight_channels;

// What is the same for all channels.
typedef struct {
  const thimble_depthwise_rows_args *args;
  thimble_output_neon output;
  size_t inside;  // output pixels from the left whose right column is in the picture
  size_t paired;  // rows from the first that come in pairs
} picture;

// One output pixel of `ROWS` rows.
THIMBLE_INLINE void finish_pixel(
    const int ROWS, const bool IS_PLAIN, const bool HAS_REST, const picture *p, const eight_channels *e,
    const int32x4_t *bias, const column_of_eight *left, const column_of_eight *middle, const column_of_eight *right, uint8_t *const out[2],
    ptrdiff_t offset, size_t count) {
  int32x4_t acc[4];
  products(ROWS, HAS_REST, &e->weights, bias, left, middle, right, acc);
  if (ROWS == 1) acc[2] = acc[0], acc[3] = acc[1];
  uint8x16_t bytes;
  const thimble_factors_neon factors[4] = {e->factors[0], e->factors[1], e->factors[0], e->factors[1]};
  if (IS_PLAIN) {
    bytes = thimble_bytes16(acc, factors, p->output, THIMBLE_PLAIN);
    vst1_u8(out[0] + offset, vget_low_u8(bytes));
    if (ROWS == 2) vst1_u8(out[1] + offset, vget_high_u8(bytes));
    return;
  }
  if (e->rounding >= THIMBLE_ONCE) {
    thimble_output_neon output = p->output;
    output.rounding = e->rounding;
    bytes = thimble_rare_bytes16(acc[0], acc[1], acc[2], acc[3], factors, &output);
  } else {
    bytes = thimble_bytes16(acc, factors, p->output, THIMBLE_BOUNDED);
  }
  thimble_store8(out[0] + offset, vget_low_u8(bytes), count);
  if (ROWS == 2) thimble_store8(out[1] + offset, vget_high_u8(bytes), count);
}

// One row, or a pair of rows.
THIMBLE_INLINE void slide_row(
    const int ROWS, const int STRIDE, const bool IS_PLAIN, const bool HAS_REST, const picture *p, const eight_channels *e,
    const int32x4_t *bias, const uint8_t *const rows[4], uint8_t *const out[2], const uint8_t *const beside[4], const ptrdiff_t step,
    const size_t width, const size_t inside, const size_t count) {
  const thimble_depthwise_rows_args *args = p->args;
  column_of_eight x[3];
#define LOAD(column, to)                                            \
  do {                                                              \
    ptrdiff_t at = (column);                                        \
    if ((size_t)at < width) load_column(ROWS, rows, at * step, &to); \
    else load_column(ROWS, beside, 0, &to);                         \
  } while (0)
// The next column. Were the offset not hidden, compilers would keep a pointer a row and column instead of one for all.
#define NEXT(to)                         \
  in += step;                            \
  __asm__("" : "+r"(in));                \
  load_column(ROWS, rows, in, &x[to]);
#define TURN(left, middle, right)                                                                \
  if (STRIDE == 2) { NEXT(middle) }                                                              \
  NEXT(right)                                                                                    \
  finish_pixel(ROWS, IS_PLAIN, HAS_REST, p, e, bias, &x[left], &x[middle], &x[right], out, to, count); \
  to += step;                                                                                    \
  __asm__("" : "+r"(to));
  ptrdiff_t column = -(ptrdiff_t)args->padding, to = 0;
  LOAD(column, x[0]);
  if (STRIDE == 1) LOAD(column + 1, x[1]);
  ptrdiff_t in = (column + 2 - STRIDE) * step;  // of the last column that was loaded
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
    finish_pixel(ROWS, IS_PLAIN, HAS_REST, p, e, bias, &x[0], &x[1], &x[2], out, to, count);
    x[0] = x[STRIDE];
    x[1] = x[2];
  }
#undef LOAD
#undef NEXT
#undef TURN
}

// The output rows `row` … `end` − 1 of the 8 channels from `channel`, ROWS at a time.
THIMBLE_INLINE void slide(
    const int ROWS, const int STRIDE, const bool IS_PLAIN, const bool HAS_REST, const picture *p, const eight_channels *source,
    size_t channel, size_t row, const size_t end) {
  const thimble_depthwise_rows_args *args = p->args;
  const eight_channels e = *source;
  const uint8_t *const outside = args->outside + channel;
  const uint8_t *const beside[4] = {outside, outside, outside, outside};
  const ptrdiff_t step = args->pixel_stride;
  const size_t width = args->input_width, inside = p->inside, count = args->channel_count - channel;
  for (; row < end; row += (size_t)ROWS) {
    // Copies, which stores of bytes do not change.
    const uint8_t *const *windows = args->rows + 3 * row;
    const uint8_t *const rows[4] = {
        windows[0] + channel, windows[1] + channel, windows[2] + channel, windows[ROWS == 2 ? 5 : 2] + channel};
    uint8_t *const out[2] = {args->out[row] + channel, args->out[row + (size_t)ROWS - 1] + channel};
    slide_row(ROWS, STRIDE, IS_PLAIN, HAS_REST, p, &e, source->bias, rows, out, beside, step, width, inside, count);
  }
}

#define SLIDE(ROWS, STRIDE, KIND, IS_PLAIN, HAS_REST)                                              \
  static __attribute__((noinline)) void slide_##ROWS##_##STRIDE##_##KIND(                          \
      const picture *p, const eight_channels *e, size_t channel, size_t row, size_t end) {         \
    slide(ROWS, STRIDE, IS_PLAIN, HAS_REST, p, e, channel, row, end);                              \
  }
#ifdef HAS_NO_REST
#define SLIDES_WITH_REST(ROWS, STRIDE)
#define FORMS(NAME) {NAME##_plain, NAME##_plain, NAME##_any, NAME##_any}
#else
#define SLIDES_WITH_REST(ROWS, STRIDE)           \
  SLIDE(ROWS, STRIDE, plain_rest, true, true)    \
  SLIDE(ROWS, STRIDE, any_rest, false, true)
#define FORMS(NAME) {NAME##_plain, NAME##_plain_rest, NAME##_any, NAME##_any_rest}
#endif
#define SLIDES(ROWS, STRIDE)                     \
  SLIDE(ROWS, STRIDE, plain, true, false)        \
  SLIDE(ROWS, STRIDE, any, false, false)         \
  SLIDES_WITH_REST(ROWS, STRIDE)
SLIDES(1, 1)
SLIDES(2, 1)
SLIDES(1, 2)
typedef void slide_function(const picture *, const eight_channels *, size_t, size_t, size_t);

enum { CHANNELS_AT_ONCE = 64, CACHED_BYTES = 40 * 1024 };

static void load_eight(const thimble_depthwise_rows_args *args, size_t channel, eight_channels *e) {
  const thimble_channels16 *channels = args->channels + channel / 16;
  int32x4_t offset = vdupq_n_s32(load_weights(args, channel, &e->weights));
  for (size_t j = 0; j < 2; j++) {
    size_t first = channel % 16 + 4 * j;
    e->bias[j] = vaddq_s32(vld1q_s32(channels->bias + first), offset);
    e->factors[j] = thimble_factors_of(channels, (int)first);
  }
  e->rounding = thimble_rounding_of(&args->requantization, e->factors, 2);
}

THIMBLE_INLINE void depthwise_rows(
    const thimble_depthwise_rows_args *args, void (*depthwise)(const thimble_depthwise_args *)) {
  // What is taken off weights with the zero point −128 may be 128.
  if (args->kernel_height != 3 || args->kernel_width != 3 || args->dilation != 1 ||
      (args->stride != 1 && args->stride != 2) || args->padding + args->stride > 3 || args->weight_zero_point == -128) {
    thimble_depthwise_rows_by_taps(args, depthwise);
    return;
  }
  static slide_function *const slides[3][4] = {
      FORMS(slide_1_1), FORMS(slide_2_1), FORMS(slide_1_2)
  };
  size_t reach = args->input_width + args->padding;
  picture p = {
      .args = args,
      .output = thimble_output_of(&args->requantization),
      .inside = reach < 3 ? 0 : thimble_minimum((reach - 3) / args->stride + 1, args->output_width),
  };
  if (args->stride == 1) {
    for (const uint8_t *const *row = args->rows; p.paired + 1 < args->row_count; p.paired += 2, row += 6)
      if (row[3] != row[1] || row[4] != row[2]) break;
  }
  // Rows of a block: those that it reads and writes of a line's channels stay in the first cache until all channels are done.
  size_t bytes = thimble_minimum(args->channel_count, CHANNELS_AT_ONCE);
  size_t room = CACHED_BYTES / bytes, beside = 2 * args->input_width;
  size_t block = room > beside ? (room - beside) / (args->stride * args->input_width + args->output_width) / 2 * 2 : 0;
  if (block < 2) block = 2;
  eight_channels e[CHANNELS_AT_ONCE / 8];
  for (size_t first = 0; first < args->channel_count; first += CHANNELS_AT_ONCE) {
    size_t eights = (thimble_minimum(args->channel_count - first, CHANNELS_AT_ONCE) + 7) / 8;
    for (size_t k = 0; k < eights; k++) load_eight(args, first + 8 * k, &e[k]);
    for (size_t row = 0, end; row < args->row_count; row = end) {
      const bool is_paired = row < p.paired;
      end = thimble_minimum(row + block, is_paired ? p.paired : args->row_count);
      for (size_t k = 0; k < eights; k++) {
        size_t channel = first + 8 * k;
        int kind = (e[k].rounding != THIMBLE_PLAIN || args->channel_count - channel < 8) * 2 + e[k].weights.has_rest;
        slides[args->stride == 2 ? 2 : is_paired][kind](&p, &e[k], channel, row, end);
      }
    }
  }
}
