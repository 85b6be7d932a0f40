// Matrix product with SDOT: tiles of 6 pixels by a panel of 16 channels, 24 accumulators.
//
// for each block of pixels: pack its tiles as [K/16][pixels of the tile][16] signed bytes
//   for each panel: for each tile: acc (6,16) += x (6,k) · w (k,16), 4 products a lane; requantize; store
#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "arm.h"
#include "gemm_blocks_neon.h"

// One group of 4 inputs: 16 channels by every pixel, whose 4 bytes are one lane of x.
#define GROUP(lane)                                                                              \
  do {                                                                                           \
    for (int j = 0; j < 4; j++) {                                                                \
      int8x16_t w4 = vld1q_s8(w + 16 * j);                                                       \
      for (int p = 0; p < rows; p++) acc[p][j] = vdotq_laneq_s32(acc[p][j], w4, x[p], lane);     \
    }                                                                                            \
    w += 64;                                                                                     \
  } while (0)

// What GROUP is for 6 pixels, whole vectors of K at a time. Accumulators, activations and two vectors of weights take all
// registers, which compilers do not manage without spills.
#define SDOT6(w, lane, a, b, c, d, e, f)                                                         \
  "sdot %" a ".4s, %" w ".16b, %[x0].4b[" lane "]\n"                                             \
  "sdot %" b ".4s, %" w ".16b, %[x1].4b[" lane "]\n"                                             \
  "sdot %" c ".4s, %" w ".16b, %[x2].4b[" lane "]\n"                                             \
  "sdot %" d ".4s, %" w ".16b, %[x3].4b[" lane "]\n"                                             \
  "sdot %" e ".4s, %" w ".16b, %[x4].4b[" lane "]\n"                                             \
  "sdot %" f ".4s, %" w ".16b, %[x5].4b[" lane "]\n"
#define GROUP6(lane)                                                                             \
  "ldp %q[w0], %q[w1], [%[w]], #32\n"                                                            \
  SDOT6("[w0]", lane, "0", "4", "8", "12", "16", "20")                                           \
  SDOT6("[w1]", lane, "1", "5", "9", "13", "17", "21")                                           \
  "ldp %q[w0], %q[w1], [%[w]], #32\n"                                                            \
  SDOT6("[w0]", lane, "2", "6", "10", "14", "18", "22")                                          \
  SDOT6("[w1]", lane, "3", "7", "11", "15", "19", "23")
#define ROW(p) "+w"(acc[p][0]), "+w"(acc[p][1]), "+w"(acc[p][2]), "+w"(acc[p][3])

THIMBLE_INLINE void multiply_vectors_6(int32x4_t acc[6][4], const int8_t **packed, const int8_t **weights, size_t vectors) {
  const int8_t *x = *packed, *w = *weights;
  int8x16_t x0, x1, x2, x3, x4, x5, w0, w1;
  __asm__("1:\n"
          "ldp %q[x0], %q[x1], [%[x]], #32\n"
          "ldp %q[x2], %q[x3], [%[x]], #32\n"
          "ldp %q[x4], %q[x5], [%[x]], #32\n"
          "subs %[n], %[n], #1\n"
          GROUP6("0") GROUP6("1") GROUP6("2") GROUP6("3")
          "b.ne 1b\n"
          : ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), [x] "+r"(x), [w] "+r"(w), [n] "+r"(vectors), [x0] "=&w"(x0),
            [x1] "=&w"(x1), [x2] "=&w"(x2), [x3] "=&w"(x3), [x4] "=&w"(x4), [x5] "=&w"(x5), [w0] "=&w"(w0), [w1] "=&w"(w1)
          :
          : "cc", "memory");
  *packed = x;
  *weights = w;
}

// A tile of `rows` packed pixels by one panel; returns where the next tile starts.
THIMBLE_INLINE const int8_t *tile(
    const thimble_panel_neon *panel, const int8_t *packed, const int rows, const int32_t *pixel_bias, uint8_t *out) {
  int32x4_t acc[6][4];
  int8x16_t x[6];
  const int8_t *w = panel->weights;
  thimble_start16(acc, rows, panel->channels->bias, pixel_bias);
  size_t vectors = panel->groups / 4, left = panel->groups % 4;
  if (rows == 6) {
    if (vectors) multiply_vectors_6(acc, &packed, &w, vectors);
  } else {
    for (; vectors > 0; vectors--, packed += 16 * rows) {
      for (int p = 0; p < rows; p++) x[p] = vld1q_s8(packed + 16 * p);
      GROUP(0);
      GROUP(1);
      GROUP(2);
      GROUP(3);
    }
  }
  if (left) {
    for (int p = 0; p < rows; p++) x[p] = vld1q_s8(packed + 16 * p);
    packed += 16 * rows;
    GROUP(0);
    if (left > 1) GROUP(1);
    if (left > 2) GROUP(2);
  }
  thimble_finish16(acc, rows, panel->factors, &panel->output, out, panel->out_stride, panel->count);
  return packed;
}

#define TILES(PIXELS)                                                                                                  \
  static __attribute__((noinline)) void tiles_##PIXELS(                                                                \
      const thimble_panel_neon *source, const int8_t *packed, const int32_t *pixel_bias, uint8_t *out, size_t count) { \
    const thimble_panel_neon panel = *source; /* which stores of bytes do not change */                                \
    const ptrdiff_t out_step = panel.out_stride * PIXELS, bias_step = pixel_bias ? PIXELS : 0;                         \
    for (; count > 0; count--, out += out_step, pixel_bias += bias_step)                                               \
      packed = tile(&panel, packed, PIXELS, pixel_bias, out);                                                          \
  }
TILES(6)
TILES(4)
TILES(2)

