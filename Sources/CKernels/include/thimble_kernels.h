// Microkernels: one operator × one instruction set a file, found through one table an instruction set.
//
// Activations are unsigned bytes (int8 tensors are stored plus 128), NHWC, channels unpadded. Every buffer is followed by at
// least THIMBLE_SLACK_BYTES readable bytes, so kernels may read, never write, past a tensor's end. Arguments have been
// checked when the plan was made; kernels trust them.
//
// The portable table is complete, naive and the reference; every other table gives the same bytes.
#ifndef THIMBLE_KERNELS_H
#define THIMBLE_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nullable
#endif

enum { THIMBLE_SLACK_BYTES = 64, THIMBLE_PANEL_CHANNELS = 16, THIMBLE_RANK_MAX = 8 };

// Per-channel numbers of one panel of 16 output channels. shift: right shift after the multiplication, negative = left before.
typedef struct {
  int32_t bias[16];
  int32_t multiplier[16];
  int32_t shift[16];
} thimble_channels16;

// What follows the accumulation: out = clamp(round(acc · multiplier / 2³¹ · 2^−shift) + zero_point, min, max), rounded twice
// as `MultiplyByQuantizedMultiplier` does, or once: ⌊(acc · multiplier + 2^(30 + shift)) / 2^(31 + shift)⌋.
typedef struct {
  int32_t zero_point;
  uint8_t clamp_min;
  uint8_t clamp_max;
  // Every |acc| < 2³⁰ and every shift is in 1…thimble_bounded_shift_max(): 64-bit vector forms cannot overflow.
  bool is_bounded;
  bool rounds_once;
} thimble_requantization;

// The largest shift for which (2 · zero_point + 1) · 2^(31 + shift) < 2⁶². zero_point in 0…255.
static inline int32_t thimble_bounded_shift_max(int32_t zero_point) {
  return __builtin_clz(2 * (uint32_t)zero_point + 1) - 1;
}

// out[i][n] = requantize(bias[n] + pixel_bias[i] + Σ_r Σ_k runs[r][i·pixel_stride + k] · w[n][r][k])
// for pixels i, channels n of `panels` panels of 16, runs r of 4·groups bytes each.
typedef struct {
  const uint8_t *_Nonnull const *_Nonnull runs;  // [run_count] where the first pixel's runs start
  size_t run_count;
  size_t groups;        // groups of 4 bytes a run
  ptrdiff_t pixel_stride;  // bytes from one pixel's run to the next one's
  size_t pixels;
  const int8_t *weights;   // [panels][run_count · groups][16][4]
  size_t panels;
  const thimble_channels16 *channels;    // [panels]
  const int32_t *_Nullable pixel_bias;   // [pixels], or null
  thimble_requantization requantization;
  uint8_t *out;            // [pixels][out_stride]
  ptrdiff_t out_stride;
  size_t out_channels;     // valid channels in these panels: the last panel may be part
} thimble_gemm_args;

// out[i] = −weight_zero_point · Σ_r Σ_{k < run_bytes} runs[r][i·pixel_stride + k]: what asymmetric weights add to a pixel.
typedef struct {
  const uint8_t *_Nonnull const *_Nonnull runs;
  size_t run_count;
  size_t run_bytes;
  ptrdiff_t pixel_stride;
  size_t pixels;
  int32_t weight_zero_point;
  int32_t *out;
} thimble_pixel_bias_args;

// out[i][c] = requantize(bias[c] + Σ_t (w[c][t] − weight_zero_point) · taps[t][i·pixel_stride + c])
typedef struct {
  const uint8_t *_Nonnull const *_Nonnull taps;  // [tap_count] where the first pixel's taps start
  size_t tap_count;
  ptrdiff_t pixel_stride;
  size_t pixels;
  const int8_t *weights;   // [ceil(channels/16)][ceil(tap_count/4)][16][4]
  int32_t weight_zero_point;
  const thimble_channels16 *channels;
  thimble_requantization requantization;
  uint8_t *out;
  ptrdiff_t out_stride;
  size_t channel_count;
} thimble_depthwise_args;

// Rows of a depthwise convolution, as a picture has them:
// out[r][x][c] = requantize(bias[c] + Σ_ky Σ_kx (w[c][ky·kernel_width + kx] − weight_zero_point) · row[r][ky][column][c])
// with column = x·stride + kx·dilation − padding; columns outside 0…input_width − 1 are `outside`.
typedef struct {
  const uint8_t *_Nonnull const *_Nonnull rows;  // [row_count][kernel_height] where column 0 is; `outside_row` above and below
  uint8_t *_Nonnull const *_Nonnull out;         // [row_count]
  size_t row_count, kernel_height, kernel_width;
  size_t input_width, output_width;
  size_t stride, dilation, padding;  // along a row, in pixels
  ptrdiff_t pixel_stride;            // bytes from one pixel to the next, in the input and in the output
  const uint8_t *outside;            // [channel_count] input zero points
  const uint8_t *outside_row;        // zero points for every column that a window reads
  const int8_t *weights;             // as in thimble_depthwise_args
  int32_t weight_zero_point;
  const thimble_channels16 *channels;
  thimble_requantization requantization;
  size_t channel_count;
  const uint8_t *_Nullable *_Nonnull taps;  // scratch: [kernel_height · kernel_width]
} thimble_depthwise_rows_args;

typedef enum { THIMBLE_ADD = 0, THIMBLE_SUBTRACT = 1, THIMBLE_MULTIPLY = 2 } thimble_arithmetic_kind;

