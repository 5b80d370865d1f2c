// Passes on vectors of 4 floats: what every machine has, SSE2 on x86-64 and NEON on arm64.
#include "passes.h"

#define LANES 4
#include "passes_kernels.h"
const Passes* passes_baseline() {
    static const Passes passes = {GROUP * LANES, norm, depthwise};
    return &passes;
}
