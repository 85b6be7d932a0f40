#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)
#include "arm.h"

#define BYTES uint8x16_t
#define BYTES_OFFSET 0
#define SIGN(bytes) (bytes)
#define DOT(acc, w, x) vusdotq_s32(acc, x, w)
#include "depthwise_rows_dot.h"

void thimble_depthwise_rows_s8_i8mm(const thimble_depthwise_rows_args *args) {
  depthwise_rows(args, thimble_depthwise_s8_i8mm);
}
#pragma clang attribute pop
#endif