// One row of element-wise arithmetic; a stride of 0 repeats the operand's first byte. See ModelFile's `Arithmetic`.
typedef struct {
  thimble_arithmetic_kind kind;
  int32_t first_zero_point, second_zero_point, output_zero_point;
  int32_t first_multiplier, first_shift;    // shift: right, negative = left
  int32_t second_multiplier, second_shift;
  int32_t output_multiplier, output_shift;
  uint8_t clamp_min, clamp_max;
  bool is_fused;           // out = round_to_even(fma(a, x, fma(b, y, c))) is proved equal
  float a, b, c;
} thimble_arithmetic;

typedef struct {
  const thimble_arithmetic *arithmetic;
  const uint8_t *first;
  const uint8_t *second;
  size_t first_stride;     // 0 or 1
  size_t second_stride;    // 0 or 1
  uint8_t *out;
  size_t count;
} thimble_arithmetic_args;

// Average or maximum of one output pixel: taps that lie in the picture, all channels.
typedef struct {
  const uint8_t *first_tap;  // the window's first row and column inside the picture
  size_t rows, columns;      // of the window inside the picture
  ptrdiff_t row_stride, column_stride;  // bytes
  size_t channel_count;
  bool is_average;
  bool rounds_signed;        // the bytes are int8 + 128: round the signed average half away from zero
  uint8_t clamp_min, clamp_max;
  uint8_t *out;              // [channel_count]
} thimble_pool_args;

// Sum over reduced axes, then F(sum − zero points) + output zero point. One call handles `kept_count` outputs that lie
// `kept_stride` bytes apart in the input and next to each other in the output.
typedef struct {
  const uint8_t *input;
  size_t kept_count;
  ptrdiff_t kept_stride;
  size_t reduced_rank;       // at most THIMBLE_RANK_MAX
  size_t reduced_extents[THIMBLE_RANK_MAX];
  ptrdiff_t reduced_strides[THIMBLE_RANK_MAX];
  int32_t input_zero_point, output_zero_point;
  int32_t multiplier, shift;
  uint8_t *out;
} thimble_mean_args;

// Softmax of one row. exponentials[256]: exp(−d·scale·beta) in Q0.31, or −1 where the reference stops at zero.
typedef struct {
  const uint8_t *input;
  size_t depth;
  const int32_t *exponentials;
  uint8_t *out;
} thimble_softmax_args;

typedef enum { THIMBLE_NEAREST = 0, THIMBLE_BILINEAR_FLOAT = 1, THIMBLE_BILINEAR_INTEGER = 2 } thimble_resize_kind;

// Output rows [row_begin, row_end) of one picture (H,W,C).
typedef struct {
  thimble_resize_kind kind;
  const uint8_t *input;
  size_t input_height, input_width, output_height, output_width, channel_count;
  bool align_corners, half_pixel_centers;
  size_t row_begin, row_end;
  uint8_t *out;  // the whole output picture
} thimble_resize_args;

// For each of `outer` · `inner` positions the first index of the extreme over `extent` bytes `inner` apart.
typedef struct {
  const uint8_t *input;    // [outer][extent][inner]
  size_t outer, extent, inner;
  bool takes_minimum;
  size_t index_byte_count;  // 4 or 8
  void *out;               // [outer][inner]
} thimble_arg_extreme_args;

typedef struct {
  const char *name;        // what --isa calls it
  // The activations that gemm and depthwise multiply are bytes minus 128: the caller adds 128·Σw to the bias.
  bool wants_signed_activations;
  void (*gemm)(const thimble_gemm_args *);
  void (*pixel_bias)(const thimble_pixel_bias_args *);
  void (*depthwise)(const thimble_depthwise_args *);
  // Null where it is `depthwise` for each run of pixels: thimble_depthwise_rows.
  void (*_Nullable depthwise_rows)(const thimble_depthwise_rows_args *);
  void (*arithmetic)(const thimble_arithmetic_args *);
  void (*pool)(const thimble_pool_args *);
  void (*mean)(const thimble_mean_args *);
  void (*softmax)(const thimble_softmax_args *);
  void (*resize)(const thimble_resize_args *);
  void (*arg_extreme)(const thimble_arg_extreme_args *);
  // out[i] = table[in[i]]
  void (*lookup)(const uint8_t *in, const uint8_t *table, uint8_t *out, size_t count);
  // TFLite's AffineQuantize: round half away from zero (x / scale) + zero_point, clamped to 0…255; NaN → zero_point.
  void (*quantize)(const float *in, float scale, int32_t zero_point, uint8_t *out, size_t count);
  void (*dequantize)(const uint8_t *in, float scale, int32_t zero_point, float *out, size_t count);
} thimble_kernels;

// memcpy and memset for Swift, whose own become loops over bytes in Embedded builds.
static inline void thimble_copy(uint8_t *to, const uint8_t *from, size_t count) { __builtin_memcpy(to, from, count); }
static inline void thimble_fill(uint8_t *to, uint8_t value, size_t count) { __builtin_memset(to, value, count); }

// Rows of a depthwise convolution by the best this table has.
void thimble_depthwise_rows(const thimble_kernels *table, const thimble_depthwise_rows_args *args);
// The same by `depthwise` alone.
void thimble_depthwise_rows_by_taps(const thimble_depthwise_rows_args *args, void (*depthwise)(const thimble_depthwise_args *));

// The tables this build holds, fastest last; `portable` is number 0. Null past the end.
const thimble_kernels *_Nullable thimble_kernel_table(size_t index);
// Whether this processor has what the table needs.
bool thimble_kernels_are_supported(const thimble_kernels *table);

// Σ query[i] · vector[i], the same bytes on every processor; FP32 vectors need not be aligned.
float thimble_dot_f32(const float *query, const void *vector, size_t count);
float thimble_dot_i8(const float *query, const int8_t *vector, size_t count);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
