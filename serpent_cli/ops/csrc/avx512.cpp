// AVX-512 on vectors of 16 floats; nothing where the compiler has no such instructions.
#include "kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define LANES 16
#include "instruction_set.h"
const Kernels* kernels_avx512() {
    static const Kernels kernels = {"AVX-512", LANES, run, register_limit, multiply_adds};
    return &kernels;
}
#else
const Kernels* kernels_avx512() { return nullptr; }
#endif
