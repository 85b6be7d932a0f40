// Matrix product with USMMLA: tiles of 12 pixels by half a panel, 8 channels, 24 accumulators.
//
// for each block of pixels: pack its tiles as [K/8][pairs of pixels][2][8] bytes
//   for each panel: for each tile: for each 8 channels:
//     acc (12,8) += x (12,k) · w (k,8), 2×8 by 8×2 an instruction; requantize; store
#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)
#include "arm.h"
#include "gemm_blocks_neon.h"

THIMBLE_INLINE int8x16_t zip_low(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}
THIMBLE_INLINE int8x16_t zip_high(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}
// Two numbers, twice.
THIMBLE_INLINE int32x4_t two(const int32_t *numbers) {
  return vreinterpretq_s32_s64(vld1q_dup_s64((const int64_t *)numbers));
}

// Two groups of the half panel at w: a and b are 4 channels of the first group, c and d of the second.
// acc[q][j] is (pixels 2q, 2q + 1; channels 2j, 2j + 1).
THIMBLE_INLINE void multiply(
    int32x4_t (*acc)[4], const int pairs, const uint8_t *packed, int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d) {
  int8x16_t w[4] = {zip_low(a, c), zip_high(a, c), zip_low(b, d), zip_high(b, d)};
  for (int q = 0; q < pairs; q++) {
    uint8x16_t x = vld1q_u8(packed + 16 * q);
    for (int j = 0; j < 4; j++) acc[q][j] = vusmmlaq_s32(acc[q][j], x, w[j]);
  }
}

// What `multiply` is for 6 pairs, `steps` times: accumulators, weights and activations take all registers, which compilers
// do not manage without spills.
#define PAIR6(x, a, b, c, d)                                                                     \
  "usmmla %" a ".4s, %[" x "].16b, %[t].16b\n"                                                   \
  "usmmla %" b ".4s, %[" x "].16b, %[w0].16b\n"                                                  \
  "usmmla %" c ".4s, %[" x "].16b, %[w2].16b\n"                                                  \
  "usmmla %" d ".4s, %[" x "].16b, %[w1].16b\n"
#define ROW(q) "+w"(acc[q][0]), "+w"(acc[q][1]), "+w"(acc[q][2]), "+w"(acc[q][3])
THIMBLE_INLINE void multiply_6(int32x4_t acc[6][4], const uint8_t *packed, const int8_t *w, size_t steps) {
  int8x16_t t, w0, w1, w2, w3;
  uint8x16_t x0, x1, x2;
  __asm__("1:\n"
          "ldp %q[w0], %q[w1], [%[w]], #64\n"
          "ldp %q[w2], %q[w3], [%[w]], #64\n"
          "subs %[n], %[n], #1\n"
          "ldp %q[x0], %q[x1], [%[x]], #32\n"
          "zip1 %[t].4s, %[w0].4s, %[w2].4s\n"
          "zip2 %[w0].4s, %[w0].4s, %[w2].4s\n"
          "zip1 %[w2].4s, %[w1].4s, %[w3].4s\n"
          "zip2 %[w1].4s, %[w1].4s, %[w3].4s\n"
          PAIR6("x0", "0", "1", "2", "3")
          "ldp %q[x2], %q[x0], [%[x]], #32\n"
          PAIR6("x1", "4", "5", "6", "7")
          PAIR6("x2", "8", "9", "10", "11")
          "ldp %q[x1], %q[x2], [%[x]], #32\n"
          PAIR6("x0", "12", "13", "14", "15")
          PAIR6("x1", "16", "17", "18", "19")
          PAIR6("x2", "20", "21", "22", "23")
          "b.ne 1b\n"
          : ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), [x] "+r"(packed), [w] "+r"(w), [n] "+r"(steps), [t] "=&w"(t),
            [w0] "=&w"(w0), [w1] "=&w"(w1), [w2] "=&w"(w2), [w3] "=&w"(w3), [x0] "=&w"(x0), [x1] "=&w"(x1), [x2] "=&w"(x2)
          :
          : "cc", "memory");
}

