#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)
#include "arm.h"

#define BYTES uint8x16_t
#define BYTES_OFFSET 0
#define LOAD(source) vld1q_u8(source)
#define ZIP1 vzip1q_u8
#define ZIP2 vzip2q_u8
#define DOT(acc, w, x) vusdotq_s32(acc, x, w)
#include "depthwise_dot.h"

// for each 16 channels: for each pixel: acc (16) += taps · w by USDOT, 4 taps a lane; requantize; store
void thimble_depthwise_s8_i8mm(const thimble_depthwise_args *args) { depthwise_dot(args); }
#pragma clang attribute pop
#endif
