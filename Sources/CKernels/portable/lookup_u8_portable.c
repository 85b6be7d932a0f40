#include "portable.h"

void thimble_lookup_u8_portable(const uint8_t *in, const uint8_t *table, uint8_t *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = table[in[i]];
}
