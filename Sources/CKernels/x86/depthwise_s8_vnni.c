// Depthwise convolution with vpdpbusd, 64 channels at a time.
//
// for each chunk of 64 channels: bring weights and per-channel numbers into the order the interleave gives
//   for each pixel, for each group of 4 taps:
//     interleave 4 taps × 64 channels so that a dword holds the 4 taps of one channel (8 in-lane unpacks)
//     acc[v] += dot4(taps, w[v])       v = 0…3: lane l of vector v holds channels 16·l + 4·v … + 3
//   requantize, pack (in-lane packs put the channels back in order), store
// Where pixels lie next to each other and 64 is a multiple of the channels, a chunk is several pixels.
//
// A 3×3 window that slides over pixels next to each other reuses what it has interleaved: a column of 3 taps is interleaved
// once and multiplied as the right, the middle and the left column of three outputs (of two at stride 2).
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "requantize_avx512.h"
#include "x86.h"

enum { GROUPS_MAX = 16 };  // 64 taps: larger windows are left to the portable kernel

typedef struct {
  __m512i weights[GROUPS_MAX][4];
  __m512i bias[4];
  requantizer requantizers[4];
} chunk;

// Four 16-byte pieces, one a lane.
THIMBLE_AVX512_INLINE __m512i gather_lanes(const void *a, const void *b, const void *c, const void *d) {
  __m512i x = _mm512_castsi128_si512(_mm_loadu_si128(a));
  x = _mm512_inserti32x4(x, _mm_loadu_si128(b), 1);
  x = _mm512_inserti32x4(x, _mm_loadu_si128(c), 2);
  return _mm512_inserti32x4(x, _mm_loadu_si128(d), 3);
}

// panel[l] is the panel of lane l. Lanes past the last channel repeat a panel; their bytes are not stored.
THIMBLE_AVX512_INLINE void load_chunk(chunk *c, const thimble_depthwise_args *args, const size_t panel[4], size_t groups) {
  const int8_t *w[4];
  const thimble_channels16 *channels[4];
  for (int l = 0; l < 4; l++) {
    w[l] = args->weights + panel[l] * groups * 64;
    channels[l] = args->channels + panel[l];
  }
  const thimble_requantization *rq = &args->requantization;
  for (int v = 0; v < 4; v++) {
    for (size_t g = 0; g < groups; g++) {
      size_t at = g * 64 + (size_t)v * 16;
      c->weights[g][v] = gather_lanes(w[0] + at, w[1] + at, w[2] + at, w[3] + at);
    }
    c->bias[v] = gather_lanes(channels[0]->bias + 4 * v, channels[1]->bias + 4 * v, channels[2]->bias + 4 * v, channels[3]->bias + 4 * v);
    __m512i multiplier = gather_lanes(
        channels[0]->multiplier + 4 * v, channels[1]->multiplier + 4 * v, channels[2]->multiplier + 4 * v, channels[3]->multiplier + 4 * v);
    __m512i shift = gather_lanes(
        channels[0]->shift + 4 * v, channels[1]->shift + 4 * v, channels[2]->shift + 4 * v, channels[3]->shift + 4 * v);
    c->requantizers[v] = make_requantizer(multiplier, shift, rq, is_floor(rq));
  }
}

