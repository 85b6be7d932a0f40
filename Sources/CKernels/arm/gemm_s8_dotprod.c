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
// The 1 to 3 groups of the last vector.
#define GROUPS6_LEFT                                                                             \
  GROUP6("0")                                                                                    \
  "subs %[n], %[n], #1\n"                                                                        \
  "b.eq 2f\n" GROUP6("1")                                                                        \
  "subs %[n], %[n], #1\n"                                                                        \
  "b.eq 2f\n" GROUP6("2")                                                                        \
  "2:\n"
#define ROW(p) "+w"(acc[p][0]), "+w"(acc[p][1]), "+w"(acc[p][2]), "+w"(acc[p][3])
#define ROWS6 ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5)
#define TEMPORARIES6                                                                                                        \
  [x0] "=&w"(x0), [x1] "=&w"(x1), [x2] "=&w"(x2), [x3] "=&w"(x3), [x4] "=&w"(x4), [x5] "=&w"(x5), [w0] "=&w"(w0), [w1] "=&w"(w1)
#define LOAD_PACKED6                   \
  "ldp %q[x0], %q[x1], [%[x]], #32\n"  \
  "ldp %q[x2], %q[x3], [%[x]], #32\n"  \
  "ldp %q[x4], %q[x5], [%[x]], #32\n"

// Packed pixels: K from `packed` on, weights from `weights` on; moves both on.
THIMBLE_INLINE void multiply_packed_6(int32x4_t acc[6][4], const int8_t **packed, const int8_t **weights, size_t groups) {
  const int8_t *x = *packed, *w = *weights;
  int8x16_t x0, x1, x2, x3, x4, x5, w0, w1;
  size_t vectors = groups / 4, left = groups % 4;
  if (vectors)
    __asm__("1:\n" LOAD_PACKED6 "subs %[n], %[n], #1\n" GROUP6("0") GROUP6("1") GROUP6("2") GROUP6("3") "b.ne 1b\n"
            : ROWS6, [x] "+r"(x), [w] "+r"(w), [n] "+r"(vectors), TEMPORARIES6
            :
            : "cc", "memory");
  if (left)
    __asm__(LOAD_PACKED6 GROUPS6_LEFT : ROWS6, [x] "+r"(x), [w] "+r"(w), [n] "+r"(left), TEMPORARIES6 : : "cc", "memory");
  *packed = x;
  *weights = w;
}

// The same for pixels in place.
#define LOAD_PLACE6(x, from) "ldr %q[" x "], [%[" from "]], #16\n"
#define SIGN6(x) "eor %[" x "].16b, %[" x "].16b, %[w0].16b\n"
#define LOAD_PLACES6                                                                                               \
  "movi %[w0].16b, #128\n"                                                                                         \
  LOAD_PLACE6("x0", "s0") LOAD_PLACE6("x1", "s1") LOAD_PLACE6("x2", "s2") LOAD_PLACE6("x3", "s3")                  \
  LOAD_PLACE6("x4", "s4") LOAD_PLACE6("x5", "s5")                                                                  \
  SIGN6("x0") SIGN6("x1") SIGN6("x2") SIGN6("x3") SIGN6("x4") SIGN6("x5")
#define PLACES6                                                                                                     \
  [s0] "+r"(s[0]), [s1] "+r"(s[1]), [s2] "+r"(s[2]), [s3] "+r"(s[3]), [s4] "+r"(s[4]), [s5] "+r"(s[5])
THIMBLE_INLINE void multiply_in_place_6(
    int32x4_t acc[6][4], const uint8_t *source, ptrdiff_t stride, const int8_t **weights, size_t groups) {
  const uint8_t *s[6] = {source};
  for (int p = 1; p < 6; p++) s[p] = s[p - 1] + stride;
  const int8_t *w = *weights;
  int8x16_t x0, x1, x2, x3, x4, x5, w0, w1;
  size_t vectors = groups / 4, left = groups % 4;
  if (vectors)
    __asm__("1:\n" LOAD_PLACES6 "subs %[n], %[n], #1\n" GROUP6("0") GROUP6("1") GROUP6("2") GROUP6("3") "b.ne 1b\n"
            : ROWS6, PLACES6, [w] "+r"(w), [n] "+r"(vectors), TEMPORARIES6
            :
            : "cc", "memory");
  if (left)
    __asm__(LOAD_PLACES6 GROUPS6_LEFT : ROWS6, PLACES6, [w] "+r"(w), [n] "+r"(left), TEMPORARIES6 : : "cc", "memory");
  *weights = w;
}

