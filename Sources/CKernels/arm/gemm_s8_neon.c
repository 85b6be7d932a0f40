// Matrix product with 8-bit multiplications: tiles of 2 pixels by a panel of 16 channels, 16 accumulators of half sums.
//
// for each block of pixels: pack its tiles as [K/8][2][8] signed bytes
//   for each panel: for each tile:
//     for each two groups of 4 inputs: 16-bit sums of two products (SMULL, SMLAL), added in pairs to 32 bits (SADALP)
//     add the halves, requantize, store
//
// Two products fit in 16 bits unless both are −128 · −128: panels that hold a weight of −128 add each product by itself.
#if defined(__aarch64__)
#include "arm.h"
#include "gemm_blocks_neon.h"

// 4 bytes of x, in all four lanes.
THIMBLE_INLINE int8x16_t spread(const uint8_t *x) {
  return vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)(const void *)x));
}

// 16 channels of one group: acc[2j] is channels 4j and 4j + 1, acc[2j + 1] the two after them, two half sums each.
THIMBLE_INLINE void multiply(int32x4_t acc[8], const int8_t *w, int8x16_t x) {
  for (int j = 0; j < 4; j++) {
    int8x16_t w4 = vld1q_s8(w + 16 * j);
    acc[2 * j] = vpadalq_s16(acc[2 * j], vmull_s8(vget_low_s8(w4), vget_low_s8(x)));
    acc[2 * j + 1] = vpadalq_s16(acc[2 * j + 1], vmull_high_s8(w4, x));
  }
}

// Two groups of two pixels, `steps` times, for weights that fit. Left to themselves compilers keep so many products waiting
// that they spill.
#define FOUR_CHANNELS(a, b, c, d, wa, wb)                                                        \
  "smull %[t0].8h, %[" wa "].8b, %[x0].8b\n"                                                     \
  "smull2 %[t1].8h, %[" wa "].16b, %[x0].16b\n"                                                  \
  "smull %[t2].8h, %[" wa "].8b, %[x2].8b\n"                                                     \
  "smull2 %[t3].8h, %[" wa "].16b, %[x2].16b\n"                                                  \
  "smlal %[t0].8h, %[" wb "].8b, %[x1].8b\n"                                                     \
  "smlal2 %[t1].8h, %[" wb "].16b, %[x1].16b\n"                                                  \
  "smlal %[t2].8h, %[" wb "].8b, %[x3].8b\n"                                                     \
  "smlal2 %[t3].8h, %[" wb "].16b, %[x3].16b\n"                                                  \
  "sadalp %" a ".4s, %[t0].8h\n"                                                                 \
  "sadalp %" b ".4s, %[t1].8h\n"                                                                 \
  "sadalp %" c ".4s, %[t2].8h\n"                                                                 \
  "sadalp %" d ".4s, %[t3].8h\n"
#define HALVES(p)                                                                                \
  "+w"(acc[p][0]), "+w"(acc[p][1]), "+w"(acc[p][2]), "+w"(acc[p][3]), "+w"(acc[p][4]), "+w"(acc[p][5]), "+w"(acc[p][6]), \
      "+w"(acc[p][7])
THIMBLE_INLINE void multiply_pairs(int32x4_t acc[2][8], const uint8_t *packed, const int8_t *w, size_t steps) {
  int8x16_t x0, x1, x2, x3, a0, a1, b0, b1;
  int16x8_t t0, t1, t2, t3;
  __asm__("1:\n"
          "ldp %q[a0], %q[a1], [%[w]]\n"
          "ldp %q[b0], %q[b1], [%[w], #64]\n"
          "ld1r {%[x0].4s}, [%[x]], #4\n"
          "ld1r {%[x1].4s}, [%[x]], #4\n"
          "ld1r {%[x2].4s}, [%[x]], #4\n"
          "ld1r {%[x3].4s}, [%[x]], #4\n"
          FOUR_CHANNELS("0", "1", "8", "9", "a0", "b0")
          "subs %[n], %[n], #1\n"
          FOUR_CHANNELS("2", "3", "10", "11", "a1", "b1")
          "ldp %q[a0], %q[a1], [%[w], #32]\n"
          "ldp %q[b0], %q[b1], [%[w], #96]\n"
          "add %[w], %[w], #128\n"
          FOUR_CHANNELS("4", "5", "12", "13", "a0", "b0")
          FOUR_CHANNELS("6", "7", "14", "15", "a1", "b1")
          "b.ne 1b\n"
          : HALVES(0), HALVES(1), [x] "+r"(packed), [w] "+r"(w), [n] "+r"(steps), [x0] "=&w"(x0), [x1] "=&w"(x1),
            [x2] "=&w"(x2), [x3] "=&w"(x3), [a0] "=&w"(a0), [a1] "=&w"(a1), [b0] "=&w"(b0), [b1] "=&w"(b1), [t0] "=&w"(t0),
            [t1] "=&w"(t1), [t2] "=&w"(t2), [t3] "=&w"(t3)
          :
          : "cc", "memory");
}