THIMBLE_AVX512_INLINE void interleave(const uint8_t *const *taps, ptrdiff_t offset, __m512i out[4]) {
  __m512i a = _mm512_loadu_si512(taps[0] + offset), b = _mm512_loadu_si512(taps[1] + offset);
  __m512i c = _mm512_loadu_si512(taps[2] + offset), d = _mm512_loadu_si512(taps[3] + offset);
  __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
  out[0] = _mm512_unpacklo_epi16(ab_low, cd_low);
  out[1] = _mm512_unpackhi_epi16(ab_low, cd_low);
  out[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
  out[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
}

// `count` chunks of 64 bytes, `stride` apart in the input and `out_stride` in the output.
THIMBLE_AVX512_INLINE void run_chunks(
    const size_t GROUPS, const bool IS_FLOOR, const bool IS_ASYMMETRIC, const thimble_depthwise_args *args, const chunk *c,
    const uint8_t *const *taps, ptrdiff_t offset, ptrdiff_t stride, uint8_t *out, ptrdiff_t out_stride, size_t count, __mmask64 mask) {
  // The last group counts only the taps it has.
  const int32_t last_ones = (int32_t)(0x01010101u >> 8 * (GROUPS * 4 - args->tap_count));
  const __m512i zero_point = _mm512_set1_epi32(args->weight_zero_point);
  for (size_t i = 0; i < count; i++, offset += stride, out += out_stride) {
    __m512i acc[4], sum[4];
    for (int v = 0; v < 4; v++) acc[v] = c->bias[v], sum[v] = _mm512_setzero_si512();
    for (size_t g = 0; g < GROUPS; g++) {
      __m512i x[4];
      interleave(taps + 4 * g, offset, x);
      for (int v = 0; v < 4; v++) acc[v] = _mm512_dpbusd_epi32(acc[v], x[v], c->weights[g][v]);
      if (IS_ASYMMETRIC) {
        __m512i ones = _mm512_set1_epi32(g + 1 == GROUPS ? last_ones : 0x01010101);
        for (int v = 0; v < 4; v++) sum[v] = _mm512_dpbusd_epi32(sum[v], x[v], ones);
      }
    }
    if (IS_ASYMMETRIC)
      for (int v = 0; v < 4; v++) acc[v] = _mm512_sub_epi32(acc[v], _mm512_mullo_epi32(sum[v], zero_point));
    for (int v = 0; v < 4; v++) acc[v] = requantize(acc[v], c->requantizers[v], IS_FLOOR);
    __m512i bytes = pack_bytes(acc[0], acc[1], acc[2], acc[3]);
    _mm512_mask_storeu_epi8(out, mask, clamp_bytes(bytes, &args->requantization));
  }
}

#define RUN(NAME, GROUPS)                                                                                                        \
  THIMBLE_AVX512 static void run_##NAME(                                                                                         \
      const thimble_depthwise_args *args, const chunk *c, const uint8_t *const *taps, ptrdiff_t offset, ptrdiff_t stride,        \
      uint8_t *out, ptrdiff_t out_stride, size_t count, __mmask64 mask) {                                                        \
    bool floor = is_floor(&args->requantization), asymmetric = args->weight_zero_point != 0;                                       \
    if (floor && !asymmetric)                                                                                                     \
      run_chunks(GROUPS, true, false, args, c, taps, offset, stride, out, out_stride, count, mask);                              \
    else if (floor)                                                                                                               \
      run_chunks(GROUPS, true, true, args, c, taps, offset, stride, out, out_stride, count, mask);                               \
    else if (!asymmetric)                                                                                                        \
      run_chunks(GROUPS, false, false, args, c, taps, offset, stride, out, out_stride, count, mask);                             \
    else                                                                                                                         \
      run_chunks(GROUPS, false, true, args, c, taps, offset, stride, out, out_stride, count, mask);                              \
  }
RUN(3x3, 3)
RUN(any, (args->tap_count + 3) / 4)

// Column x of a 3×3 window: bytes (row 0, row 1, row 2, 0) of each channel.
THIMBLE_AVX512_INLINE void interleave_column(const uint8_t *const rows[3], ptrdiff_t offset, __m512i out[4]) {
  __m512i a = _mm512_loadu_si512(rows[0] + offset), b = _mm512_loadu_si512(rows[1] + offset);
  __m512i c = _mm512_loadu_si512(rows[2] + offset), zero = _mm512_setzero_si512();
  __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  __m512i c_low = _mm512_unpacklo_epi8(c, zero), c_high = _mm512_unpackhi_epi8(c, zero);
  out[0] = _mm512_unpacklo_epi16(ab_low, c_low);
  out[1] = _mm512_unpackhi_epi16(ab_low, c_low);
  out[2] = _mm512_unpacklo_epi16(ab_high, c_high);
  out[3] = _mm512_unpackhi_epi16(ab_high, c_high);
}

// Turns weights of taps (0 1 2 3)(4 5 6 7)(8) into columns (0 3 6 -)(1 4 7 -)(2 5 8 -).
THIMBLE_AVX512_INLINE void make_columns(chunk *c) {
  const __m512i byte = _mm512_set1_epi32(0xff);
  for (int v = 0; v < 4; v++) {
    __m512i first = c->weights[0][v], second = c->weights[1][v], third = c->weights[2][v];
#define TAP(x, from, to) _mm512_slli_epi32(_mm512_and_si512(_mm512_srli_epi32(x, 8 * (from)), byte), 8 * (to))
    c->weights[0][v] = _mm512_or_si512(_mm512_or_si512(TAP(first, 0, 0), TAP(first, 3, 1)), TAP(second, 2, 2));
    c->weights[1][v] = _mm512_or_si512(_mm512_or_si512(TAP(first, 1, 0), TAP(second, 0, 1)), TAP(second, 3, 2));
    c->weights[2][v] = _mm512_or_si512(_mm512_or_si512(TAP(first, 2, 0), TAP(second, 1, 1)), TAP(third, 0, 2));
#undef TAP
  }
}

THIMBLE_AVX512_INLINE void finish_columns(
    const bool IS_FLOOR, const bool IS_ASYMMETRIC, const thimble_depthwise_args *args, const chunk *c, const __m512i left[4],
    const __m512i middle[4], const __m512i right[4], uint8_t *out, __mmask64 mask) {
  const __m512i ones = _mm512_set1_epi32(0x00010101), zero_point = _mm512_set1_epi32(args->weight_zero_point);
  __m512i acc[4];
  for (int v = 0; v < 4; v++) {
    acc[v] = _mm512_dpbusd_epi32(c->bias[v], left[v], c->weights[0][v]);
    acc[v] = _mm512_dpbusd_epi32(acc[v], middle[v], c->weights[1][v]);
    acc[v] = _mm512_dpbusd_epi32(acc[v], right[v], c->weights[2][v]);
    if (IS_ASYMMETRIC) {
      __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), left[v], ones);
      sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, middle[v], ones), right[v], ones);
      acc[v] = _mm512_sub_epi32(acc[v], _mm512_mullo_epi32(sum, zero_point));
    }
    acc[v] = requantize(acc[v], c->requantizers[v], IS_FLOOR);
  }
  __m512i bytes = pack_bytes(acc[0], acc[1], acc[2], acc[3]);
  _mm512_mask_storeu_epi8(out, mask, clamp_bytes(bytes, &args->requantization));
}

