// Rows of a 3×3 depthwise convolution with vpdpbusd.
//
// for each chunk of 64 lanes (64 channels of a pixel, 32 of two pixels, 16 of four or 8 of eight): bring weights into column order
//   for each row, for each output vector:
//     interleave the columns that are new: a dword holds the 3 rows of one channel (6 in-lane unpacks a column)
//     acc[v] += dot4(left, w₀[v]) + dot4(middle, w₁[v]) + dot4(right, w₂[v])      v = 0…3
//     requantize, pack (in-lane packs put the channels back in order), store
// A column serves as the right, the middle and the left one of three outputs (of two at stride 2).
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "depthwise_vnni.h"
#include "x86.h"
#include <string.h>

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

enum { PIXELS_MAX = 8 };

// Where the rows of one output row are, for the channels of a chunk.
typedef struct {
  const uint8_t *row[3];
  const uint8_t *outside;
  size_t width;            // columns of the input
  ptrdiff_t pixel_stride;  // bytes
  size_t stride;           // columns from one output pixel to the next
} picture;

// PIXELS pieces of 64 / PIXELS bytes, those of columns x, x + stride…
THIMBLE_AVX512_INLINE __m512i load_pieces(const size_t PIXELS, const uint8_t *const piece[PIXELS_MAX]) {
  if (PIXELS == 8) {
    int64_t pieces[8];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 8; i++) memcpy(pieces + i, piece[i], 8);
    return _mm512_loadu_si512(pieces);
  }
  if (PIXELS == 2) {
    __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)piece[0]));
    return _mm512_inserti64x4(low, _mm256_loadu_si256((const void *)piece[1]), 1);
  }
  return gather_lanes(piece[0], piece[1], piece[2], piece[3]);
}

// Column x of the windows: bytes (row 0, row 1, row 2, 0) of each channel.
THIMBLE_AVX512_INLINE void load_column(const size_t PIXELS, const picture *p, ptrdiff_t x, __m512i out[4]) {
  __m512i rows[3];
  const ptrdiff_t last = x + (ptrdiff_t)((PIXELS - 1) * p->stride);
  if (PIXELS == 1) {
    const bool is_inside = (size_t)x < p->width;
    const ptrdiff_t offset = x * p->pixel_stride;
    for (int r = 0; r < 3; r++) rows[r] = _mm512_loadu_si512(is_inside ? p->row[r] + offset : p->outside);
  } else if (x >= 0 && last < (ptrdiff_t)p->width && p->stride == 1 && p->pixel_stride == (ptrdiff_t)(64 / PIXELS)) {
    for (int r = 0; r < 3; r++) rows[r] = _mm512_loadu_si512(p->row[r] + x * p->pixel_stride);
  } else {
    for (int r = 0; r < 3; r++) {
      const uint8_t *piece[PIXELS_MAX];
#pragma clang loop unroll(full)
      for (size_t i = 0; i < PIXELS; i++) {
        const ptrdiff_t column = x + (ptrdiff_t)(i * p->stride);
        piece[i] = (size_t)column < p->width ? p->row[r] + column * p->pixel_stride : p->outside;
      }
      rows[r] = load_pieces(PIXELS, piece);
    }
  }
  const __m512i zero = _mm512_setzero_si512();
  __m512i ab_low = _mm512_unpacklo_epi8(rows[0], rows[1]), ab_high = _mm512_unpackhi_epi8(rows[0], rows[1]);
  __m512i c_low = _mm512_unpacklo_epi8(rows[2], zero), c_high = _mm512_unpackhi_epi8(rows[2], zero);
  out[0] = _mm512_unpacklo_epi16(ab_low, c_low);
  out[1] = _mm512_unpackhi_epi16(ab_low, c_low);
  out[2] = _mm512_unpacklo_epi16(ab_high, c_high);
  out[3] = _mm512_unpackhi_epi16(ab_high, c_high);
}

