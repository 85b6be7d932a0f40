// Dot products of vectors. Sums go to 16 lanes, and lanes are added in a fixed order: every processor gives the same bytes,
// whatever the compiler makes vectors of. No multiplication is fused with an addition for the same reason.
#include <string.h>

#include "thimble_kernels.h"

#pragma STDC FP_CONTRACT OFF

enum { LANES = 16 };

static float sum(float lanes[LANES]) {
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

float thimble_dot_f32(const float *query, const void *vector, size_t count) {
  float lanes[LANES] = {0};
  size_t index = 0;
  for (; index + LANES <= count; index += LANES) {
    float values[LANES];
    memcpy(values, (const uint8_t *)vector + 4 * index, sizeof values);
    for (int lane = 0; lane < LANES; lane++) lanes[lane] += query[index + lane] * values[lane];
  }
  for (; index < count; index++) {
    float value;
    memcpy(&value, (const uint8_t *)vector + 4 * index, sizeof value);
    lanes[index % LANES] += query[index] * value;
  }
  return sum(lanes);
}

float thimble_dot_i8(const float *query, const int8_t *vector, size_t count) {
  float lanes[LANES] = {0};
  size_t index = 0;
  for (; index + LANES <= count; index += LANES)
    for (int lane = 0; lane < LANES; lane++) lanes[lane] += query[index + lane] * (float)vector[index + lane];
  for (; index < count; index++) lanes[index % LANES] += query[index] * (float)vector[index];
  return sum(lanes);
}
