// What the kernels of each instruction set begin with.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

// Past its limit of growth the compiler would leave out of line what the inner loops are made of.
#define INLINE inline __attribute__((always_inline))

// Before a loop over registers: it must not be one. Past its limit GCC leaves large bodies rolled.
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
