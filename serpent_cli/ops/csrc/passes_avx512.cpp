// Passes on vectors of 16 floats; nothing where the compiler has no AVX-512.
#include "passes.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define LANES 16
#include "passes_kernels.h"
const Passes* passes_avx512() {
    static const Passes passes = {GROUP * LANES, norm, depthwise};
    return &passes;
}
#else
const Passes* passes_avx512() { return nullptr; }
#endif
