#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "arm.h"

#define BYTES int8x16_t
#define BYTES_OFFSET 128
#define LOAD(source) vreinterpretq_s8_u8(veorq_u8(vld1q_u8(source), vdupq_n_u8(128)))
#define ZIP1 vzip1q_s8
#define ZIP2 vzip2q_s8
#define DOT vdotq_s32
#include "depthwise_dot.h"

// for each 16 channels: for each pixel: acc (16) += taps · w by SDOT, 4 taps a lane; requantize; store
void thimble_depthwise_s8_dotprod(const thimble_depthwise_args *args) { depthwise_dot(args); }
#pragma clang attribute pop
#endif
