// Vectors of 4 floats: what every machine has, SSE2 on x86-64 and NEON on arm64.
#include "kernels.h"

#define LANES 4
#include "instruction_set.h"
const Kernels* kernels_baseline() {
    static const Kernels kernels = {"baseline", LANES, run, register_limit, multiply_adds};
    return &kernels;
}