#define TILE_PIXELS 6
static size_t next_tile(size_t pixels) { return pixels >= 6 ? 6 : pixels >= 4 ? 4 : pixels >= 2 ? 2 : 1; }

static void tiles(
    const thimble_panel_neon *panel, size_t pixels, const uint8_t *packed, const int32_t *pixel_bias, uint8_t *out,
    size_t count) {
  const int8_t *x = (const int8_t *)packed;
  if (pixels == 6) tiles_6(panel, x, pixel_bias, out, count);
  else if (pixels == 4) tiles_4(panel, x, pixel_bias, out, count);
  else tiles_2(panel, x, pixel_bias, out, count);
}

THIMBLE_INLINE uint8_t *pack_vectors(const uint8_t **sources, size_t groups, const size_t pixels, uint8_t *packed) {
  for (size_t k = 0; k < groups; k += 4, packed += 16 * pixels) {
    uint8x16_t x[6];
    for (size_t p = 0; p < pixels; p++) x[p] = veorq_u8(vld1q_u8(sources[p] + 4 * k), vdupq_n_u8(128));
    for (size_t p = 0; p < pixels; p++) vst1q_u8(packed + 16 * p, x[p]);
  }
  return packed;
}
static uint8_t *pack_tile(const uint8_t **sources, size_t groups, size_t pixels, uint8_t *packed) {
  if (pixels == 6) return pack_vectors(sources, groups, 6, packed);
  return pack_vectors(sources, groups, pixels, packed);
}

// What multiply_vectors_6 is for pixels in place.
#define LOAD6(x, from) "ldr %q[" x "], [%[" from "]], #16\n"
#define SIGN6(x) "eor %[" x "].16b, %[" x "].16b, %[w0].16b\n"
THIMBLE_INLINE void multiply_in_place_6(int32x4_t acc[6][4], const uint8_t *source[6], const int8_t **weights, size_t vectors) {
  const int8_t *w = *weights;
  int8x16_t x0, x1, x2, x3, x4, x5, w0, w1;
  __asm__("1:\n"
          "movi %[w0].16b, #128\n"
          LOAD6("x0", "s0") LOAD6("x1", "s1") LOAD6("x2", "s2") LOAD6("x3", "s3") LOAD6("x4", "s4") LOAD6("x5", "s5")
          "subs %[n], %[n], #1\n"
          SIGN6("x0") SIGN6("x1") SIGN6("x2") SIGN6("x3") SIGN6("x4") SIGN6("x5")
          GROUP6("0") GROUP6("1") GROUP6("2") GROUP6("3")
          "b.ne 1b\n"
          : ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), [s0] "+r"(source[0]), [s1] "+r"(source[1]), [s2] "+r"(source[2]),
            [s3] "+r"(source[3]), [s4] "+r"(source[4]), [s5] "+r"(source[5]), [w] "+r"(w), [n] "+r"(vectors), [x0] "=&w"(x0),
            [x1] "=&w"(x1), [x2] "=&w"(x2), [x3] "=&w"(x3), [x4] "=&w"(x4), [x5] "=&w"(x5), [w0] "=&w"(w0), [w1] "=&w"(w1)
          :
          : "cc", "memory");
  *weights = w;
}

// `rows` pixels in place by one panel.
THIMBLE_INLINE void direct_tile(
    const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, const int rows, uint8_t *out) {
  int32x4_t acc[6][4];
  int8x16_t x[6];
  const int8_t *w = panel->weights;
  const ptrdiff_t offset = (ptrdiff_t)pixel * args->pixel_stride;
  thimble_start16(acc, rows, panel->channels->bias, args->pixel_bias ? args->pixel_bias + pixel : 0);
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *source[6];
    source[0] = args->runs[r] + offset;
    for (int p = 1; p < rows; p++) source[p] = source[p - 1] + args->pixel_stride;
    size_t vectors = args->groups / 4, left = args->groups % 4;
#define LOAD()                                                                                                  \
  for (int p = 0; p < rows; p++, source[p - 1] += 16)                                                           \
    x[p] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(source[p]), vdupq_n_u8(128)));
    if (rows == 6) {
      if (vectors) multiply_in_place_6(acc, source, &w, vectors);
    } else {
      for (; vectors > 0; vectors--) {
        LOAD()
        GROUP(0);
        GROUP(1);
        GROUP(2);
        GROUP(3);
      }
    }
    if (left) {
      LOAD()
      GROUP(0);
      if (left > 1) GROUP(1);
      if (left > 2) GROUP(2);
    }
#undef LOAD
  }
  thimble_finish16(acc, rows, panel->factors, &panel->output, out, panel->out_stride, panel->count);
}

#define DIRECT(PIXELS)                                                                                               \
  static __attribute__((noinline)) void direct_##PIXELS(                                                             \
      const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, uint8_t *out, size_t count) {    \
    for (; count > 0; count--, pixel += PIXELS, out += PIXELS * panel->out_stride)                                   \
      direct_tile(args, panel, pixel, PIXELS, out);                                                                  \
  }
DIRECT(6)
DIRECT(4)
DIRECT(2)
DIRECT(1)

#define DIRECT_PANELS 2
static void direct_tiles(
    const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, size_t pixels, uint8_t *out, size_t count) {
  if (pixels == 6) direct_6(args, panel, pixel, out, count);
  else if (pixels == 4) direct_4(args, panel, pixel, out, count);
  else if (pixels == 2) direct_2(args, panel, pixel, out, count);
  else direct_1(args, panel, pixel, out, count);
}

#include "gemm_blocks_neon.h"

void thimble_gemm_s8_6x16_dotprod(const thimble_gemm_args *args) { gemm(args); }
#pragma clang attribute pop
#endif
