// AVX2 and FMA on vectors of 8 floats; nothing where the compiler has no such instructions.
#include "kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#include "instruction_set.h"
const Kernels* kernels_avx2() {
    static const Kernels kernels = {"AVX2", LANES, run, register_limit, multiply_adds};
    return &kernels;
}
#else
const Kernels* kernels_avx2() { return nullptr; }
#endif
