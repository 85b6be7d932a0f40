// Rows of a depthwise convolution, one kernel call for each run of pixels whose taps are all inside or all outside together.
#include "thimble_kernels.h"

// `count` output pixels from column x of row r.
static void run_pixels(
    const thimble_depthwise_rows_args *args, void (*depthwise)(const thimble_depthwise_args *), size_t r, size_t x, size_t count) {
  size_t tap = 0;
  for (size_t ky = 0; ky < args->kernel_height; ky++) {
    const uint8_t *row = args->rows[r * args->kernel_height + ky];
    for (size_t kx = 0; kx < args->kernel_width; kx++) {
      // A row of zero points has columns too: kernels look for windows that slide.
      size_t reach = x * args->stride + kx * args->dilation;
      if (row == args->outside_row)
        args->taps[tap++] = row + (ptrdiff_t)reach * args->pixel_stride;
      else if (reach >= args->padding && reach - args->padding < args->input_width)
        args->taps[tap++] = row + (ptrdiff_t)(reach - args->padding) * args->pixel_stride;
      else
        args->taps[tap++] = args->outside;
    }
  }
  const thimble_depthwise_args run = {
      .taps = args->taps,
      .tap_count = tap,
      .pixel_stride = (ptrdiff_t)args->stride * args->pixel_stride,
      .pixels = count,
      .weights = args->weights,
      .weight_zero_point = args->weight_zero_point,
      .channels = args->channels,
      .requantization = args->requantization,
      .out = args->out[r] + (ptrdiff_t)x * args->pixel_stride,
      .out_stride = args->pixel_stride,
      .channel_count = args->channel_count,
  };
  depthwise(&run);
}

void thimble_depthwise_rows_by_taps(const thimble_depthwise_rows_args *args, void (*depthwise)(const thimble_depthwise_args *)) {
  // Output columns [begin, end) whose windows lie between the left and the right edge.
  size_t begin = (args->padding + args->stride - 1) / args->stride;
  size_t reach = (args->kernel_width - 1) * args->dilation;
  size_t room = args->input_width + args->padding;
  size_t end = room > reach ? (room - reach - 1) / args->stride + 1 : 0;
  if (begin > args->output_width) begin = args->output_width;
  if (end > args->output_width) end = args->output_width;
  if (end < begin) end = begin;
  for (size_t r = 0; r < args->row_count; r++) {
    for (size_t x = 0; x < begin; x++) run_pixels(args, depthwise, r, x, 1);
    if (begin < end) run_pixels(args, depthwise, r, begin, end - begin);
    for (size_t x = end; x < args->output_width; x++) run_pixels(args, depthwise, r, x, 1);
  }
}

void thimble_depthwise_rows(const thimble_kernels *table, const thimble_depthwise_rows_args *args) {
  if (table->depthwise_rows)
    table->depthwise_rows(args);
  else
    thimble_depthwise_rows_by_taps(args, table->depthwise);
}
