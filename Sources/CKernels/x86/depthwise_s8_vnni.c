// Depthwise convolution of any window with vpdpbusd, 64 channels at a time.
//
// for each chunk of 64 channels: bring weights and per-channel numbers into the order the interleave gives
//   for each pixel, for each group of 4 taps:
//     interleave 4 taps × 64 channels so that a dword holds the 4 taps of one channel (8 in-lane unpacks)
//     acc[v] += dot4(taps, w[v])       v = 0…3: lane l of vector v holds channels 16·l + 4·v … + 3
//   requantize, pack (in-lane packs put the channels back in order), store
#if defined(__x86_64__)
#include "../portable/portable.h"
#include "depthwise_vnni.h"
#include "x86.h"

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
    const bool IS_FLOOR, const bool IS_ASYMMETRIC, const thimble_depthwise_args *args, const chunk *c,
    const uint8_t *const *taps, ptrdiff_t offset, ptrdiff_t stride, uint8_t *out, ptrdiff_t out_stride, size_t count, __mmask64 mask) {
  const size_t groups = (args->tap_count + 3) / 4;
  // The last group counts only the taps it has.
  const int32_t last_ones = (int32_t)(0x01010101u >> 8 * (groups * 4 - args->tap_count));
  const __m512i zero_point = _mm512_set1_epi32(args->weight_zero_point);
  for (size_t i = 0; i < count; i++, offset += stride, out += out_stride) {
    __m512i acc[4], sum[4];
    for (int v = 0; v < 4; v++) acc[v] = c->bias[v], sum[v] = _mm512_setzero_si512();
    for (size_t g = 0; g < groups; g++) {
      __m512i x[4];
      interleave(taps + 4 * g, offset, x);
      for (int v = 0; v < 4; v++) acc[v] = _mm512_dpbusd_epi32(acc[v], x[v], c->weights[g][v]);
      if (IS_ASYMMETRIC) {
        __m512i ones = _mm512_set1_epi32(g + 1 == groups ? last_ones : 0x01010101);
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

THIMBLE_AVX512 static void run(
    const thimble_depthwise_args *args, const chunk *c, const uint8_t *const *taps, ptrdiff_t offset, ptrdiff_t stride, uint8_t *out,
    ptrdiff_t out_stride, size_t count, __mmask64 mask) {
  const bool floor = is_floor(&args->requantization), asymmetric = args->weight_zero_point != 0;
  if (floor && !asymmetric)
    run_chunks(true, false, args, c, taps, offset, stride, out, out_stride, count, mask);
  else if (floor)
    run_chunks(true, true, args, c, taps, offset, stride, out, out_stride, count, mask);
  else if (!asymmetric)
    run_chunks(false, false, args, c, taps, offset, stride, out, out_stride, count, mask);
  else
    run_chunks(false, true, args, c, taps, offset, stride, out, out_stride, count, mask);
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
  for (size_t first = 0; first < channels; first += 64) {
    const size_t p = first / 16, last = panels - 1;
    const size_t panel[4] = {p, p + 1 < last ? p + 1 : last, p + 2 < last ? p + 2 : last, p + 3 < last ? p + 3 : last};
    load_chunk(&c, args->weights, args->channels, &args->requantization, panel, groups, false);
    run(
        args, &c, taps, (ptrdiff_t)first, args->pixel_stride, args->out + first, args->out_stride, args->pixels,
        first_bytes(channels - first));
  }
}
#endif
