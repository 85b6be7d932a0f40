// Matrix product with vpmaddwd: bytes are widened to 16 bits first, because vpmaddubsw saturates.
//
// for each block of up to 6 pixels:
//   widen their bytes into memory, from where a load broadcasts 4 of them at no cost
//   for each panel, for each half of it:
//     acc[i][v] = bias + pixel_bias[i], in the even lanes                               v = 0, 1: 4 channels × 2 partial sums
//     for each run, for each group of 4 bytes:
//       w[v] = 4 channels × 4 bytes, widened;  acc[i][v] += pairs of x[i] · w[v]
//     add the pairs, requantize, pack to bytes, store
#if defined(__x86_64__)
#include "../portable/fixed_point.h"
#include "requantize_avx2.h"
#include "x86.h"

// 12 accumulators, 2 vectors of weights, a broadcast and a product fill the 16 registers. A step is 4 groups of 4 bytes.
enum { PIXELS_MAX = 6, STEP_BYTES = 16, STEP_GROUPS = 4 };
// Widened bytes of a block, which stay in the first-level cache: 1 KiB of each pixel's. Where a pixel has more, each panel widens
// them anew, a part at a time.
enum { STEPS_MAX = 64 };
enum { RESIDENT_PANELS = 8 };

// x: [MR][steps][16] bytes → wide: [steps][MR][16].
THIMBLE_AVX2_INLINE void widen(const size_t MR, const uint8_t *x, ptrdiff_t pixel_stride, size_t steps, int16_t *wide) {
  for (size_t step = 0; step < steps; step++, x += STEP_BYTES) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++, wide += STEP_BYTES)
      _mm256_store_si256((void *)wide, _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(x + (ptrdiff_t)i * pixel_stride))));
  }
}

// The first GROUPS groups of a step.
THIMBLE_AVX2_INLINE void multiply_step(
    const size_t MR, const size_t GROUPS, __m256i acc[PIXELS_MAX][2], const int16_t *wide, const int8_t *w) {
#pragma clang loop unroll(full)
  for (size_t g = 0; g < GROUPS; g++, w += 64) {
    const __m256i first = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)w));
    const __m256i second = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(w + 16)));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) {
      int64_t four;
      memcpy(&four, wide + STEP_BYTES * i + 4 * g, 8);
      const __m256i x = _mm256_set1_epi64x(four);
      acc[i][0] = _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(x, first));
      acc[i][1] = _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(x, second));
      // Now: sums that the compiler puts off, to add up in another order, find no registers.
      __asm__("" : "+x"(acc[i][0]), "+x"(acc[i][1]));
    }
  }
}

THIMBLE_AVX2_INLINE void multiply(const size_t MR, __m256i acc[PIXELS_MAX][2], const int16_t *wide, const int8_t *w, size_t groups) {
  for (; groups >= STEP_GROUPS; groups -= STEP_GROUPS, wide += MR * STEP_BYTES, w += STEP_GROUPS * 64) multiply_step(MR, STEP_GROUPS, acc, wide, w);
  if (groups == 3) multiply_step(MR, 3, acc, wide, w);
  if (groups == 2) multiply_step(MR, 2, acc, wide, w);
  if (groups == 1) multiply_step(MR, 1, acc, wide, w);
}

// Half a panel in the order in which pairs are added up: channels 0 1 4 5 2 3 6 7.
typedef struct {
  requantizer half[2];
} panel_requantizer;

THIMBLE_AVX2_INLINE panel_requantizer make_panel_requantizer(const thimble_channels16 *channels, const thimble_requantization *rq) {
  panel_requantizer r;
  for (int half = 0; half < 2; half++)
    r.half[half] = make_requantizer(
        swap_middle(_mm256_loadu_si256((const void *)(channels->multiplier + 8 * half))),
        swap_middle(_mm256_loadu_si256((const void *)(channels->shift + 8 * half))), rq);
  return r;
}

// Four times 8 values in that order → clamped bytes: those of x0 and x1, those of x2 and x3.
THIMBLE_AVX2_INLINE void pack_bytes(
    __m256i x0, __m256i x1, __m256i x2, __m256i x3, const thimble_requantization *rq, __m128i out[2]) {
  const __m256i bytes = clamp_bytes(_mm256_packus_epi16(_mm256_packs_epi32(x0, x1), _mm256_packs_epi32(x2, x3)), rq);
  // The low lane has channels 0 1 4 5 of each, the high one 2 3 6 7.
  const __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
  out[0] = _mm_unpacklo_epi16(low, high);
  out[1] = _mm_unpackhi_epi16(low, high);
}

