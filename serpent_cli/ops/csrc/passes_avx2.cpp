// Passes on vectors of 8 floats; nothing where the compiler has no AVX2 and FMA.
#include "passes.h"

#if defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#include "passes_kernels.h"
const Passes* passes_avx2() {
    static const Passes passes = {GROUP * LANES, norm, depthwise};
    return &passes;
}
#else
const Passes* passes_avx2() { return nullptr; }
#endif
