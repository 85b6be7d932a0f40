// Where the taps of a depthwise convolution's windows are.
#ifndef THIMBLE_DEPTHWISE_WINDOW_H
#define THIMBLE_DEPTHWISE_WINDOW_H
#include "thimble_kernels.h"

// Output columns [begin, end): their windows lie between the left and the right edge.
typedef struct {
  size_t begin, end;
} thimble_column_span;

static inline thimble_column_span thimble_depthwise_inside(const thimble_depthwise_rows_args *_Nonnull args) {
  size_t begin = (args->padding + args->stride - 1) / args->stride;
  size_t reach = (args->kernel_width - 1) * args->dilation;
  size_t room = args->input_width + args->padding;
  size_t end = room > reach ? (room - reach - 1) / args->stride + 1 : 0;
  if (begin > args->output_width) begin = args->output_width;
  if (end > args->output_width) end = args->output_width;
  if (end < begin) end = begin;
  return (thimble_column_span){begin, end};
}

// Tap (ky, kx) of output column x of row r: its first channel.
static inline const uint8_t *_Nonnull thimble_depthwise_tap(
    const thimble_depthwise_rows_args *_Nonnull args, size_t r, size_t x, size_t ky, size_t kx) {
  const uint8_t *row = args->rows[r * args->kernel_height + ky];
  // A row of zero points has columns too: kernels look for windows that slide.
  const size_t reach = x * args->stride + kx * args->dilation;
  if (row == args->outside_row) return row + (ptrdiff_t)reach * args->pixel_stride;
  if (reach >= args->padding && reach - args->padding < args->input_width)
    return row + (ptrdiff_t)(reach - args->padding) * args->pixel_stride;
  return args->outside;
}
#endif