// Stores the first `channels` of the 8 bytes of one pixel or two.
THIMBLE_AVX2_INLINE void store_pixels(__m128i bytes, uint8_t *out, ptrdiff_t out_stride, const size_t count, size_t channels) {
  if (channels >= 8) {
    _mm_storel_epi64((void *)out, bytes);
    if (count > 1) _mm_storeh_pd((void *)(out + out_stride), _mm_castsi128_pd(bytes));
  } else {
    uint8_t buffer[16];
    _mm_storeu_si128((void *)buffer, bytes);
    for (size_t i = 0; i < count; i++) memcpy(out + (ptrdiff_t)i * out_stride, buffer + 8 * i, channels);
  }
}

// 8 accumulators in that order whose requantization the vector forms do not cover.
__attribute__((noinline)) THIMBLE_AVX2 static void store_scalar(
    __m256i values, const thimble_channels16 *channels, size_t half, const thimble_requantization *rq, uint8_t *out, size_t count) {
  int32_t sums[8];
  _mm256_storeu_si256((void *)sums, swap_middle(values));
  for (size_t n = 0; n < 8 && n < count; n++) {
    const int32_t multiplier = channels->multiplier[8 * half + n], shift = channels->shift[8 * half + n];
    int32_t value = rq->rounds_once ? thimble_requantize_once(sums[n], multiplier, shift) : thimble_requantize(sums[n], multiplier, shift);
    out[n] = (uint8_t)thimble_clamp((int32_t)((uint32_t)value + (uint32_t)rq->zero_point), rq->clamp_min, rq->clamp_max);
  }
}

static inline size_t steps_of(size_t groups) { return (groups + STEP_GROUPS - 1) / STEP_GROUPS; }

// A block of pixels and what is the same for all its panels.
typedef struct {
  const thimble_gemm_args *args;
  size_t pixel;
  int16_t *wide;
  bool is_wide;  // `wide` holds all of the pixels' bytes; else it has room for a part of them
} block;

// Sums of channels 8·half … 8·half + 7 of a panel.
THIMBLE_AVX2_INLINE void sum(const size_t MR, const block *b, __m256i acc[PIXELS_MAX][2], size_t panel, size_t half) {
  const thimble_gemm_args *args = b->args;
  const size_t groups = args->groups;
  for (size_t v = 0; v < 2; v++) {
    const __m256i bias = _mm256_cvtepu32_epi64(_mm_loadu_si128((const void *)(args->channels[panel].bias + 8 * half + 4 * v)));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) acc[i][v] = bias;
  }
  if (args->pixel_bias) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) {
      const __m256i bias = _mm256_set1_epi64x((uint32_t)args->pixel_bias[b->pixel + i]);
      acc[i][0] = _mm256_add_epi32(acc[i][0], bias), acc[i][1] = _mm256_add_epi32(acc[i][1], bias);
    }
  }
  const int8_t *w = args->weights + panel * args->run_count * groups * 64 + 32 * half;
  int16_t *wide = b->wide;
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *x = args->runs[r] + (ptrdiff_t)b->pixel * args->pixel_stride;
    for (size_t g = 0; g < groups; g += STEPS_MAX * STEP_GROUPS) {
      const size_t part = groups - g < STEPS_MAX * STEP_GROUPS ? groups - g : STEPS_MAX * STEP_GROUPS;
      if (!b->is_wide) widen(MR, x + 4 * g, args->pixel_stride, steps_of(part), wide);
      multiply(MR, acc, wide, w, part);
      w += part * 64;
    }
    if (b->is_wide) wide += steps_of(groups) * MR * STEP_BYTES;
  }
}

THIMBLE_AVX2_INLINE void tile(const size_t MR, const block *b, size_t panel, size_t half, const requantizer *requantizer) {
  const thimble_gemm_args *args = b->args;
  const thimble_requantization *rq = &args->requantization;
  const size_t first = panel * 16 + 8 * half, columns = args->out_channels - first;
  uint8_t *out = args->out + (ptrdiff_t)b->pixel * args->out_stride + first;
  __m256i acc[PIXELS_MAX][2], values[PIXELS_MAX];
  sum(MR, b, acc, panel, half);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < MR; i++) values[i] = _mm256_hadd_epi32(acc[i][0], acc[i][1]);
  if (!rq->is_bounded) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) store_scalar(values[i], args->channels + panel, half, rq, out + (ptrdiff_t)i * args->out_stride, columns);
    return;
  }
  if (is_floor(rq)) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) values[i] = requantize(values[i], requantizer, true);
  } else {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < MR; i++) values[i] = requantize(values[i], requantizer, false);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < MR; i += 4) {
#define VALUE(P) values[i + (P) < MR ? i + (P) : i]
    __m128i bytes[2];
    pack_bytes(VALUE(0), VALUE(1), VALUE(2), VALUE(3), rq, bytes);
#undef VALUE
#pragma clang loop unroll(full)
    for (size_t p = i; p < MR && p < i + 4; p += 2)
      store_pixels(bytes[(p - i) / 2], out + (ptrdiff_t)p * args->out_stride, args->out_stride, p + 1 < MR ? 2 : 1, columns);
  }
}