// `count` chunks whose columns are `step` bytes apart: STRIDE new columns a chunk.
THIMBLE_AVX512_INLINE void slide(
    const int STRIDE, const bool IS_FLOOR, const bool IS_ASYMMETRIC, const thimble_depthwise_args *args, const chunk *c,
    const uint8_t *const rows[3], ptrdiff_t offset, ptrdiff_t step, uint8_t *out, ptrdiff_t out_stride, size_t count, __mmask64 mask) {
  // Three sets of registers take turns as left, middle and right column, so that nothing is moved.
  __m512i x[3][4];
  interleave_column(rows, offset, x[0]);
  if (STRIDE == 1) interleave_column(rows, offset + step, x[1]);
#define TURN(left, middle, right)                                                                            \
  if (STRIDE == 2) interleave_column(rows, offset + step, x[middle]);                                        \
  interleave_column(rows, offset + 2 * step, x[right]);                                                      \
  finish_columns(IS_FLOOR, IS_ASYMMETRIC, args, c, x[left], x[middle], x[right], out, mask);                 \
  if (--count == 0) return;                                                                                  \
  offset += STRIDE * step, out += out_stride;
  if (count == 0) return;
  for (;;) {
    if (STRIDE == 1) {
      TURN(0, 1, 2)
      TURN(1, 2, 0)
      TURN(2, 0, 1)
    } else {
      TURN(0, 1, 2)
      TURN(2, 1, 0)
    }
  }
#undef TURN
}

