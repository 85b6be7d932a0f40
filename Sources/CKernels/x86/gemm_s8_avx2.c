// Matrix product with vpmaddwd: bytes are widened to 16 bits first, because vpmaddubsw saturates.
//
// for each panel, for each tile of up to 3 pixels:
//   for each run, for each group of 4 bytes:
//     x[i] = the 4 bytes as 16-bit numbers, four times;  w[v] = 4 channels × 4 bytes as 16-bit numbers, v = 0…3
//     acc[i][v] += pairs of x[i] · w[v]
//   add the pairs and the bias, requantize, store
#if defined(__x86_64__)
#include "requantize_avx2.h"
#include "x86.h"

enum { PIXELS_MAX = 3 };

THIMBLE_AVX2_INLINE void tile(const size_t MR, const thimble_gemm_args *args, size_t pixel, size_t panel) {
  __m256i acc[PIXELS_MAX][4];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < MR; i++)
    for (int v = 0; v < 4; v++) acc[i][v] = _mm256_setzero_si256();
  const int8_t *w = args->weights + panel * args->run_count * args->groups * 64;
  for (size_t r = 0; r < args->run_count; r++) {
    const uint8_t *x = args->runs[r] + (ptrdiff_t)pixel * args->pixel_stride;
    for (size_t g = 0; g < args->groups; g++, w += 64) {
      __m256i activations[PIXELS_MAX];
#pragma clang loop unroll(full)
      for (size_t i = 0; i < MR; i++) {
        int32_t four;
        memcpy(&four, x + (ptrdiff_t)i * args->pixel_stride + 4 * g, 4);
        activations[i] = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
      }
#pragma clang loop unroll(full)
      for (int v = 0; v < 4; v++) {
        __m256i weights = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(w + 16 * v)));
#pragma clang loop unroll(full)
        for (size_t i = 0; i < MR; i++) acc[i][v] = _mm256_add_epi32(acc[i][v], _mm256_madd_epi16(activations[i], weights));
      }
    }
  }
  const thimble_channels16 *channels = args->channels + panel;
  const __m256i low_bias = _mm256_loadu_si256((const void *)channels->bias);
  const __m256i high_bias = _mm256_loadu_si256((const void *)(channels->bias + 8));
  size_t columns = args->out_channels - panel * 16;
  uint8_t *out = args->out + (ptrdiff_t)pixel * args->out_stride + panel * 16;
#pragma clang loop unroll(full)
  for (size_t i = 0; i < MR; i++) {
    __m256i bias = _mm256_set1_epi32(args->pixel_bias ? args->pixel_bias[pixel + i] : 0);
    __m256i low = _mm256_add_epi32(_mm256_add_epi32(add_pairs(acc[i][0], acc[i][1]), low_bias), bias);
    __m256i high = _mm256_add_epi32(_mm256_add_epi32(add_pairs(acc[i][2], acc[i][3]), high_bias), bias);
    store_requantized_16(low, high, channels, &args->requantization, out + (ptrdiff_t)i * args->out_stride, columns);
  }
}

THIMBLE_AVX2 static void tile_1(const thimble_gemm_args *args, size_t pixel, size_t panel) { tile(1, args, pixel, panel); }
THIMBLE_AVX2 static void tile_2(const thimble_gemm_args *args, size_t pixel, size_t panel) { tile(2, args, pixel, panel); }
THIMBLE_AVX2 static void tile_3(const thimble_gemm_args *args, size_t pixel, size_t panel) { tile(3, args, pixel, panel); }

void thimble_gemm_s8_avx2(const thimble_gemm_args *args) {
  for (size_t panel = 0; panel < args->panels; panel++) {
    size_t pixel = 0;
    for (; pixel + 3 <= args->pixels; pixel += 3) tile_3(args, pixel, panel);
    if (args->pixels - pixel == 2) tile_2(args, pixel, panel);
    if (args->pixels - pixel == 1) tile_1(args, pixel, panel);
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
