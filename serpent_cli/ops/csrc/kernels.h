// What an object for one instruction set offers. Each is compiled from instruction_set.h under that
// set's own compiler options.
#pragma once
#include "cross_scan.h"

struct Kernels {
    const char* name;
    int lanes;
    void (*run)(const Scan&, int64_t first, int64_t last, bool backward);
    float (*register_limit)(int64_t steps, int N, int R);
    float (*multiply_adds)(int64_t count);
};

// Null where the compiler was not told to use the set.
const Kernels* kernels_avx512();
const Kernels* kernels_avx2();
const Kernels* kernels_baseline();
