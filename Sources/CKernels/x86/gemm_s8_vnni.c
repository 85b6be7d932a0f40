// Matrix product of unsigned activations and signed weights with vpdpbusd: 16 channels × 4 bytes an instruction.
//
// for each tile of MR pixels × NR panels:
//   acc[i][j] = bias[j] + pixel_bias[i]
//   for each run, for each group of 4 bytes:
//     acc[i][j] += dot4(broadcast x[i], w[j])
//   requantize, pack to bytes, store under a mask
#if defined(__x86_64__)
#include <string.h>

#include "../portable/fixed_point.h"
#include "requantize_avx512.h"
#include "x86.h"

// Most pixels of a tile by its panels: accumulators, weights and a broadcast fill the 32 registers.
enum { PANELS_MAX = 4, PIXELS_MAX = 12, CHAINS_MAX = 4 };
static const size_t tile_pixels[PANELS_MAX + 1] = {0, 12, 12, 8, 6};
// Weights that stay in the first-level cache: then pixels are the outer loop, else panels.
enum { RESIDENT_WEIGHT_BYTES = 20000, RESIDENT_PANELS = 16 };

// Finishes a tile whose requantization the vector forms do not cover. acc: [pixels][panels][16].
__attribute__((noinline)) static void finish_scalar(
    const thimble_gemm_args *args, const int32_t *acc, size_t pixels, size_t panels, size_t pixel, size_t panel) {
  const thimble_requantization *rq = &args->requantization;
  for (size_t i = 0; i < pixels; i++) {
    uint8_t *out = args->out + (ptrdiff_t)(pixel + i) * args->out_stride;
    for (size_t n = panel * 16; n < (panel + panels) * 16 && n < args->out_channels; n++) {
      const thimble_channels16 *channels = args->channels + n / 16;
      int32_t multiplier = channels->multiplier[n % 16], shift = channels->shift[n % 16];
      int32_t sum = acc[(i * panels - panel) * 16 + n];
      int32_t value = rq->rounds_once ? thimble_requantize_once(sum, multiplier, shift) : thimble_requantize(sum, multiplier, shift);
      out[n] = (uint8_t)thimble_clamp((int32_t)((uint32_t)value + (uint32_t)rq->zero_point), rq->clamp_min, rq->clamp_max);
    }
  }
}

// Group g of MR pixels and NR panels.
THIMBLE_AVX512_INLINE void multiply_group(
    const size_t MR, const size_t NR, __m512i acc[PIXELS_MAX][PANELS_MAX], const uint8_t *const x[PIXELS_MAX], const int8_t *w,
    size_t panel_bytes, size_t g) {
  __m512i weights[PANELS_MAX];
#pragma clang loop unroll(full)
  for (size_t j = 0; j < NR; j++) weights[j] = _mm512_loadu_si512(w + j * panel_bytes + g * 64);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < MR; i++) {
    int32_t four;
    memcpy(&four, x[i] + 4 * g, 4);
    __m512i activations = _mm512_set1_epi32(four);
#pragma clang loop unroll(full)
    for (size_t j = 0; j < NR; j++) acc[i][j] = _mm512_dpbusd_epi32(acc[i][j], activations, weights[j]);
  }
}