// Stores the first `channels` bytes of each piece of `count` pixels.
THIMBLE_AVX512_INLINE void store_pixels(
    const size_t PIXELS, __m512i bytes, uint8_t *out, ptrdiff_t pixel_stride, size_t channels, size_t count) {
  if (PIXELS == 1) {
    _mm512_mask_storeu_epi8(out, first_bytes(channels), bytes);
  } else if (pixel_stride == (ptrdiff_t)(64 / PIXELS)) {
    _mm512_mask_storeu_epi8(out, first_bytes(count * (64 / PIXELS)), bytes);
  } else if (PIXELS == 2) {
    const __mmask32 mask = (__mmask32)first_bytes(channels);
    _mm256_mask_storeu_epi8(out, mask, _mm512_castsi512_si256(bytes));
    if (count > 1) _mm256_mask_storeu_epi8(out + pixel_stride, mask, _mm512_extracti64x4_epi64(bytes, 1));
  } else if (PIXELS == 8) {
    uint8_t pixels[64];
    _mm512_storeu_si512(pixels, bytes);
    for (size_t i = 0; i < 8 && i < count; i++) memcpy(out + (ptrdiff_t)i * pixel_stride, pixels + 8 * i, channels < 8 ? channels : 8);
  } else {
    const __mmask16 mask = (__mmask16)first_bytes(channels);
    _mm_mask_storeu_epi8(out, mask, _mm512_castsi512_si128(bytes));
    if (count > 1) _mm_mask_storeu_epi8(out + pixel_stride, mask, _mm512_extracti32x4_epi32(bytes, 1));
    if (count > 2) _mm_mask_storeu_epi8(out + 2 * pixel_stride, mask, _mm512_extracti32x4_epi32(bytes, 2));
    if (count > 3) _mm_mask_storeu_epi8(out + 3 * pixel_stride, mask, _mm512_extracti32x4_epi32(bytes, 3));
  }
}

// COUNT output vectors, from three columns each: what they share is loaded once for all.
THIMBLE_AVX512_INLINE void finish_columns(
    const size_t COUNT, const bool IS_FLOOR, const bool IS_ASYMMETRIC, const thimble_depthwise_rows_args *args, const chunk *c,
    const __m512i (*const columns[2][3])[4], __m512i out[2]) {
  const __m512i ones = _mm512_set1_epi32(0x00010101), zero_point = _mm512_set1_epi32(args->weight_zero_point);
  __m512i acc[2][4];
#pragma clang loop unroll(full)
  for (int v = 0; v < 4; v++) {
    const __m512i left = c->weights[0][v], middle = c->weights[1][v], right = c->weights[2][v];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < COUNT; i++) {
      const __m512i *a = *columns[i][0], *b = *columns[i][1], *d = *columns[i][2];
      __m512i sum = _mm512_dpbusd_epi32(c->bias[v], a[v], left);
      sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, b[v], middle), d[v], right);
      if (IS_ASYMMETRIC) {
        __m512i bytes = _mm512_dpbusd_epi32(_mm512_setzero_si512(), a[v], ones);
        bytes = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(bytes, b[v], ones), d[v], ones);
        sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(bytes, zero_point));
      }
      acc[i][v] = requantize(sum, c->requantizers[v], IS_FLOOR);
    }
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < COUNT; i++)
    out[i] = clamp_bytes(pack_bytes(acc[i][0], acc[i][1], acc[i][2], acc[i][3]), &args->requantization);
}

// One output row. NEW: columns that an output vector does not share with the one before.
THIMBLE_AVX512_INLINE void slide(
    const size_t PIXELS, const int NEW, const bool IS_FLOOR, const bool IS_ASYMMETRIC, const thimble_depthwise_rows_args *args,
    const chunk *c, const picture *p, uint8_t *out, size_t channels) {
  // Sets of registers take turns as columns, so that nothing is moved.
  __m512i x[5][4], bytes[2];
  const ptrdiff_t step = (ptrdiff_t)args->dilation, advance = (ptrdiff_t)(PIXELS * args->stride);
  const ptrdiff_t out_advance = (ptrdiff_t)PIXELS * args->pixel_stride;
  ptrdiff_t column = -(ptrdiff_t)args->padding;
  size_t pixels_left = args->output_width;
  if (NEW < 3) load_column(PIXELS, p, column, x[0]);
  if (NEW < 2) load_column(PIXELS, p, column + step, x[1]);
#define FINISH(COUNT, A, B, C, D, E, F)                                                                        \
  {                                                                                                            \
    const __m512i(*const columns[2][3])[4] = {{&x[A], &x[B], &x[C]}, {&x[D], &x[E], &x[F]}};                   \
    finish_columns(COUNT, IS_FLOOR, IS_ASYMMETRIC, args, c, columns, bytes);                                   \
    store_pixels(PIXELS, bytes[0], out, args->pixel_stride, channels, pixels_left);                            \
    if (COUNT > 1) store_pixels(PIXELS, bytes[1], out + out_advance, args->pixel_stride, channels, pixels_left - PIXELS); \
    if (pixels_left <= (COUNT) * PIXELS) return;                                                               \
    pixels_left -= (COUNT) * PIXELS, column += (COUNT) * advance, out += (COUNT) * out_advance;                \
  }
  // Two output vectors from columns A B C D (NEW = 1) or A B C D E (NEW = 2), of which the last two, or the last one, stay.
#define PAIR_1(A, B, C, D)                                 \
  load_column(PIXELS, p, column + 2 * step, x[C]);         \
  if (pixels_left <= PIXELS) FINISH(1, A, B, C, A, B, C)   \
  load_column(PIXELS, p, column + 3 * step, x[D]);         \
  FINISH(2, A, B, C, B, C, D)
#define PAIR_2(A, B, C, D, E)                              \
  load_column(PIXELS, p, column + step, x[B]);             \
  load_column(PIXELS, p, column + 2 * step, x[C]);         \
  if (pixels_left <= PIXELS) FINISH(1, A, B, C, A, B, C)   \
  load_column(PIXELS, p, column + 3 * step, x[D]);         \
  load_column(PIXELS, p, column + 4 * step, x[E]);         \
  FINISH(2, A, B, C, C, D, E)
  for (;;) {
    if (NEW == 1) {
      PAIR_1(0, 1, 2, 3)
      PAIR_1(2, 3, 0, 1)
    } else if (NEW == 2) {
      PAIR_2(0, 1, 2, 3, 4)
      PAIR_2(4, 1, 2, 3, 0)
    } else {
      load_column(PIXELS, p, column, x[0]);
      load_column(PIXELS, p, column + step, x[1]);
      load_column(PIXELS, p, column + 2 * step, x[2]);
      FINISH(1, 0, 1, 2, 0, 1, 2)
    }
  }
#undef PAIR_1
#undef PAIR_2
#undef FINISH
}

