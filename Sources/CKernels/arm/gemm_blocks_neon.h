// How the ARM matrix products walk their arguments: a block of pixels is packed once, in tiles, and goes through every panel
// while it is in the cache. The including file defines, before the second inclusion,
//   TILE_PIXELS                                             of the largest tile
//   next_tile(pixels)                                       pixels of the next tile where so many are left
//   pack_tile(sources, groups, pixels, packed)              packs a run of a tile's pixels; returns where the next run goes
//   tiles(panel, pixels, packed, pixel_bias, out, count)    `count` packed tiles by one panel
//   DIRECT_PANELS                                           for so few, pixels are read in place
//   direct_tiles(args, panel, pixel, pixels, out, count)    the same without packing: of one pixel, or for so few panels
#ifndef THIMBLE_GEMM_BLOCKS_NEON_H
#define THIMBLE_GEMM_BLOCKS_NEON_H
#include "requantize_neon.h"

enum {
  THIMBLE_PACKED_BYTES = 24 * 1024,  // on the stack
  THIMBLE_BLOCK_PIXELS = 192,        // the lines of their outputs stay in the cache from panel to panel
};

// What is the same for a panel's tiles.
typedef struct {
  const int8_t *weights;
  const thimble_channels16 *channels;
  size_t groups;  // of all runs
  thimble_output_neon output;
  ptrdiff_t out_stride;
  size_t stride;  // bytes of a packed pixel
  size_t count;  // valid channels; 16 or more: all
  thimble_factors_neon factors[4];
} thimble_panel_neon;
#endif

#ifdef TILE_PIXELS
// Packs a tile of more than one pixel. `gathered` is room for the tile's pixels, `stride` bytes each, and 16 bytes more.
THIMBLE_INLINE void pack_pixels(
    const thimble_gemm_args *args, size_t pixel, size_t pixels, uint8_t *packed, uint8_t *gathered, size_t stride) {
  const uint8_t *sources[TILE_PIXELS];
  if (args->run_count == 1 || args->groups % 4 == 0) {
    for (size_t r = 0; r < args->run_count; r++) {
      for (size_t p = 0; p < pixels; p++) sources[p] = args->runs[r] + (ptrdiff_t)(pixel + p) * args->pixel_stride;
      packed = pack_tile(sources, args->groups, pixels, packed);
    }
    return;
  }
  size_t run_bytes = 4 * args->groups;
  for (size_t p = 0; p < pixels; p++, gathered += stride) {
    sources[p] = gathered;
    // Whole vectors: what is written behind a run is overwritten by the next.
    for (size_t r = 0; r < args->run_count; r++) {
      const uint8_t *source = args->runs[r] + (ptrdiff_t)(pixel + p) * args->pixel_stride;
      for (size_t k = 0; k < run_bytes; k += 16) vst1q_u8(gathered + r * run_bytes + k, vld1q_u8(source + k));
    }
  }
  pack_tile(sources, args->groups * args->run_count, pixels, packed);
}

static void gemm(const thimble_gemm_args *args) {
  uint8_t packed[THIMBLE_PACKED_BYTES + 16] __attribute__((aligned(64)));
  thimble_panel_neon panel = {
      .groups = args->run_count * args->groups,
      .output = thimble_output_of(&args->requantization),
      .out_stride = args->out_stride,
  };
  const bool is_direct = args->panels <= DIRECT_PANELS;
  size_t stride = panel.stride = (panel.groups * 4 + 15) / 16 * 16, capacity = THIMBLE_BLOCK_PIXELS;
  if (!is_direct) {
    size_t room = THIMBLE_PACKED_BYTES / stride;  // pixels; those of one tile are kept free to gather its runs
    capacity = thimble_minimum(room > 2 * TILE_PIXELS ? room - TILE_PIXELS : room / 2, capacity);
    if (capacity > TILE_PIXELS) capacity -= capacity % TILE_PIXELS;
    if (capacity == 0) capacity = 1;
  }
  for (size_t pixel = 0; pixel < args->pixels; pixel += capacity) {
    size_t pixels = thimble_minimum(args->pixels - pixel, capacity);
    for (size_t at = 0, tile; at < pixels && !is_direct; at += tile) {
      tile = next_tile(pixels - at);
      if (tile > 1) pack_pixels(args, pixel + at, tile, packed + at * stride, packed + capacity * stride, stride);
    }
    panel.weights = args->weights;
    for (size_t n = 0; n < args->panels; n++, panel.weights += panel.groups * 64) {
      panel.channels = args->channels + n;
      panel.count = args->out_channels - 16 * n;
      thimble_load_factors(panel.channels, panel.factors);
      panel.output.rounding = thimble_rounding_of(&args->requantization, panel.factors, 4);
      for (size_t at = 0, tile, count; at < pixels; at += tile * count) {
        tile = next_tile(pixels - at);
        count = tile == TILE_PIXELS ? (pixels - at) / TILE_PIXELS : 1;
        uint8_t *out = args->out + 16 * n + (ptrdiff_t)(pixel + at) * args->out_stride;
        if (is_direct || tile == 1)
          direct_tiles(args, &panel, pixel + at, tile, out, count);
        else
          tiles(&panel, tile, packed + at * stride, args->pixel_bias ? args->pixel_bias + pixel + at : 0, out, count);
      }
    }
  }
}
#endif