// Panels [begin, end) of MR pixels. `requantizers`: of all panels, or null.
THIMBLE_AVX2_INLINE void run_block(const size_t MR, const block *b, size_t begin, size_t end, const panel_requantizer *requantizers) {
  const thimble_gemm_args *args = b->args;
  const size_t steps = steps_of(args->groups);
  for (size_t r = 0; b->is_wide && r < args->run_count; r++)
    widen(MR, args->runs[r] + (ptrdiff_t)b->pixel * args->pixel_stride, args->pixel_stride, steps, b->wide + r * steps * MR * STEP_BYTES);
  for (size_t panel = begin; panel < end; panel++) {
    panel_requantizer own;
    if (!requantizers) own = make_panel_requantizer(args->channels + panel, &args->requantization);
    const panel_requantizer *requantizer = requantizers ? requantizers + panel : &own;
    const size_t halves = args->out_channels - panel * 16 > 8 ? 2 : 1;
#pragma clang loop unroll(disable)
    for (size_t half = 0; half < halves; half++) tile(MR, b, panel, half, requantizer->half + half);
  }
}

#define BLOCK(MR)                                                                                                            \
  THIMBLE_AVX2 static void run_block_##MR(const block *b, size_t begin, size_t end, const panel_requantizer *requantizers) { \
    run_block(MR, b, begin, end, requantizers);                                                                              \
  }
BLOCK(1)
BLOCK(2)
BLOCK(3)
BLOCK(4)
BLOCK(5)
BLOCK(6)

typedef void (*block_function)(const block *b, size_t begin, size_t end, const panel_requantizer *requantizers);
static const block_function blocks[PIXELS_MAX + 1] = {0, run_block_1, run_block_2, run_block_3, run_block_4, run_block_5, run_block_6};

// Panels [begin, end) of all pixels, in blocks of nearly equal height.
static void run_pixels(block *b, size_t begin, size_t end, const panel_requantizer *requantizers) {
  const size_t pixels = b->args->pixels;
  b->pixel = 0;
  for (size_t left = (pixels + PIXELS_MAX - 1) / PIXELS_MAX; left > 0; left--) {
    const size_t count = (pixels - b->pixel + left - 1) / left;
    blocks[count](b, begin, end, requantizers);
    b->pixel += count;
  }
}

THIMBLE_AVX2 void thimble_gemm_s8_avx2(const thimble_gemm_args *args) {
  _Alignas(32) int16_t wide[STEPS_MAX * PIXELS_MAX * STEP_BYTES];
  block b = {.args = args, .wide = wide, .is_wide = args->run_count * steps_of(args->groups) <= STEPS_MAX};
  if (!b.is_wide) {
    for (size_t panel = 0; panel < args->panels; panel++) run_pixels(&b, panel, panel + 1, 0);
  } else if (args->panels <= RESIDENT_PANELS) {
    panel_requantizer requantizers[RESIDENT_PANELS];
    for (size_t panel = 0; panel < args->panels; panel++)
      requantizers[panel] = make_panel_requantizer(args->channels + panel, &args->requantization);
    run_pixels(&b, 0, args->panels, requantizers);
  } else {
    run_pixels(&b, 0, args->panels, 0);
  }
}

// Σ of the bytes of each pixel's runs, by vpsadbw.
THIMBLE_AVX2 void thimble_pixel_bias_avx2(const thimble_pixel_bias_args *args) {
  for (size_t i = 0; i < args->pixels; i++) {
    __m256i sums = _mm256_setzero_si256();
    uint64_t sum = 0;
    for (size_t r = 0; r < args->run_count; r++) {
      const uint8_t *x = args->runs[r] + (ptrdiff_t)i * args->pixel_stride;
      size_t k = 0;
      for (; k + 32 <= args->run_bytes; k += 32)
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_loadu_si256((const void *)(x + k)), _mm256_setzero_si256()));
      for (; k < args->run_bytes; k++) sum += x[k];
    }
    uint64_t parts[4];
    _mm256_storeu_si256((void *)parts, sums);
    sum += parts[0] + parts[1] + parts[2] + parts[3];
    args->out[i] = (int32_t)(0u - (uint32_t)args->weight_zero_point * (uint32_t)sum);
  }
}
#endif
