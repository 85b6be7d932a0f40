// What the depthwise kernels share: weights and per-channel numbers of 64 lanes in the order that interleaving gives.
#ifndef THIMBLE_DEPTHWISE_VNNI_H
#define THIMBLE_DEPTHWISE_VNNI_H
#include "requantize_avx512.h"

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

// panel[l] is the panel of lane l; a lane holds its channels 0…15, or channels 0…7 twice. Lanes past the last channel repeat a
// panel; their bytes are not stored.
THIMBLE_AVX512_INLINE void load_chunk(
    chunk *c, const int8_t *weights, const thimble_channels16 *all_channels, const thimble_requantization *rq, const size_t panel[4],
    size_t groups, bool is_half) {
  const int8_t *w[4];
  const thimble_channels16 *channels[4];
  for (int l = 0; l < 4; l++) {
    w[l] = weights + panel[l] * groups * 64;
    channels[l] = all_channels + panel[l];
  }
  for (int v = 0; v < 4; v++) {
    const int quad = is_half ? v % 2 : v;  // of 4 channels
    for (size_t g = 0; g < groups; g++) {
      size_t at = g * 64 + (size_t)quad * 16;
      c->weights[g][v] = gather_lanes(w[0] + at, w[1] + at, w[2] + at, w[3] + at);
    }
    c->bias[v] = gather_lanes(channels[0]->bias + 4 * quad, channels[1]->bias + 4 * quad, channels[2]->bias + 4 * quad, channels[3]->bias + 4 * quad);
    __m512i multiplier = gather_lanes(
        channels[0]->multiplier + 4 * quad, channels[1]->multiplier + 4 * quad, channels[2]->multiplier + 4 * quad, channels[3]->multiplier + 4 * quad);
    __m512i shift = gather_lanes(
        channels[0]->shift + 4 * quad, channels[1]->shift + 4 * quad, channels[2]->shift + 4 * quad, channels[3]->shift + 4 * quad);
    c->requantizers[v] = make_requantizer(multiplier, shift, rq, is_floor(rq));
  }
}
#endif