// A tile of `rows` packed pixels by one panel; returns where the next tile starts.
THIMBLE_INLINE const int8_t *tile(
    const thimble_panel_neon *panel, const int8_t *packed, const int rows, const int32_t *pixel_bias, uint8_t *out) {
  int32x4_t acc[6][4];
  int8x16_t x[6];
  const int8_t *w = panel->weights;
  thimble_start16(acc, rows, panel->channels->bias, pixel_bias);
  if (rows == 6) {
    multiply_packed_6(acc, &packed, &w, panel->groups);
  } else {
    size_t groups = panel->groups;
#define LOAD()                                                                 \
  for (int p = 0; p < rows; p++) x[p] = vld1q_s8(packed + 16 * p);             \
  packed += 16 * rows;
    for (; groups >= 4; groups -= 4) {
      LOAD()
      GROUP(0);
      GROUP(1);
      GROUP(2);
      GROUP(3);
    }
    if (groups) {
      LOAD()
      GROUP(0);
      if (groups > 1) GROUP(1);
      if (groups > 2) GROUP(2);
    }
#undef LOAD
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

// `rows` pixels in place by one panel.
THIMBLE_INLINE void direct_tile(
    const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, const int rows, uint8_t *out) {
  int32x4_t acc[6][4];
  int8x16_t x[6];
  const int8_t *w = panel->weights;
  const ptrdiff_t offset = (ptrdiff_t)pixel * args->pixel_stride;
  thimble_start16(acc, rows, panel->channels->bias, args->pixel_bias ? args->pixel_bias + pixel : 0);
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *source = args->runs[r] + offset;
    size_t groups = args->groups;
    if (rows == 6) {
      multiply_in_place_6(acc, source, args->pixel_stride, &w, groups);
      continue;
    }
#define LOAD()                                                                                                   \
  for (int p = 0; p < rows; p++)                                                                                 \
    x[p] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(source + p * args->pixel_stride), vdupq_n_u8(128)));
    for (; groups >= 4; groups -= 4, source += 16) {
      LOAD()
      GROUP(0);
      GROUP(1);
      GROUP(2);
      GROUP(3);
    }
    if (groups) {
      LOAD()
      GROUP(0);
      if (groups > 1) GROUP(1);
      if (groups > 2) GROUP(2);
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

// One pixel: for each panel: acc (16) += x (k) · w (k,16); requantize; store
static void gemm_one(const thimble_gemm_args *args) {
  const size_t groups = args->groups, runs = args->run_count, panels = args->panels;
  const thimble_requantization rq = args->requantization;
  thimble_output_neon output = thimble_output_of(&rq);
  const int32x4_t extra = vdupq_n_s32(args->pixel_bias ? *args->pixel_bias : 0);
  const thimble_channels16 *channels = args->channels;
  const int8_t *w = args->weights;
  uint8_t *out = args->out;
  size_t count = args->out_channels;
  for (size_t n = 0; n < panels; n++, channels++, out += 16, count -= 16) {
    int32x4_t acc[1][4];
    for (int j = 0; j < 4; j++) acc[0][j] = vaddq_s32(vld1q_s32(channels->bias + 4 * j), extra);
#define GROUP_OF_ONE(lane)                                                                                          \
  do {                                                                                                              \
    int8x16x4_t w4 = vld1q_s8_x4(w);                                                                                \
    w += 64;                                                                                                        \
    __asm__("" : "+r"(w)); /* the load moves it on */                                                               \
    for (int j = 0; j < 4; j++) acc[0][j] = vdotq_laneq_s32(acc[0][j], w4.val[j], x, lane);                         \
  } while (0)
    for (size_t r = 0; r < runs; r++) {
      const uint8_t *source = args->runs[r];
      for (const uint8_t *end = source + groups / 4 * 16; source < end; source += 16) {
        int8x16_t x = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(source), vdupq_n_u8(128)));
        GROUP_OF_ONE(0);
        GROUP_OF_ONE(1);
        GROUP_OF_ONE(2);
        GROUP_OF_ONE(3);
      }
      if (groups % 4) {
        int8x16_t x = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(source), vdupq_n_u8(128)));
        GROUP_OF_ONE(0);
        if (groups % 4 > 1) GROUP_OF_ONE(1);
        if (groups % 4 > 2) GROUP_OF_ONE(2);
      }
    }
    thimble_factors_neon factors[4];
    thimble_load_factors(channels, factors);
    output.rounding = thimble_rounding_of(&rq, factors, 4);
    thimble_finish16((const int32x4_t(*)[4])acc, 1, factors, &output, out, 0, count);
  }
}

void thimble_gemm_s8_6x16_dotprod(const thimble_gemm_args *args) {
  if (args->pixels == 1)
    gemm_one(args);
  else
    gemm(args);
}
#pragma clang attribute pop
#endif