THIMBLE_AVX512_INLINE void tile(
    const size_t MR, const size_t NR, const thimble_gemm_args *args, size_t pixel, size_t panel, const requantizer *requantizers) {
  __m512i acc[PIXELS_MAX][PANELS_MAX];
  const thimble_channels16 *channels = args->channels + panel;
  const size_t groups = args->groups;
  const ptrdiff_t pixel_stride = args->pixel_stride;
  const size_t panel_bytes = args->run_count * groups * 64;
#pragma clang loop unroll(full)
  for (size_t j = 0; j < NR; j++) {
    __m512i bias = _mm512_loadu_si512(channels[j].bias);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) acc[i][j] = bias;
  }
  if (args->pixel_bias) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) {
      __m512i bias = _mm512_set1_epi32(args->pixel_bias[pixel + i]);
#pragma clang loop unroll(full)
      for (size_t j = 0; j < NR; j++) acc[i][j] = _mm512_add_epi32(acc[i][j], bias);
    }
  }
  // A sum waits for the one before it: small tiles add up several, over every CHAINS-th group each.
  const size_t CHAINS = MR * NR <= 2 ? 4 : MR * NR <= 4 ? 2 : 1;
  __m512i more[CHAINS_MAX - 1][PIXELS_MAX][PANELS_MAX];
  if (CHAINS > 1) {
#pragma clang loop unroll(full)
    for (size_t chain = 1; chain < CHAINS; chain++)
#pragma clang loop unroll(full)
      for (size_t i = 0; i < MR; i++)
#pragma clang loop unroll(full)
        for (size_t j = 0; j < NR; j++) more[chain - 1][i][j] = _mm512_setzero_si512();
  }
  const int8_t *w = args->weights + panel * panel_bytes;
  for (size_t r = 0; r < args->run_count; r++, w += groups * 64) {
    const uint8_t *x[PIXELS_MAX];
    const uint8_t *run = args->runs[r] + (ptrdiff_t)pixel * pixel_stride;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) x[i] = run + (ptrdiff_t)i * pixel_stride;
    size_t g = 0;
    if (CHAINS > 1) {
#pragma clang loop unroll(disable)
      for (; g + CHAINS <= groups; g += CHAINS) {
#pragma clang loop unroll(full)
        for (size_t chain = 0; chain < CHAINS; chain++) multiply_group(MR, NR, chain == 0 ? acc : more[chain - 1], x, w, panel_bytes, g + chain);
      }
    }
#pragma clang loop unroll(disable)
    for (; g < groups; g++) multiply_group(MR, NR, acc, x, w, panel_bytes, g);
  }
  if (CHAINS > 1) {
#pragma clang loop unroll(full)
    for (size_t chain = 1; chain < CHAINS; chain++)
#pragma clang loop unroll(full)
      for (size_t i = 0; i < MR; i++)
#pragma clang loop unroll(full)
        for (size_t j = 0; j < NR; j++) acc[i][j] = _mm512_add_epi32(acc[i][j], more[chain - 1][i][j]);
  }

  const thimble_requantization *rq = &args->requantization;
  if (!rq->is_bounded) {
    int32_t sums[PIXELS_MAX * PANELS_MAX * 16];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) {
#pragma clang loop unroll(full)
      for (size_t j = 0; j < NR; j++) _mm512_storeu_si512(sums + (i * NR + j) * 16, acc[i][j]);
    }
    finish_scalar(args, sums, MR, NR, pixel, panel);
    return;
  }
  if (is_floor(rq)) {
#pragma clang loop unroll(full)
    for (size_t j = 0; j < NR; j++) {
#pragma clang loop unroll(full)
      for (size_t i = 0; i < MR; i++) acc[i][j] = requantize(acc[i][j], requantizers[j], true);
    }
  } else {
#pragma clang loop unroll(full)
    for (size_t j = 0; j < NR; j++) {
#pragma clang loop unroll(full)
      for (size_t i = 0; i < MR; i++) acc[i][j] = requantize(acc[i][j], requantizers[j], false);
    }
  }

  const size_t columns = args->out_channels - panel * 16;
  uint8_t *out = args->out + (ptrdiff_t)pixel * args->out_stride + panel * 16;
  // A vector holds 4 panels: those of one pixel, or of 2 or 4 pixels.
  const size_t PIXELS = NR == 1 ? 4 : NR == 2 ? 2 : 1;
  const __mmask64 mask = first_bytes(columns < NR * 16 ? columns : NR * 16);
  const bool is_dense = PIXELS > 1 && columns == NR * 16 && args->out_stride == (ptrdiff_t)(NR * 16);
  const __m512i zero = _mm512_setzero_si512();
