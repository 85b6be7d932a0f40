// The portable functions, which other tables also point to where they have nothing better.
#ifndef THIMBLE_PORTABLE_H
#define THIMBLE_PORTABLE_H
#include "thimble_kernels.h"

void thimble_gemm_s8_portable(const thimble_gemm_args *args);
void thimble_pixel_bias_portable(const thimble_pixel_bias_args *args);
void thimble_depthwise_s8_portable(const thimble_depthwise_args *args);
void thimble_arithmetic_u8_portable(const thimble_arithmetic_args *args);
void thimble_pool_u8_portable(const thimble_pool_args *args);
void thimble_mean_u8_portable(const thimble_mean_args *args);
void thimble_softmax_u8_portable(const thimble_softmax_args *args);
void thimble_resize_u8_portable(const thimble_resize_args *args);
void thimble_arg_extreme_u8_portable(const thimble_arg_extreme_args *args);
void thimble_lookup_u8_portable(const uint8_t *in, const uint8_t *table, uint8_t *out, size_t count);
void thimble_quantize_f32_portable(const float *in, float scale, int32_t zero_point, uint8_t *out, size_t count);
void thimble_dequantize_u8_portable(const uint8_t *in, float scale, int32_t zero_point, float *out, size_t count);
#endif
