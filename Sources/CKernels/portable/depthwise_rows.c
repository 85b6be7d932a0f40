// Rows of a depthwise convolution, one kernel call for each run of pixels whose taps are all inside or all outside together.
#include "depthwise_window.h"

// `count` output pixels from column x of row r.
static void run_pixels(
    const thimble_depthwise_rows_args *args, void (*depthwise)(const thimble_depthwise_args *), size_t r, size_t x, size_t count) {
  size_t tap = 0;
  for (size_t ky = 0; ky < args->kernel_height; ky++)
    for (size_t kx = 0; kx < args->kernel_width; kx++) args->taps[tap++] = thimble_depthwise_tap(args, r, x, ky, kx);
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
  const thimble_column_span inside = thimble_depthwise_inside(args);
  for (size_t r = 0; r < args->row_count; r++) {
    for (size_t x = 0; x < inside.begin; x++) run_pixels(args, depthwise, r, x, 1);
    if (inside.begin < inside.end) run_pixels(args, depthwise, r, inside.begin, inside.end - inside.begin);
    for (size_t x = inside.end; x < args->output_width; x++) run_pixels(args, depthwise, r, x, 1);
  }
}

void thimble_depthwise_rows(const thimble_kernels *table, const thimble_depthwise_rows_args *args) {
  if (table->depthwise_rows)
    table->depthwise_rows(args);
  else
    thimble_depthwise_rows_by_taps(args, table->depthwise);
}