#pragma clang loop unroll(full)
  for (size_t i = 0; i < MR; i += PIXELS) {
#define VALUE(P, J) ((P) < PIXELS && i + (P) < MR && (J) < NR ? acc[i + (P) < MR ? i + (P) : 0][J] : zero)
    __m512i bytes = NR == 1   ? pack_bytes(VALUE(0, 0), VALUE(1, 0), VALUE(2, 0), VALUE(3, 0))
                    : NR == 2 ? pack_bytes(VALUE(0, 0), VALUE(0, 1), VALUE(1, 0), VALUE(1, 1))
                              : pack_bytes(VALUE(0, 0), VALUE(0, 1), VALUE(0, 2), VALUE(0, 3));
#undef VALUE
    bytes = clamp_bytes(order_panels(bytes), rq);
    uint8_t *to = out + (ptrdiff_t)i * args->out_stride;
    if (PIXELS == 1) {
      _mm512_mask_storeu_epi8(to, mask, bytes);
    } else if (is_dense) {
      _mm512_mask_storeu_epi8(to, first_bytes((MR - i < PIXELS ? MR - i : PIXELS) * NR * 16), bytes);
    } else if (NR == 2) {
      _mm256_mask_storeu_epi8(to, (__mmask32)mask, _mm512_castsi512_si256(bytes));
      if (i + 1 < MR) _mm256_mask_storeu_epi8(to + args->out_stride, (__mmask32)mask, _mm512_extracti64x4_epi64(bytes, 1));
    } else {
      _mm_mask_storeu_epi8(to, (__mmask16)mask, _mm512_castsi512_si128(bytes));
      if (i + 1 < MR) _mm_mask_storeu_epi8(to + args->out_stride, (__mmask16)mask, _mm512_extracti32x4_epi32(bytes, 1));
      if (i + 2 < MR) _mm_mask_storeu_epi8(to + 2 * args->out_stride, (__mmask16)mask, _mm512_extracti32x4_epi32(bytes, 2));
      if (i + 3 < MR) _mm_mask_storeu_epi8(to + 3 * args->out_stride, (__mmask16)mask, _mm512_extracti32x4_epi32(bytes, 3));
    }
  }
}

#define TILE(MR, NR) \
  THIMBLE_AVX512 static void tile_##MR##x##NR(                                                        \
      const thimble_gemm_args *args, size_t pixel, size_t panel, const requantizer *requantizers) {   \
    tile(MR, NR, args, pixel, panel, requantizers);                                                   \
  }
#define TILES_6(F, NR) F(1, NR) F(2, NR) F(3, NR) F(4, NR) F(5, NR) F(6, NR)
#define TILES_8(F, NR) TILES_6(F, NR) F(7, NR) F(8, NR)
#define TILES_12(F, NR) TILES_8(F, NR) F(9, NR) F(10, NR) F(11, NR) F(12, NR)
TILES_12(TILE, 1)
TILES_12(TILE, 2)
TILES_8(TILE, 3)
TILES_6(TILE, 4)

typedef void (*tile_function)(const thimble_gemm_args *args, size_t pixel, size_t panel, const requantizer *requantizers);
#define ENTRY(MR, NR) [NR][MR] = tile_##MR##x##NR,
static const tile_function tiles[PANELS_MAX + 1][PIXELS_MAX + 1] = {TILES_12(ENTRY, 1) TILES_12(ENTRY, 2) TILES_8(ENTRY, 3) TILES_6(ENTRY, 4)};

// Panels of the next tile: 4, but 5, 6 and 9 panels are cut more evenly.
static inline size_t next_panels(size_t left) { return left == 5 || left == 6 || left == 9 ? 3 : left < PANELS_MAX ? left : PANELS_MAX; }

// Pixels [begin, end) of a group of panels, in tiles of nearly equal height.
THIMBLE_AVX512_INLINE void run_pixels(
    const thimble_gemm_args *args, size_t begin, size_t end, size_t panel, size_t panels, const requantizer *requantizers) {
  size_t count = (end - begin + tile_pixels[panels] - 1) / tile_pixels[panels];
  for (; count > 0; count--) {
    size_t pixels = (end - begin + count - 1) / count;
    tiles[panels][pixels](args, begin, panel, requantizers);
    begin += pixels;
  }
}

THIMBLE_AVX512_INLINE void load_requantizers(const thimble_gemm_args *args, size_t panel, size_t panels, requantizer *requantizers) {
  const thimble_channels16 *channels = args->channels + panel;
  for (size_t j = 0; j < panels; j++)
    requantizers[j] = make_requantizer(
        _mm512_loadu_si512(channels[j].multiplier), _mm512_loadu_si512(channels[j].shift), &args->requantization,
        is_floor(&args->requantization));
}

