// Portable kernels whose loops the compiler vectorizes well, compiled for the instruction set of the file that includes this:
// VECTORIZED names its functions, VECTORIZED_TARGET its features.
#include "../portable/fixed_point.h"
#include "x86.h"

#define thimble_pool_u8_portable VECTORIZED(thimble_pool_u8)
#define thimble_mean_u8_portable VECTORIZED(thimble_mean_u8)
#define thimble_quantize_f32_portable VECTORIZED(thimble_quantize_f32)
#define thimble_dequantize_u8_portable VECTORIZED(thimble_dequantize_u8)
#define THIMBLE_PORTABLE_H  // its declarations are for the renamed functions' originals
#pragma clang attribute push(__attribute__((target(VECTORIZED_TARGET))), apply_to = function)
#define BLOCK POOL_BLOCK
#include "../portable/pool_u8_portable.c"
#undef BLOCK
#define BLOCK MEAN_BLOCK
#include "../portable/mean_u8_portable.c"
#undef BLOCK
#include "../portable/quantize_f32_portable.c"
#include "../portable/dequantize_u8_portable.c"
#pragma clang attribute pop
