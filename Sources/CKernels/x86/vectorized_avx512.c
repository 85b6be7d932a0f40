#if defined(__x86_64__)
#define VECTORIZED(name) name##_avx512
#define VECTORIZED_TARGET "avx512f,avx512bw,avx512vl,avx512dq"
#include "vectorized.h"
#endif
