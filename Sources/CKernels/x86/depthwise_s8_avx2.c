// Depthwise convolution, 16 channels at a time, with vpmaddwd on bytes widened to 16 bits.
//
// for each chunk of panels, of 16 channels each: widen weights, take their zero point off, put those of two taps next to each other
//   for each run of pixels whose windows lie alike, for each panel, for each two pixels:
//     for each two taps: widen 16 channels of both as they are loaded, interleave;  acc[v] += pairs of taps · w[v]
//                                                                 v = 0: channels 0…3 and 8…11; v = 1: 4…7 and 12…15
//     requantize, pack (in-lane packs put the channels back in order), store
#if defined(__x86_64__)
#include "../portable/depthwise_window.h"
#include "../portable/portable.h"
#include "requantize_avx2.h"
#include "x86.h"

// Larger windows are left to the portable kernel. 4 panels are a cache line of a pixel; large windows leave room for fewer.
enum { TAPS_MAX = 64, PANELS_MAX = 4 };

// One panel's numbers.
typedef struct {
  const __m256i *weights;  // [pairs of taps][2]
  __m256i bias[2];
  requantizer requantizers[2];
} panel;

typedef struct {
  __m256i weights[TAPS_MAX];
  panel panels[PANELS_MAX];
  size_t panel_count, tap_count;
  const thimble_requantization *requantization;
} chunk;

THIMBLE_AVX2_INLINE __m256i load_lanes(const void *low, const void *high) {
  return _mm256_set_m128i(_mm_loadu_si128(high), _mm_loadu_si128(low));
}

// weights: [groups][16][4], those of the panel → out: [pairs of taps][2].
THIMBLE_AVX2_INLINE void load_weights(__m256i *out, const int8_t *weights, int32_t weight_zero_point, size_t tap_count) {
  const __m256i zero_point = _mm256_set1_epi16((int16_t)weight_zero_point);
  for (size_t t = 0; t < tap_count; t += 4) {
    // Taps past the last one weigh nothing, zero point or not.
    const size_t left = tap_count - t;
    const __m256i counted = _mm256_set1_epi64x(left >= 4 ? -1 : ((int64_t)1 << 16 * left) - 1);
    for (size_t v = 0; v < 2; v++) {
      const int8_t *w = weights + 16 * t + 16 * v;
      __m256i low = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)w));
      __m256i high = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(w + 32)));
      low = _mm256_and_si256(_mm256_sub_epi16(low, zero_point), counted);
      high = _mm256_and_si256(_mm256_sub_epi16(high, zero_point), counted);
#define PAIRS(from) _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), from))
      out[t + v] = swap_middle(PAIRS(0x88));
      out[t + 2 + v] = swap_middle(PAIRS(0xDD));
#undef PAIRS
    }
  }
}

// Panels from number `first` on, as many as there is room for.
THIMBLE_AVX2_INLINE void load_chunk(
    chunk *c, const int8_t *weights, int32_t weight_zero_point, const thimble_channels16 *channels, const thimble_requantization *rq,
    size_t tap_count, size_t first, size_t panel_count) {
  const size_t vectors = (tap_count + 3) / 4 * 4;
  const size_t room = TAPS_MAX / vectors < PANELS_MAX ? TAPS_MAX / vectors : PANELS_MAX;
  c->panel_count = panel_count - first < room ? panel_count - first : room;
  c->tap_count = tap_count;
  c->requantization = rq;
  for (size_t i = 0; i < c->panel_count; i++) {
    panel *p = c->panels + i;
    const thimble_channels16 *numbers = channels + first + i;
    load_weights(c->weights + i * vectors, weights + (first + i) * vectors * 16, weight_zero_point, tap_count);
    p->weights = c->weights + i * vectors;
    for (size_t v = 0; v < 2; v++) {
      p->bias[v] = load_lanes(numbers->bias + 4 * v, numbers->bias + 4 * v + 8);
      p->requantizers[v] = make_requantizer(
          load_lanes(numbers->multiplier + 4 * v, numbers->multiplier + 4 * v + 8),
          load_lanes(numbers->shift + 4 * v, numbers->shift + 4 * v + 8), rq);
    }
  }
}

// PIXELS pixels `stride` bytes apart, the first `offset` bytes from where the taps are. TAPS: their number, or 0: c->tap_count.
THIMBLE_AVX2_INLINE void run_pixels(
    const size_t PIXELS, const size_t TAPS, const bool IS_FLOOR, const chunk *c, const panel *p, const uint8_t *const *taps,
    ptrdiff_t offset, ptrdiff_t stride, uint8_t *out, ptrdiff_t out_stride, size_t channels) {
  const size_t tap_count = TAPS > 0 ? TAPS : c->tap_count;
  __m256i acc[2][2];
  for (size_t i = 0; i < PIXELS; i++) acc[i][0] = p->bias[0], acc[i][1] = p->bias[1];
  for (size_t t = 0; t < tap_count; t += 2) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < PIXELS; i++) {
      const ptrdiff_t at = offset + (ptrdiff_t)i * stride;
      const __m256i first = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(taps[t] + at)));
      const __m256i second =
          t + 1 < tap_count ? _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(taps[t + 1] + at))) : _mm256_setzero_si256();
      acc[i][0] = _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), p->weights[t]));
      acc[i][1] = _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), p->weights[t + 1]));
    }
  }
  __m256i words[2];
  for (size_t i = 0; i < PIXELS; i++)
    words[i] = _mm256_packs_epi32(requantize(acc[i][0], &p->requantizers[0], IS_FLOOR), requantize(acc[i][1], &p->requantizers[1], IS_FLOOR));
  const __m256i bytes = swap_middle(clamp_bytes(_mm256_packus_epi16(words[0], words[PIXELS - 1]), c->requantization));
  store_bytes(_mm256_castsi256_si128(bytes), out, channels);
  if (PIXELS > 1) store_bytes(_mm256_extracti128_si256(bytes, 1), out + out_stride, channels);
}

