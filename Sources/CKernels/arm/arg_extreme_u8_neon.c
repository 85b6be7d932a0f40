#if defined(__aarch64__)
#include "../portable/portable.h"
#include "arm.h"
#include "requantize_neon.h"

// The bytes of a line from k on; those past its end never win.
THIMBLE_INLINE uint8x16_t bytes_from(const uint8_t *line, size_t k, size_t extent, uint8x16_t flip) {
  static const uint8_t ones[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  uint8x16_t bytes = veorq_u8(vld1q_u8(line + k), flip);
  return extent - k < 16 ? vandq_u8(bytes, vld1q_u8(ones + 16 - (extent - k))) : bytes;
}

// for each line: the maximum over vectors of 16, then within one; then the first byte equal to it. A minimum is the maximum of
// the complements.
void thimble_arg_extreme_u8_neon(const thimble_arg_extreme_args *args) {
  if (args->inner != 1) {
    thimble_arg_extreme_u8_portable(args);
    return;
  }
  const uint8x16_t flip = vdupq_n_u8(args->takes_minimum ? 255 : 0);
  const size_t extent = args->extent, outer = args->outer;
  const bool is_short = args->index_byte_count == 4;
  const uint8_t *line = args->input;
  void *out = args->out;
  for (size_t o = 0; o < outer; o++, line += extent) {
    uint8x16_t most = vdupq_n_u8(0);
    for (size_t k = 0; k < extent; k += 16) most = vmaxq_u8(most, bytes_from(line, k, extent, flip));
    most = vdupq_n_u8(vmaxvq_u8(most));
    // Bytes past the end are 0 here: where they are equal, so is the first byte.
    uint64_t equal = 0;
    size_t k = 0;
    for (;; k += 16) {
      uint16x8_t halves = vreinterpretq_u16_u8(vceqq_u8(bytes_from(line, k, extent, flip), most));
      equal = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(halves, 4)), 0);  // 4 bits a byte
      if (equal) break;
    }
    size_t index = k + (size_t)__builtin_ctzll(equal) / 4;
    if (is_short)
      ((int32_t *)out)[o] = (int32_t)index;
    else
      ((int64_t *)out)[o] = (int64_t)index;
  }
}
#endif
