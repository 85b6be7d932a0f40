#include "portable/portable.h"
#include "thimble_system.h"

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

static const thimble_kernels *const tables[] = {&portable};

const thimble_kernels *thimble_kernel_table(size_t index) {
  return index < sizeof tables / sizeof *tables ? tables[index] : 0;
}

bool thimble_kernels_are_supported(const thimble_kernels *table) { return table == &portable; }