THIMBLE_AVX512 void thimble_gemm_s8_vnni(const thimble_gemm_args *args) {
  requantizer requantizers[RESIDENT_PANELS];
  if (args->panels <= RESIDENT_PANELS && args->panels * args->run_count * args->groups * 64 <= RESIDENT_WEIGHT_BYTES) {
    load_requantizers(args, 0, args->panels, requantizers);
    // 24 pixels are whole tiles of every width.
    for (size_t pixel = 0; pixel < args->pixels; pixel += 24) {
      size_t end = pixel + 24 < args->pixels ? pixel + 24 : args->pixels;
      for (size_t panel = 0, panels; panel < args->panels; panel += panels) {
        panels = next_panels(args->panels - panel);
        run_pixels(args, pixel, end, panel, panels, requantizers + panel);
      }
    }
  } else {
    for (size_t panel = 0, panels; panel < args->panels; panel += panels) {
      panels = next_panels(args->panels - panel);
      load_requantizers(args, panel, panels, requantizers);
      run_pixels(args, 0, args->pixels, panel, panels, requantizers);
    }
  }
}

// Sums of the two quadwords of each 128-bit lane, dword by dword: those of x in the lane's low half, those of y in its high.
THIMBLE_AVX512_INLINE __m512i add_dword_pairs(__m512i x, __m512i y) {
  return _mm512_add_epi32(_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
}

// Σ of the bytes of each pixel's runs, by vpsadbw: 8 sums a pixel, which 8 pixels then add up together.
THIMBLE_AVX512 void thimble_pixel_bias_vnni(const thimble_pixel_bias_args *args) {
  for (size_t first = 0; first < args->pixels; first += 8) {
    const size_t left = args->pixels - first;
    __m512i sums[8];
    ptrdiff_t offsets[8];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 8; i++) {
      sums[i] = _mm512_setzero_si512();
      offsets[i] = (ptrdiff_t)(first + (i < left ? i : left - 1)) * args->pixel_stride;
    }
    for (size_t r = 0; r < args->run_count; r++) {
      for (size_t k = 0; k < args->run_bytes; k += 64) {
        const __mmask64 mask = first_bytes(args->run_bytes - k);
#pragma clang loop unroll(full)
        for (size_t i = 0; i < 8; i++) {
          __m512i bytes = _mm512_maskz_loadu_epi8(mask, args->runs[r] + offsets[i] + k);
          sums[i] = _mm512_add_epi64(sums[i], _mm512_sad_epu8(bytes, _mm512_setzero_si512()));
        }
      }
    }
    // A quadword's sum fits its low dword: pixels 0 2 4 6 in the low dwords, 1 3 5 7 in the high ones.
    __m512i pairs[4];
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 4; i++) pairs[i] = _mm512_mask_shuffle_epi32(sums[2 * i], 0xAAAA, sums[2 * i + 1], 0xA0);
    // A lane now holds pixels 0…3, or 4…7.
    __m512i low = add_dword_pairs(pairs[0], pairs[1]), high = add_dword_pairs(pairs[2], pairs[3]);
    __m512i lanes = _mm512_add_epi32(_mm512_shuffle_i32x4(low, high, 0x88), _mm512_shuffle_i32x4(low, high, 0xDD));
    __m256i both = _mm256_add_epi32(
        _mm512_castsi512_si256(_mm512_permutex2var_epi64(lanes, _mm512_setr_epi64(0, 1, 4, 5, 0, 0, 0, 0), lanes)),
        _mm512_castsi512_si256(_mm512_permutex2var_epi64(lanes, _mm512_setr_epi64(2, 3, 6, 7, 0, 0, 0, 0), lanes)));
    _mm256_mask_storeu_epi32(
        args->out + first, (__mmask8)first_bytes(left < 8 ? left : 8),
        _mm256_mullo_epi32(both, _mm256_set1_epi32((int32_t)(0u - (uint32_t)args->weight_zero_point))));
  }
}
#endif
