// The functions of the ARM tables: compiled into nothing elsewhere.
#ifndef THIMBLE_ARM_H
#define THIMBLE_ARM_H
#include "thimble_kernels.h"

void thimble_gemm_s8_2x16_neon(const thimble_gemm_args *args);
void thimble_gemm_s8_6x16_dotprod(const thimble_gemm_args *args);
void thimble_gemm_s8_12x8_i8mm(const thimble_gemm_args *args);
void thimble_pixel_bias_neon(const thimble_pixel_bias_args *args);
void thimble_pixel_bias_dotprod(const thimble_pixel_bias_args *args);
void thimble_depthwise_s8_neon(const thimble_depthwise_args *args);
void thimble_depthwise_rows_s8_neon(const thimble_depthwise_rows_args *args);
void thimble_depthwise_s8_dotprod(const thimble_depthwise_args *args);
void thimble_depthwise_rows_s8_dotprod(const thimble_depthwise_rows_args *args);
void thimble_depthwise_s8_i8mm(const thimble_depthwise_args *args);
void thimble_depthwise_rows_s8_i8mm(const thimble_depthwise_rows_args *args);
void thimble_arithmetic_u8_neon(const thimble_arithmetic_args *args);
void thimble_pool_u8_neon(const thimble_pool_args *args);
void thimble_mean_u8_neon(const thimble_mean_args *args);
void thimble_resize_u8_neon(const thimble_resize_args *args);
void thimble_arg_extreme_u8_neon(const thimble_arg_extreme_args *args);
void thimble_lookup_u8_neon(const uint8_t *in, const uint8_t *table, uint8_t *out, size_t count);
void thimble_quantize_f32_neon(const float *in, float scale, int32_t zero_point, uint8_t *out, size_t count);
void thimble_dequantize_u8_neon(const uint8_t *in, float scale, int32_t zero_point, float *out, size_t count);
#endif
