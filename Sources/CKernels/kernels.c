#include "portable/portable.h"
#include "thimble_system.h"

static const thimble_kernels portable = {
    .name = "portable",
    .gemm = thimble_gemm_s8_portable,
    .pixel_bias = thimble_pixel_bias_portable,
    .depthwise = thimble_depthwise_s8_portable,
};

const thimble_kernels *const thimble_kernel_tables[] = {&portable, 0};

bool thimble_kernels_are_supported(const thimble_kernels *table) { return table == &portable; }
