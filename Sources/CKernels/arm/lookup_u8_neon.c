#if defined(__aarch64__)
#include "arm.h"
#include "requantize_neon.h"

// The table is four tables of 64: TBL and TBX leave a lane alone whose index is past the end.
void thimble_lookup_u8_neon(const uint8_t *in, const uint8_t *table, uint8_t *out, size_t count) {
  uint8x16x4_t a = vld1q_u8_x4(table), b = vld1q_u8_x4(table + 64);
  uint8x16x4_t c = vld1q_u8_x4(table + 128), d = vld1q_u8_x4(table + 192);
  uint8x16_t step = vdupq_n_u8(64);
  for (size_t i = 0; i < count; i += 16) {
    uint8x16_t index = vld1q_u8(in + i), bytes = vqtbl4q_u8(a, index);
    index = vsubq_u8(index, step);
    bytes = vqtbx4q_u8(bytes, b, index);
    index = vsubq_u8(index, step);
    bytes = vqtbx4q_u8(bytes, c, index);
    index = vsubq_u8(index, step);
    bytes = vqtbx4q_u8(bytes, d, index);
    thimble_store16(out + i, bytes, count - i);
  }
}
#endif
