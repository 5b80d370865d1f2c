// cross_scan on a CPU: the same kernels compiled for each instruction set, chosen at run time.
// Mathematics: ../cross_scan/README.md.
#include "cross_scan.h"

#include "kernels.h"
#include "paths.h"

namespace {
const Kernels& choose() {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (kernels_avx512() && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return *kernels_avx512();
    if (kernels_avx2() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return *kernels_avx2();
#endif
    return *kernels_baseline();
}

const Kernels& chosen() {
    static const Kernels& kernels = choose();
    return kernels;
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
// Runs `elements` independent multiply-adds, as fast as the machine issues them.
EXPORT float cross_scan_multiply_adds(int64_t elements) {
    return chosen().multiply_adds(elements / chosen().lanes);
}