// Half sums to accumulators with their biases, requantized and stored.
THIMBLE_INLINE void finish(
    const thimble_panel_neon *panel, int32x4_t (*halves)[8], const int rows, const int32_t *pixel_bias, uint8_t *out) {
  int32x4_t acc[2][4];
  for (int p = 0; p < rows; p++) {
    for (int j = 0; j < 4; j++) {
      acc[p][j] = vaddq_s32(vpaddq_s32(halves[p][2 * j], halves[p][2 * j + 1]), vld1q_s32(panel->channels->bias + 4 * j));
      if (pixel_bias) acc[p][j] = vaddq_s32(acc[p][j], vdupq_n_s32(pixel_bias[p]));
    }
  }
  thimble_finish16(acc, rows, panel->factors, &panel->output, out, panel->out_stride, panel->count);
}

THIMBLE_INLINE void run_tiles(
    const thimble_panel_neon *panel, const bool fits, const uint8_t *packed, const int32_t *pixel_bias, uint8_t *out,
    size_t count) {
  const size_t step = 2 * panel->stride;
  const ptrdiff_t out_step = 2 * panel->out_stride;
  for (; count > 0; count--) {
    int32x4_t acc[2][8];
    for (int i = 0; i < 16; i++) acc[i / 8][i % 8] = vdupq_n_s32(0);
    size_t group = 0;
    if (fits && panel->groups > 1) {
      multiply_pairs(acc, packed, panel->weights, panel->groups / 2);
      group = panel->groups / 2 * 2;
    }
    for (; group < panel->groups; group++)
      for (int p = 0; p < 2; p++)
        multiply(acc[p], panel->weights + 64 * group, spread(packed + group / 2 * 16 + 8 * (size_t)p + group % 2 * 4));
    finish(panel, acc, 2, pixel_bias, out);
    packed += step;
    out += out_step;
    if (pixel_bias) pixel_bias += 2;
  }
}
static __attribute__((noinline)) void tiles_of_pairs(
    const thimble_panel_neon *panel, const uint8_t *packed, const int32_t *pixel_bias, uint8_t *out, size_t count) {
  run_tiles(panel, true, packed, pixel_bias, out, count);
}
static __attribute__((noinline)) void tiles_of_any(
    const thimble_panel_neon *panel, const uint8_t *packed, const int32_t *pixel_bias, uint8_t *out, size_t count) {
  run_tiles(panel, false, packed, pixel_bias, out, count);
}

// Whether no weight of a panel is −128.
static bool weights_fit(const thimble_panel_neon *panel) {
  int8x16_t least = vdupq_n_s8(127);
  const int8_t *w = panel->weights;
  for (size_t g = 0; g < panel->groups; g++, w += 64) {
    int8x16x4_t x = vld1q_s8_x4(w);
    least = vminq_s8(least, vminq_s8(vminq_s8(x.val[0], x.val[1]), vminq_s8(x.val[2], x.val[3])));
  }
  return vminvq_s8(least) > -128;
}

#define TILE_PIXELS 2
static size_t next_tile(size_t pixels) { return pixels >= 2 ? 2 : 1; }

static void tiles(
    const thimble_panel_neon *panel, size_t pixels, const uint8_t *packed, const int32_t *pixel_bias, uint8_t *out,
    size_t count) {
  (void)pixels;
  if (weights_fit(panel))
    tiles_of_pairs(panel, packed, pixel_bias, out, count);
  else
    tiles_of_any(panel, packed, pixel_bias, out, count);
}

static uint8_t *pack_tile(const uint8_t **sources, size_t groups, size_t pixels, uint8_t *packed) {
  (void)pixels;
  uint8_t *const end = packed + groups / 2 * 16;
  for (size_t k = 0; k < groups; k += 4, packed += 32) {
    uint64x2_t first = vreinterpretq_u64_u8(veorq_u8(vld1q_u8(sources[0] + 4 * k), vdupq_n_u8(128)));
    uint64x2_t second = vreinterpretq_u64_u8(veorq_u8(vld1q_u8(sources[1] + 4 * k), vdupq_n_u8(128)));
    vst1q_u8(packed, vreinterpretq_u8_u64(vzip1q_u64(first, second)));
    vst1q_u8(packed + 16, vreinterpretq_u8_u64(vzip2q_u64(first, second)));
  }
  return end;
}

// One pixel by one panel.
static void row(const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, uint8_t *out) {
  int32x4_t acc[1][8];
  for (int i = 0; i < 8; i++) acc[0][i] = vdupq_n_s32(0);
  const int8_t *w = panel->weights;
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *x = args->runs[r] + (ptrdiff_t)pixel * args->pixel_stride;
    for (size_t g = 0; g < args->groups; g++, x += 4, w += 64)
      multiply(acc[0], w, veorq_s8(spread(x), vdupq_n_s8(-128)));
  }
  finish(panel, acc, 1, args->pixel_bias ? args->pixel_bias + pixel : 0, out);
}

#define DIRECT_PANELS 0
static void direct_tiles(
    const thimble_gemm_args *args, const thimble_panel_neon *panel, size_t pixel, size_t pixels, uint8_t *out, size_t count) {
  (void)pixels, (void)count;
  row(args, panel, pixel, out);
}

#include "gemm_blocks_neon.h"

void thimble_gemm_s8_2x16_neon(const thimble_gemm_args *args) { gemm(args); }
#endif
