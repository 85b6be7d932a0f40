#include "portable/portable.h"
#include "thimble_system.h"
#if defined(__x86_64__)
#include "x86/x86.h"
#endif
#if defined(__aarch64__)
#include "arm/arm.h"
#endif

static const thimble_kernels portable = {
    .name = "portable",
    .gemm = thimble_gemm_s8_portable,
    .pixel_bias = thimble_pixel_bias_portable,
    .depthwise = thimble_depthwise_s8_portable,
    .arithmetic = thimble_arithmetic_u8_portable,
    .pool = thimble_pool_u8_portable,
    .mean = thimble_mean_u8_portable,
    .softmax = thimble_softmax_u8_portable,
    .resize = thimble_resize_u8_portable,
    .arg_extreme = thimble_arg_extreme_u8_portable,
    .lookup = thimble_lookup_u8_portable,
    .quantize = thimble_quantize_f32_portable,
    .dequantize = thimble_dequantize_u8_portable,
};

#if defined(__x86_64__)
static const thimble_kernels avx2 = {
    .name = "avx2",
    .gemm = thimble_gemm_s8_avx2,
    .pixel_bias = thimble_pixel_bias_avx2,
    .depthwise = thimble_depthwise_s8_avx2,
    .depthwise_rows = thimble_depthwise_rows_avx2,
    .arithmetic = thimble_arithmetic_u8_avx2,
    .pool = thimble_pool_u8_avx2,
    .mean = thimble_mean_u8_avx2,
    .softmax = thimble_softmax_u8_portable,
    .resize = thimble_resize_u8_avx2,
    .arg_extreme = thimble_arg_extreme_u8_avx2,
    .lookup = thimble_lookup_u8_portable,
    .quantize = thimble_quantize_f32_avx2,
    .dequantize = thimble_dequantize_u8_avx2,
};

static const thimble_kernels vnni = {
    .name = "vnni",
    .gemm = thimble_gemm_s8_vnni,
    .pixel_bias = thimble_pixel_bias_vnni,
    .depthwise = thimble_depthwise_s8_vnni,
    .depthwise_rows = thimble_depthwise_rows_vnni,
    .arithmetic = thimble_arithmetic_u8_avx512,
    .pool = thimble_pool_u8_avx512,
    .mean = thimble_mean_u8_avx512,
    .softmax = thimble_softmax_u8_portable,
    .resize = thimble_resize_u8_avx512,
    .arg_extreme = thimble_arg_extreme_u8_avx512,
    .lookup = thimble_lookup_u8_portable,
    .quantize = thimble_quantize_f32_avx512,
    .dequantize = thimble_dequantize_u8_avx512,
};
#endif

#if defined(__aarch64__)
static const thimble_kernels neon = {
    .name = "neon",
    .wants_signed_activations = true,
    .gemm = thimble_gemm_s8_2x16_neon,
    .pixel_bias = thimble_pixel_bias_neon,
    .depthwise = thimble_depthwise_s8_neon,
    .depthwise_rows = thimble_depthwise_rows_s8_neon,
    .arithmetic = thimble_arithmetic_u8_neon,
    .pool = thimble_pool_u8_neon,
    .mean = thimble_mean_u8_neon,
    .softmax = thimble_softmax_u8_portable,
    .resize = thimble_resize_u8_neon,
    .arg_extreme = thimble_arg_extreme_u8_neon,
    .lookup = thimble_lookup_u8_neon,
    .quantize = thimble_quantize_f32_neon,
    .dequantize = thimble_dequantize_u8_neon,
};

static const thimble_kernels dotprod = {
    .name = "dotprod",
    .wants_signed_activations = true,
    .gemm = thimble_gemm_s8_6x16_dotprod,
    .pixel_bias = thimble_pixel_bias_dotprod,
    .depthwise = thimble_depthwise_s8_dotprod,
    .depthwise_rows = thimble_depthwise_rows_s8_dotprod,
    .arithmetic = thimble_arithmetic_u8_neon,
    .pool = thimble_pool_u8_neon,
    .mean = thimble_mean_u8_neon,
    .softmax = thimble_softmax_u8_portable,
    .resize = thimble_resize_u8_neon,
    .arg_extreme = thimble_arg_extreme_u8_neon,
    .lookup = thimble_lookup_u8_neon,
    .quantize = thimble_quantize_f32_neon,
    .dequantize = thimble_dequantize_u8_neon,
};

static const thimble_kernels i8mm = {
    .name = "i8mm",
    .gemm = thimble_gemm_s8_12x8_i8mm,
    .pixel_bias = thimble_pixel_bias_dotprod,
    .depthwise = thimble_depthwise_s8_i8mm,
    .depthwise_rows = thimble_depthwise_rows_s8_i8mm,
    .arithmetic = thimble_arithmetic_u8_neon,
    .pool = thimble_pool_u8_neon,
    .mean = thimble_mean_u8_neon,
    .softmax = thimble_softmax_u8_portable,
    .resize = thimble_resize_u8_neon,
    .arg_extreme = thimble_arg_extreme_u8_neon,
    .lookup = thimble_lookup_u8_neon,
    .quantize = thimble_quantize_f32_neon,
    .dequantize = thimble_dequantize_u8_neon,
};
#endif

static const thimble_kernels *const tables[] = {
    &portable,
#if defined(__x86_64__)
    &avx2,
    &vnni,
#endif
#if defined(__aarch64__)
    &neon,
    &dotprod,
    &i8mm,
#endif
};

const thimble_kernels *thimble_kernel_table(size_t index) {
  return index < sizeof tables / sizeof *tables ? tables[index] : 0;
}

bool thimble_kernels_are_supported(const thimble_kernels *table) {
  uint32_t features = thimble_cpu_features();
#if defined(__x86_64__)
  if (table == &avx2) return features & THIMBLE_CPU_AVX2;
  if (table == &vnni) return features & THIMBLE_CPU_VNNI;
#endif
#if defined(__aarch64__)
  if (table == &neon) return features & THIMBLE_CPU_NEON;
  if (table == &dotprod) return features & THIMBLE_CPU_DOTPROD;
  if (table == &i8mm) return features & THIMBLE_CPU_I8MM;
#endif
  (void)features;
  return table == &portable;
}
