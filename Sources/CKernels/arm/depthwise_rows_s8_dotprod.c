#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "arm.h"

#define BYTES int8x16_t
#define BYTES_OFFSET 128
#define SIGN(bytes) vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(128)))
#define DOT(acc, w, x) vdotq_s32(acc, w, x)
#include "depthwise_rows_dot.h"

void thimble_depthwise_rows_s8_dotprod(const thimble_depthwise_rows_args *args) {
  depthwise_rows(args, thimble_depthwise_s8_dotprod);
}
#pragma clang attribute pop
#endif
