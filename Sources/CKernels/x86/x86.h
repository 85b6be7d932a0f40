// The x86-64 functions that tables point to.
#ifndef THIMBLE_X86_H
#define THIMBLE_X86_H
#include "thimble_kernels.h"

void thimble_gemm_s8_vnni(const thimble_gemm_args *args);
void thimble_pixel_bias_vnni(const thimble_pixel_bias_args *args);
void thimble_depthwise_s8_vnni(const thimble_depthwise_args *args);
void thimble_depthwise_rows_vnni(const thimble_depthwise_rows_args *args);
void thimble_arithmetic_u8_avx512(const thimble_arithmetic_args *args);
void thimble_pool_u8_avx512(const thimble_pool_args *args);
void thimble_mean_u8_avx512(const thimble_mean_args *args);
void thimble_quantize_f32_avx512(const float *in, float scale, int32_t zero_point, uint8_t *out, size_t count);
void thimble_dequantize_u8_avx512(const uint8_t *in, float scale, int32_t zero_point, float *out, size_t count);
void thimble_resize_u8_avx512(const thimble_resize_args *args);
void thimble_arg_extreme_u8_avx512(const thimble_arg_extreme_args *args);

void thimble_gemm_s8_avx2(const thimble_gemm_args *args);
void thimble_pixel_bias_avx2(const thimble_pixel_bias_args *args);
void thimble_depthwise_s8_avx2(const thimble_depthwise_args *args);
void thimble_depthwise_rows_avx2(const thimble_depthwise_rows_args *args);
void thimble_arithmetic_u8_avx2(const thimble_arithmetic_args *args);
void thimble_pool_u8_avx2(const thimble_pool_args *args);
void thimble_mean_u8_avx2(const thimble_mean_args *args);
void thimble_quantize_f32_avx2(const float *in, float scale, int32_t zero_point, uint8_t *out, size_t count);
void thimble_dequantize_u8_avx2(const uint8_t *in, float scale, int32_t zero_point, float *out, size_t count);
void thimble_resize_u8_avx2(const thimble_resize_args *args);
void thimble_arg_extreme_u8_avx2(const thimble_arg_extreme_args *args);
#endif
