#if defined(__x86_64__)
#define VECTORIZED(name) name##_avx2
#define VECTORIZED_TARGET "avx2"
#include "vectorized.h"
#endif
