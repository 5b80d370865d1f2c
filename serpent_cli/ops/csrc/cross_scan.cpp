// cross_scan on a CPU: the same kernels compiled for each instruction set, chosen at run time.
// Mathematics: ../cross_scan/README.md.
#include "cross_scan.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "paths.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_X86 1
#endif

// One translation unit holds every instance for every instruction set: past its limit of growth the
// compiler would leave out of line what the inner loops are made of.
#define INLINE inline __attribute__((always_inline))

#ifdef HAS_X86
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")
#define ISA avx512
#define LANES 16
#include "instruction_set.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define ISA avx2
#define LANES 8
#include "instruction_set.h"
#pragma GCC pop_options
#endif
#define ISA baseline
#define LANES 4
#include "instruction_set.h"

namespace {
struct InstructionSet {
    const char* name;
    int lanes;
    void (*run)(const Scan&, int64_t, int64_t, bool);
    float (*register_limit)(int64_t, int, int);
};

InstructionSet choose() {
#ifdef HAS_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return {"AVX-512", 16, avx512::run, avx512::register_limit};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return {"AVX2", 8, avx2::run, avx2::register_limit};
#endif
    return {"baseline", 4, baseline::run, baseline::register_limit};
}

const InstructionSet& chosen() {
    static const InstructionSet set = choose();
    return set;
}
}  // namespace

#ifdef _WIN32
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

EXPORT int64_t cross_scan_size(void) { return (int64_t)sizeof(Scan); }
EXPORT const char* cross_scan_instruction_set(void) { return chosen().name; }
EXPORT int64_t cross_scan_groups(int64_t D) { return all_groups(D, chosen().lanes); }
EXPORT void cross_scan_forward(const Scan* scan, int64_t first, int64_t last) {
    chosen().run(*scan, first, last, false);
}
EXPORT void cross_scan_backward(const Scan* scan, int64_t first, int64_t last) {
    chosen().run(*scan, first, last, true);
}
// Runs `elements` channel steps on registers; see register_limit.
EXPORT float cross_scan_register_limit(int64_t elements, int32_t N, int32_t R) {
    return chosen().register_limit(elements / (4 * chosen().lanes), N, R);
}