// Four pixels by 8 channels: [pair][channels 2j, 2j + 1] → 4 rows of 8 bytes.
THIMBLE_INLINE void store_pairs(uint8x16_t first, uint8x16_t second, const int pairs, uint8_t *out, ptrdiff_t stride, size_t count) {
  uint16x8_t a = vreinterpretq_u16_u8(first), b = vreinterpretq_u16_u8(second);
  uint8x16_t even = vreinterpretq_u8_u16(vuzp1q_u16(a, b)), odd = vreinterpretq_u8_u16(vuzp2q_u16(a, b));
  thimble_store8(out, vget_low_u8(even), count);
  thimble_store8(out + stride, vget_low_u8(odd), count);
  if (pairs == 1) return;
  thimble_store8(out + 2 * stride, vget_high_u8(even), count);
  thimble_store8(out + 3 * stride, vget_high_u8(odd), count);
}

// A tile of 2·`pairs` packed pixels by the channels `first` … `first` + 7 of a panel.
THIMBLE_INLINE void tile(
    const thimble_panel_neon *panel, const int first, const uint8_t *packed, const int pairs, const int32_t *pixel_bias,
    uint8_t *out) {
  int32x4_t acc[6][4];
  const int8_t *w = panel->weights + 4 * first;
#pragma clang loop unroll(full)
  for (int q = 0; q < pairs; q++) {
    for (int j = 0; j < 4; j++) acc[q][j] = two(panel->channels->bias + first + 2 * j);
    if (pixel_bias) {
      int32x2_t extra = vld1_s32(pixel_bias + 2 * q);
      int32x4_t both = vcombine_s32(vdup_lane_s32(extra, 0), vdup_lane_s32(extra, 1));
      for (int j = 0; j < 4; j++) acc[q][j] = vaddq_s32(acc[q][j], both);
    }
  }
  size_t steps = panel->groups / 2;
  if (pairs == 6) {
    if (steps) multiply_6(acc, packed, w, steps);
    packed += steps * 96;
    w += steps * 128;
  } else {
    for (; steps > 0; steps--, packed += 16 * pairs, w += 128)
      multiply(acc, pairs, packed, vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 64), vld1q_s8(w + 80));
  }
  if (panel->groups & 1)  // what follows K is multiplied by zero
    multiply(acc, pairs, packed, vld1q_s8(w), vld1q_s8(w + 16), vdupq_n_s8(0), vdupq_n_s8(0));

  const size_t count = panel->count - (size_t)first;
  const ptrdiff_t stride = panel->out_stride;
  thimble_factors_neon factors[4];
  for (int j = 0; j < 4; j++) {
    const thimble_factors_neon *four = &panel->factors[(first + 2 * j) / 4];
    factors[j].multiplier = two((const int32_t *)&four->multiplier + 2 * j % 4);
    factors[j].left = two((const int32_t *)&four->left + 2 * j % 4);
  }
#define STORE(BYTES, COUNT)                                                                    \
  _Pragma("clang loop unroll(full)") for (int q = 0; q < pairs; q += 2, out += 4 * stride) {   \
    const int r = q + 1 < pairs ? q + 1 : q;                                                   \
    store_pairs(BYTES(acc[q]), BYTES(acc[r]), r - q + 1, out, stride, COUNT);                  \
  }
#define PLAIN(x) thimble_bytes16(x, factors, panel->output, THIMBLE_PLAIN)
#define BOUNDED(x) thimble_bytes16(x, factors, panel->output, THIMBLE_BOUNDED)
#define RARE(x) thimble_rare_bytes16(x[0], x[1], x[2], x[3], factors, &panel->output)
  if (panel->output.rounding >= THIMBLE_ONCE) {
    STORE(RARE, count)
  } else if (panel->output.rounding == THIMBLE_PLAIN && count >= 8) {
    STORE(PLAIN, 8)
  } else {
    STORE(BOUNDED, count)
  }
#undef STORE
}

