// One instruction set's kernels: picks the instance for a work item. Included with ISA (a namespace)
// and LANES defined, under that set's compiler options; no include guard on purpose.

namespace ISA {
constexpr int AHEAD = 4;  // pixels along the path that are fetched before their turn
#include "vector_math.h"
// After it, in this order:
#include "group.h"
// Both stand on the group:
#include "backward.h"
#include "forward.h"

template <int G, bool PART, class U, class P>
static void run_group(const Scan& s, int64_t b, int64_t d0, int lanes, int64_t group, bool back) {
    if (back) {
        BackwardGroup<G, PART, U, P> backward(s, b, d0, lanes, group);
        for (int k = 0; k < s.K; k++) backward.run(k);
    } else if (s.N == 1)
        forward_group<G, PART, true, U, P>(s, b, d0, lanes);
    else
        forward_group<G, PART, false, U, P>(s, b, d0, lanes);
}

template <class U, class P>
static void run_item(const Scan& s, int64_t item, bool back) {
    const int64_t groups = all_groups(s.D, LANES), full = full_groups(s.D, LANES);
    const int64_t b = item / groups, g = item % groups, vectors = s.D / LANES;
    if (g == full) {  // the channels that fill no vector
        run_group<1, true, U, P>(s, b, vectors * LANES, (int)(s.D % LANES), g, back);
        return;
    }
    const int64_t first = g * vectors / full, last = (g + 1) * vectors / full;
    const int64_t d0 = first * LANES;
    switch (last - first) {
        case 1: return run_group<1, false, U, P>(s, b, d0, 1 * LANES, g, back);
        case 2: return run_group<2, false, U, P>(s, b, d0, 2 * LANES, g, back);
        case 3: return run_group<3, false, U, P>(s, b, d0, 3 * LANES, g, back);
#if LANES < 16
        case 5: return run_group<5, false, U, P>(s, b, d0, 5 * LANES, g, back);
        case 6: return run_group<6, false, U, P>(s, b, d0, 6 * LANES, g, back);
#endif
        default: return run_group<4, false, U, P>(s, b, d0, 4 * LANES, g, back);
    }
}

static void run(const Scan& s, int64_t first, int64_t last, bool back) {
    for (int64_t item = first; item < last; item++) {
        if (s.u_type && s.dbc_type)
            run_item<uint16_t, uint16_t>(s, item, back);
        else if (s.u_type)
            run_item<uint16_t, float>(s, item, back);
        else if (s.dbc_type)
            run_item<float, uint16_t>(s, item, back);
        else
            run_item<float, float>(s, item, back);
    }
}

// The arithmetic of `steps` path steps of one group of 4 vectors, on registers alone: no less time
// is possible for the same operations. Returns a value that depends on all of them.
static float register_limit(int64_t steps, int N, int R) {
    vf h[4][64] = {}, x[4], total = {};
    for (int v = 0; v < 4; v++) x[v] = splat(0.1f * (v + 1));
    float f = 0.3f;
    for (int64_t t = 0; t < steps; t++) {
        __asm__ volatile("" : "+m"(f));
        for (int v = 0; v < 4; v++) {
            vf pre = x[v];
            for (int r = 0; r < R; r++) pre += x[v] * f;
            const vf delta = softplus(pre);
            const vf input = delta * x[v];
            vf out = x[v] * 0.5f;
            for (int n = 0; n < N; n++) {
                h[v][n] = exp_negative(-delta * (float)(n + 1)) * h[v][n] + input * f;
                out += h[v][n] * f;
            }
            total += out;
        }
    }
    return sum(total);
}
}  // namespace ISA

#undef ISA
#undef LANES
