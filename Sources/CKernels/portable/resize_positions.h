// Which input pixels an output pixel lies between, as TFLite's reference computes it.
#ifndef THIMBLE_RESIZE_POSITIONS_H
#define THIMBLE_RESIZE_POSITIONS_H
#include "thimble_kernels.h"
#pragma STDC FP_CONTRACT OFF

enum { THIMBLE_RESIZE_UNIT = 1 << 10 };  // 1.0 in the integer form's 10-bit fixed point

// floor and ceil of a float within ±2³⁰
static inline int32_t floor_of(float x) {
  int32_t truncated = (int32_t)x;
  return truncated - ((float)truncated > x);
}
static inline int32_t ceil_of(float x) {
  int32_t truncated = (int32_t)x;
  return truncated + ((float)truncated < x);
}

static inline int32_t round_half_away(float x) {
  int32_t truncated = (int32_t)x;
  float fraction = x - (float)truncated;
  return truncated + (fraction >= 0.5f) - (fraction <= -0.5f);
}

static inline size_t minimum(size_t a, size_t b) { return a < b ? a : b; }

// Input positions a step of one output position apart, in elements.
static inline float float_scale(const thimble_resize_args *args, size_t in, size_t out) {
  if (args->align_corners && out > 1) return (float)(in - 1) / (float)(out - 1);
  return (float)in / (float)out;
}
static inline int32_t integer_scale(const thimble_resize_args *args, size_t in, size_t out) {
  if (args->align_corners && out > 1) return (int32_t)((THIMBLE_RESIZE_UNIT * (in - 1) + (out - 1) / 2) / (out - 1));
  return (int32_t)((THIMBLE_RESIZE_UNIT * in + out / 2) / out);
}

// Nearest input index of output index i.
static inline size_t nearest(const thimble_resize_args *args, size_t i, size_t in, size_t out) {
  float position = ((float)i + (args->half_pixel_centers ? 0.5f : 0.0f)) * float_scale(args, in, out);
  int32_t index = args->align_corners ? round_half_away(position) : floor_of(position);
  return minimum(index < 0 ? 0 : (size_t)index, in - 1);
}

// Where output index i lies between two input indices: position − lower is the upper one's share.
typedef struct {
  size_t lower, upper;
  float float_share;
  int64_t share;  // in THIMBLE_RESIZE_UNITs
} interpolation;

static inline interpolation interpolate_by(float scale, bool half_pixel_centers, size_t i, size_t in) {
  float position = half_pixel_centers ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
  int32_t lower = floor_of(position), upper = ceil_of(position);
  interpolation result = {.lower = lower < 0 ? 0 : (size_t)lower};
  result.lower = minimum(result.lower, in - 1);
  result.upper = minimum(upper < 0 ? 0 : (size_t)upper, in - 1);
  result.float_share = position - (float)result.lower;
  return result;
}

static inline interpolation interpolate_float(const thimble_resize_args *args, size_t i, size_t in, size_t out) {
  return interpolate_by(float_scale(args, in, out), args->half_pixel_centers, i, in);
}

static inline interpolation interpolate_integer(const thimble_resize_args *args, size_t i, size_t in, size_t out) {
  int64_t scale = integer_scale(args, in, out);
  int64_t position = (int64_t)i * scale;
  if (args->half_pixel_centers) position += scale / 2 - THIMBLE_RESIZE_UNIT / 2;
  int64_t lower = position / THIMBLE_RESIZE_UNIT, upper = (position + THIMBLE_RESIZE_UNIT - 1) / THIMBLE_RESIZE_UNIT;
  interpolation result = {.lower = lower < 0 ? 0 : (size_t)lower};
  result.lower = minimum(result.lower, in - 1);
  result.upper = minimum(upper < 0 ? 0 : (size_t)upper, in - 1);
  result.share = position - THIMBLE_RESIZE_UNIT * (int64_t)result.lower;
  return result;
}
#endif