#define TILES(PIXELS)                                                                                                 \
  static __attribute__((noinline)) void tiles_##PIXELS(                                                               \
      const thimble_panel_neon *panel, const uint8_t *packed, const int32_t *pixel_bias, uint8_t *out, size_t count) { \
    const size_t step = panel->stride * PIXELS;                                                                       \
    const ptrdiff_t out_step = panel->out_stride * PIXELS;                                                            \
    for (; count > 0; count--) {                                                                                      \
      tile(panel, 0, packed, PIXELS / 2, pixel_bias, out);                                                            \
      if (panel->count > 8) tile(panel, 8, packed, PIXELS / 2, pixel_bias, out + 8);                                  \
      packed += step;                                                                                                 \
      out += out_step;                                                                                                \
      if (pixel_bias) pixel_bias += PIXELS;                                                                           \
    }                                                                                                                 \
  }
TILES(12)
TILES(8)
TILES(4)
TILES(2)

#define TILE_PIXELS 12
static size_t next_tile(size_t pixels) {
  return pixels >= 12 ? 12 : pixels >= 8 ? 8 : pixels >= 4 ? 4 : pixels >= 2 ? 2 : 1;
}

static void tiles(
    const thimble_panel_neon *panel, size_t pixels, const uint8_t *packed, const int32_t *pixel_bias, uint8_t *out,
    size_t count) {
  if (pixels == 12) tiles_12(panel, packed, pixel_bias, out, count);
  else if (pixels == 8) tiles_8(panel, packed, pixel_bias, out, count);
  else if (pixels == 4) tiles_4(panel, packed, pixel_bias, out, count);
  else tiles_2(panel, packed, pixel_bias, out, count);
}

THIMBLE_INLINE uint8_t *pack_pairs(const uint8_t **sources, size_t groups, const size_t pixels, uint8_t *packed) {
  uint8_t *const end = packed + groups / 2 * 8 * pixels;
  for (size_t k = 0; k < groups; k += 4, packed += 16 * pixels) {
    for (size_t p = 0; p < pixels; p += 2) {
      uint64x2_t even = vreinterpretq_u64_u8(vld1q_u8(sources[p] + 4 * k));
      uint64x2_t odd = vreinterpretq_u64_u8(vld1q_u8(sources[p + 1] + 4 * k));
      vst1q_u8(packed + 8 * p, vreinterpretq_u8_u64(vzip1q_u64(even, odd)));
      vst1q_u8(packed + 8 * (p + pixels), vreinterpretq_u8_u64(vzip2q_u64(even, odd)));
    }
  }
  return end;
}
static uint8_t *pack_tile(const uint8_t **sources, size_t groups, size_t pixels, uint8_t *packed) {
  if (pixels == 12) return pack_pairs(sources, groups, 12, packed);
  return pack_pairs(sources, groups, pixels, packed);
}

// One pixel by one panel: USDOT with the pixel's 4 bytes in every lane.
static void row(const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, uint8_t *out) {
  int32x4_t acc[1][4];
  const int8_t *w = panel->weights;
  thimble_start16(acc, 1, panel->channels->bias, args->pixel_bias ? args->pixel_bias + pixel : 0);
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *source = args->runs[r] + (ptrdiff_t)pixel * args->pixel_stride;
    size_t groups = args->groups;
#define GROUP(lane)                                                                                                      \
  do {                                                                                                                   \
    for (int j = 0; j < 4; j++) acc[0][j] = vsudotq_laneq_s32(acc[0][j], vld1q_s8(w + 16 * j), x, lane);                 \
    w += 64;                                                                                                             \
  } while (0)
    for (; groups >= 4; groups -= 4, source += 16) {
      uint8x16_t x = vld1q_u8(source);
      GROUP(0);
      GROUP(1);
      GROUP(2);
      GROUP(3);
    }
    if (groups) {
      uint8x16_t x = vld1q_u8(source);
      GROUP(0);
      if (groups > 1) GROUP(1);
      if (groups > 2) GROUP(2);
    }
  }
  thimble_finish16(acc, 1, panel->factors, &panel->output, out, panel->out_stride, panel->count);
}

#define DIRECT_PANELS 0
static void direct_tiles(
    const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, size_t pixels, uint8_t *out, size_t count) {
  (void)pixels, (void)count;
  row(args, panel, pixel, out);
}

#include "gemm_blocks_neon.h"

void thimble_gemm_s8_12x8_i8mm(const thimble_gemm_args *args) { gemm(args); }
#pragma clang attribute pop
#endif
