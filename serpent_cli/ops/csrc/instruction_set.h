// One instruction set's kernels: picks the instance for a work item. Included with LANES defined, by
// a file that is compiled with that set's options; no include guard on purpose.
#include "paths.h"
#include "prelude.h"

// No name, and nothing of the C++ library: what several objects define is linked once, and might be
// taken from the one for a machine that this is not.
namespace {
constexpr int AHEAD = 4;  // pixels along the path that are fetched before their turn
#include "vector_math.h"
// After it, in this order:
#include "channels.h"
// and then:
#include "group.h"
// Both stand on the group:
#include "backward.h"
#include "forward.h"

template <int G, bool PART, bool ONE, class T>
void run_group(const Scan& s, int64_t b, int64_t d0, int lanes, int64_t group, bool back) {
    if (back) {
        BackwardGroup<G, PART, ONE, T> backward(s, b, d0, lanes, group);
        for (int k = 0; k < s.K; k++) backward.run(k);
    } else
        forward_group<G, PART, ONE, T>(s, b, d0, lanes);
}

template <int G, bool PART, class T>
void run_group(const Scan& s, int64_t b, int64_t d0, int lanes, int64_t group, bool back) {
    if (s.N == 1)
        run_group<G, PART, true, T>(s, b, d0, lanes, group, back);
    else
        run_group<G, PART, false, T>(s, b, d0, lanes, group, back);
}

template <class T>
void run_item(const Scan& s, int64_t item, bool back) {
    const int64_t parts = back ? 0 : s.parts, full = full_groups(s.D, LANES, parts);
    const int64_t groups = all_groups(s.D, LANES, parts);
    const int64_t b = item / groups, g = item % groups, vectors = s.D / LANES;
    if (g == full) {  // the channels that fill no vector
        run_group<1, true, T>(s, b, vectors * LANES, (int)(s.D % LANES), g, back);
        return;
    }
    const int64_t first = g * vectors / full, last = (g + 1) * vectors / full;
    const int64_t d0 = first * LANES;
    switch (last - first) {
        case 1: return run_group<1, false, T>(s, b, d0, 1 * LANES, g, back);
        case 2: return run_group<2, false, T>(s, b, d0, 2 * LANES, g, back);
        case 3: return run_group<3, false, T>(s, b, d0, 3 * LANES, g, back);
#if LANES < 16
        case 5: return run_group<5, false, T>(s, b, d0, 5 * LANES, g, back);
        case 6: return run_group<6, false, T>(s, b, d0, 6 * LANES, g, back);
#endif
        default: return run_group<4, false, T>(s, b, d0, 4 * LANES, g, back);
    }
}

void run(const Scan& s, int64_t first, int64_t last, bool back) {
    for (int64_t item = first; item < last; item++) {
        if (s.type)
            run_item<uint16_t>(s, item, back);
        else
            run_item<float>(s, item, back);
    }
}

// The arithmetic of `steps` path steps of one group of 4 vectors, on registers alone: no less time
// is possible for the same operations. Returns a value that depends on all of them.
float register_limit(int64_t steps, int N, int R) {
    vf h[MAX_STATES][4] = {}, x[4], total = {};
    for (int v = 0; v < 4; v++) x[v] = splat(0.1f * (v + 1));
    float f = 0.3f;
    for (int64_t t = 0; t < steps; t++) {
        __asm__ volatile("" : "+m"(f));
        vf delta[4], e[4], input[4], out[4];
        for (int v = 0; v < 4; v++) delta[v] = x[v];
        for (int r = 0; r < R; r++)
            for (int v = 0; v < 4; v++) delta[v] += x[v] * f;
        softplus2(delta, e);
        for (int v = 0; v < 4; v++) input[v] = delta[v] * x[v], out[v] = x[v];
        for (int n = 0; n < N; n++) {
            for (int v = 0; v < 4; v++) e[v] = delta[v] * (float)(-n - 1);
            exp2_below(e);
            for (int v = 0; v < 4; v++) {
                h[n][v] = e[v] * h[n][v] + input[v] * f;
                out[v] += h[n][v] * f;
            }
        }
        for (int v = 0; v < 4; v++) total += out[v];
    }
    return sum(total);
}

// `count` vector multiply-adds in twelve chains: more than any machine has in flight.
float multiply_adds(int64_t count) {
    const vf x = splat(0.1f);
    vf a = x, b = x * 2, c = x * 3, d = x * 4, e = x * 5, f = x * 6;
    vf g = x * 7, h = x * 8, i = x * 9, j = x * 10, k = x * 11, l = x * 12;
    vf by = splat(0.5f), more = splat(0.25f);
    for (int64_t done = 0; done < count; done += 12) {
        __asm__ volatile("" : "+m"(by), "+m"(more));
        const vf m = by, n = more;
        a = a * m + n, b = b * m + n, c = c * m + n, d = d * m + n, e = e * m + n, f = f * m + n;
        g = g * m + n, h = h * m + n, i = i * m + n, j = j * m + n, k = k * m + n, l = l * m + n;
    }
    return sum(((a + b) + (c + d)) + ((e + f) + (g + h)) + ((i + j) + (k + l)));
}
}  // namespace
