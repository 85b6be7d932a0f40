// Portable kernels whose loops the compiler vectorizes well, compiled for AVX2.
#if defined(__x86_64__)
#include "../portable/fixed_point.h"
#include "x86.h"

#define thimble_pool_u8_portable thimble_pool_u8_avx2
#define thimble_mean_u8_portable thimble_mean_u8_avx2
#define thimble_quantize_f32_portable thimble_quantize_f32_avx2
#define thimble_dequantize_u8_portable thimble_dequantize_u8_avx2
#define THIMBLE_PORTABLE_H  // its declarations are for the renamed functions' originals
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define BLOCK POOL_BLOCK
#include "../portable/pool_u8_portable.c"
#undef BLOCK
#define BLOCK MEAN_BLOCK
#include "../portable/mean_u8_portable.c"
#undef BLOCK
#include "../portable/quantize_f32_portable.c"
#include "../portable/dequantize_u8_portable.c"
#pragma clang attribute pop
#endif