#define SLIDE(PIXELS, NEW)                                                                                              \
  THIMBLE_AVX512 static void slide_##PIXELS##_##NEW(                                                                    \
      const thimble_depthwise_rows_args *args, const chunk *c, const picture *p, uint8_t *out, size_t channels) {       \
    const bool floor = is_floor(&args->requantization), asymmetric = args->weight_zero_point != 0;                      \
    if (floor && !asymmetric)                                                                                           \
      slide(PIXELS, NEW, true, false, args, c, p, out, channels);                                                       \
    else if (floor)                                                                                                     \
      slide(PIXELS, NEW, true, true, args, c, p, out, channels);                                                        \
    else if (!asymmetric)                                                                                               \
      slide(PIXELS, NEW, false, false, args, c, p, out, channels);                                                      \
    else                                                                                                                \
      slide(PIXELS, NEW, false, true, args, c, p, out, channels);                                                       \
  }
SLIDE(1, 1)
SLIDE(1, 2)
SLIDE(1, 3)
SLIDE(2, 2)
SLIDE(2, 3)
SLIDE(4, 3)
SLIDE(8, 3)

typedef void (*slide_function)(
    const thimble_depthwise_rows_args *args, const chunk *c, const picture *p, uint8_t *out, size_t channels);

static slide_function find_slide(const thimble_depthwise_rows_args *args, size_t pixels) {
  const size_t advance = pixels * args->stride;
  if (pixels == 1) return advance == args->dilation ? slide_1_1 : advance == 2 * args->dilation ? slide_1_2 : slide_1_3;
  if (pixels == 2) return advance == 2 * args->dilation ? slide_2_2 : slide_2_3;
  return pixels == 4 ? slide_4_3 : slide_8_3;
}

THIMBLE_AVX512 void thimble_depthwise_rows_vnni(const thimble_depthwise_rows_args *args) {
  if (args->kernel_height != 3 || args->kernel_width != 3 || !args->requantization.is_bounded) {
    thimble_depthwise_rows_by_taps(args, thimble_depthwise_s8_vnni);
    return;
  }
  chunk c;
  const size_t last = (args->channel_count + 15) / 16 - 1;
  for (size_t first = 0; first < args->channel_count; first += 64) {
    const size_t left = args->channel_count - first, p = first / 16;
    const size_t pixels = left > 32 ? 1 : left > 16 ? 2 : left > 8 ? 4 : 8;
    const size_t panels_a_pixel = pixels < 4 ? 4 / pixels : 1;
    size_t panel[4];
    for (size_t l = 0; l < 4; l++) panel[l] = p + l % panels_a_pixel < last ? p + l % panels_a_pixel : last;
    load_chunk(&c, args->weights, args->channels, &args->requantization, panel, 3, pixels == 8);
    make_columns(&c);
    const slide_function slide = find_slide(args, pixels);
    for (size_t r = 0; r < args->row_count; r++) {
      const uint8_t *const *rows = args->rows + 3 * r;
      const picture view = {
          .row = {rows[0] + first, rows[1] + first, rows[2] + first},
          .outside = args->outside + first,
          .width = args->input_width,
          .pixel_stride = args->pixel_stride,
          .stride = args->stride,
      };
      slide(args, &c, &view, args->out[r] + first, left);
    }
  }
}
#endif
