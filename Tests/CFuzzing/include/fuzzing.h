#pragma once
#include <stddef.h>
#include <stdint.h>

/// The input's bytes, right before a page that nobody may touch: one read too many ends the program. They stay until the next
/// call. `count` is at most FUZZING_INPUT_BYTES_MAX.
const uint8_t *fuzzing_guarded(const uint8_t *bytes, size_t count);
enum { FUZZING_INPUT_BYTES_MAX = 1 << 20 };

/// From now on an allocation of more than `byte_count` bytes ends the program; 0: any may be made.
void fuzzing_limit_allocations(size_t byte_count);