#define SLIDE(NAME, STRIDE)                                                                                                      \
  THIMBLE_AVX512 static void slide_##NAME(                                                                                       \
      const thimble_depthwise_args *args, const chunk *c, const uint8_t *const rows[3], ptrdiff_t offset, ptrdiff_t step,        \
      uint8_t *out, ptrdiff_t out_stride, size_t count, __mmask64 mask) {                                                        \
    bool floor = is_floor(&args->requantization), asymmetric = args->weight_zero_point != 0;                                     \
    if (floor && !asymmetric)                                                                                                    \
      slide(STRIDE, true, false, args, c, rows, offset, step, out, out_stride, count, mask);                                     \
    else if (floor)                                                                                                              \
      slide(STRIDE, true, true, args, c, rows, offset, step, out, out_stride, count, mask);                                      \
    else if (!asymmetric)                                                                                                        \
      slide(STRIDE, false, false, args, c, rows, offset, step, out, out_stride, count, mask);                                    \
    else                                                                                                                         \
      slide(STRIDE, false, true, args, c, rows, offset, step, out, out_stride, count, mask);                                     \
  }
SLIDE(1, 1)
SLIDE(2, 2)

// Bytes from one column of a 3×3 window to the next; 0 where the taps do not lie like that.
static ptrdiff_t column_step(const thimble_depthwise_args *args) {
  if (args->tap_count != 9 || args->pixels < 2) return 0;
  ptrdiff_t step = args->taps[1] - args->taps[0];
  for (int r = 0; r < 3; r++)
    for (int x = 1; x < 3; x++)
      if (args->taps[3 * r + x] - args->taps[3 * r] != x * step) return 0;
  return step;
}

THIMBLE_AVX512 void thimble_depthwise_s8_vnni(const thimble_depthwise_args *args) {
  const size_t groups = (args->tap_count + 3) / 4, channels = args->channel_count;
  if (!args->requantization.is_bounded || groups > GROUPS_MAX) {
    thimble_depthwise_s8_portable(args);
    return;
  }
  const uint8_t *taps[GROUPS_MAX * 4];
  for (size_t t = 0; t < groups * 4; t++) taps[t] = args->taps[t < args->tap_count ? t : 0];  // padding has no weight
  chunk c;
  const size_t panels = (channels + 15) / 16;
  const ptrdiff_t step = column_step(args);
  const uint8_t *const rows[3] = {taps[0], taps[3 % (groups * 4)], taps[6 % (groups * 4)]};
  if ((channels == 16 || channels == 32) && args->pixel_stride == (ptrdiff_t)channels && args->out_stride == (ptrdiff_t)channels && args->pixels > 1) {
    const size_t panel[4] = {0, 1 % panels, 2 % panels, 3 % panels};
    load_chunk(&c, args, panel, groups);
    const size_t bytes = args->pixels * channels, whole = bytes / 64;
    if (bytes % 64)
      (groups == 3 ? run_3x3 : run_any)(
          args, &c, taps, (ptrdiff_t)whole * 64, 64, args->out + whole * 64, 64, 1, first_bytes(bytes % 64));
    if (step == 32 && channels == 32) {  // a chunk is two pixels: two columns on
      make_columns(&c);
      slide_2(args, &c, rows, 0, step, args->out, 64, whole, ~0ull);
    } else {
      (groups == 3 ? run_3x3 : run_any)(args, &c, taps, 0, 64, args->out, 64, whole, ~0ull);
    }
    return;
  }
  for (size_t first = 0; first < channels; first += 64) {
    const size_t p = first / 16, last = panels - 1;
    const size_t panel[4] = {p, p + 1 < last ? p + 1 : last, p + 2 < last ? p + 2 : last, p + 3 < last ? p + 3 : last};
    load_chunk(&c, args, panel, groups);
    uint8_t *out = args->out + first;
    const __mmask64 mask = first_bytes(channels - first);
    if (step != 0 && (args->pixel_stride == step || args->pixel_stride == 2 * step)) {
      make_columns(&c);
      (args->pixel_stride == step ? slide_1 : slide_2)(args, &c, rows, (ptrdiff_t)first, step, out, args->out_stride, args->pixels, mask);
    } else {
      (groups == 3 ? run_3x3 : run_any)(
          args, &c, taps, (ptrdiff_t)first, args->pixel_stride, out, args->out_stride, args->pixels, mask);
    }
  }
}
#endif
