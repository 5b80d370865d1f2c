// cross_scan on a CPU: the same kernels compiled for each instruction set, chosen at run time.
// Mathematics: ../cross_scan/README.md.
#include "cross_scan.h"

#include "chosen.h"
#include "kernels.h"
#include "paths.h"

namespace {
const Kernels& chosen() {
    static const Kernels& kernels = best_of(kernels_avx512(), kernels_avx2(), kernels_baseline());
    return kernels;
}
}  // namespace

EXPORT int64_t cross_scan_size(void) { return (int64_t)sizeof(Scan); }
EXPORT const char* cross_scan_instruction_set(void) { return chosen().name; }
EXPORT int64_t cross_scan_groups(int64_t D, int64_t parts) {
    return all_groups(D, chosen().lanes, parts);
}
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
