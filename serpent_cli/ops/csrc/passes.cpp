// The passes between products: compiled for each instruction set, chosen at run time.
#include "passes.h"

#include "chosen.h"

namespace {
const Passes& chosen() {
    static const Passes& passes = best_of(passes_avx512(), passes_avx2(), passes_baseline());
    return passes;
}
}  // namespace

EXPORT int64_t norm_size(void) { return (int64_t)sizeof(Norm); }
EXPORT int64_t norm_rows(void) { return NORM_ROWS; }
EXPORT int64_t depthwise_size(void) { return (int64_t)sizeof(Depthwise); }
// Channels of a work item on the way back.
EXPORT int64_t depthwise_group(void) { return chosen().group; }
EXPORT void norm_forward(const Norm* norm, int64_t first, int64_t last) {
    chosen().norm(*norm, first, last, false);
}
EXPORT void norm_backward(const Norm* norm, int64_t first, int64_t last) {
    chosen().norm(*norm, first, last, true);
}
EXPORT void depthwise_forward(const Depthwise* depthwise, int64_t first, int64_t last) {
    chosen().depthwise(*depthwise, first, last, false);
}
EXPORT void depthwise_backward(const Depthwise* depthwise, int64_t first, int64_t last) {
    chosen().depthwise(*depthwise, first, last, true);
}