// `channels`: of this chunk and all after it. Taps of a pixel lie `stride` bytes from those of the pixel before.
THIMBLE_AVX2_INLINE void run_taps(
    const size_t TAPS, const bool IS_FLOOR, const chunk *c, const uint8_t *const *taps, ptrdiff_t stride, size_t pixels, uint8_t *out,
    ptrdiff_t out_stride, size_t channels) {
  for (size_t i = 0; i < c->panel_count; i++) {
    ptrdiff_t offset = 16 * (ptrdiff_t)i;
    uint8_t *to = out + offset;
    size_t left = pixels;
    for (; left >= 2; left -= 2, offset += 2 * stride, to += 2 * out_stride)
      run_pixels(2, TAPS, IS_FLOOR, c, c->panels + i, taps, offset, stride, to, out_stride, channels - 16 * i);
    if (left > 0) run_pixels(1, TAPS, IS_FLOOR, c, c->panels + i, taps, offset, stride, to, out_stride, channels - 16 * i);
  }
}

THIMBLE_AVX2 static void run(
    const chunk *c, const uint8_t *const *taps, ptrdiff_t stride, size_t pixels, uint8_t *out, ptrdiff_t out_stride, size_t channels) {
  const bool floor = is_floor(c->requantization);
  if (c->tap_count == 9 && floor)
    run_taps(9, true, c, taps, stride, pixels, out, out_stride, channels);
  else if (c->tap_count == 9)
    run_taps(9, false, c, taps, stride, pixels, out, out_stride, channels);
  else if (floor)
    run_taps(0, true, c, taps, stride, pixels, out, out_stride, channels);
  else
    run_taps(0, false, c, taps, stride, pixels, out, out_stride, channels);
}

THIMBLE_AVX2 void thimble_depthwise_s8_avx2(const thimble_depthwise_args *args) {
  if (!args->requantization.is_bounded || args->tap_count > TAPS_MAX) {
    thimble_depthwise_s8_portable(args);
    return;
  }
  const size_t panel_count = (args->channel_count + 15) / 16;
  chunk c;
  for (size_t first = 0; first < panel_count; first += c.panel_count) {
    load_chunk(
        &c, args->weights, args->weight_zero_point, args->channels, &args->requantization, args->tap_count, first, panel_count);
    const uint8_t *taps[TAPS_MAX];
    for (size_t t = 0; t < args->tap_count; t++) taps[t] = args->taps[t] + 16 * first;
    run(&c, taps, args->pixel_stride, args->pixels, args->out + 16 * first, args->out_stride, args->channel_count - 16 * first);
  }
}

// `count` output pixels from column x of row r, whose taps are all inside or all outside together.
static void run_row(const thimble_depthwise_rows_args *args, const chunk *c, size_t first, size_t r, size_t x, size_t count) {
  const uint8_t *taps[TAPS_MAX];
  size_t t = 0;
  for (size_t ky = 0; ky < args->kernel_height; ky++)
    for (size_t kx = 0; kx < args->kernel_width; kx++) taps[t++] = thimble_depthwise_tap(args, r, x, ky, kx) + 16 * first;
  run(c, taps, (ptrdiff_t)args->stride * args->pixel_stride, count, args->out[r] + (ptrdiff_t)x * args->pixel_stride + 16 * first,
      args->pixel_stride, args->channel_count - 16 * first);
}

THIMBLE_AVX2 void thimble_depthwise_rows_avx2(const thimble_depthwise_rows_args *args) {
  const size_t tap_count = args->kernel_height * args->kernel_width, panel_count = (args->channel_count + 15) / 16;
  if (!args->requantization.is_bounded || tap_count > TAPS_MAX) {
    thimble_depthwise_rows_by_taps(args, thimble_depthwise_s8_portable);
    return;
  }
  const thimble_column_span inside = thimble_depthwise_inside(args);
  chunk c;
  for (size_t first = 0; first < panel_count; first += c.panel_count) {
    load_chunk(&c, args->weights, args->weight_zero_point, args->channels, &args->requantization, tap_count, first, panel_count);
    for (size_t r = 0; r < args->row_count; r++) {
      for (size_t x = 0; x < inside.begin; x++) run_row(args, &c, first, r, x, 1);
      if (inside.begin < inside.end) run_row(args, &c, first, r, inside.begin, inside.end - inside.begin);
      for (size_t x = inside.end; x < args->output_width; x++) run_row(args, &c, first, r, x, 1);
    }
  }
}
#endif
