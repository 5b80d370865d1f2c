// The backward scan of one group: each chunk is run forward again from its carry, then reversed.
// Included once per instruction set, inside its namespace.
//
// With g = dL/dy, decay e = exp(-delta * rate), kept = e * h_prev, x = dL/dh (running):
//   dC = <g, h>   x += g C   dB = <x, delta u>   S = sum x B   du = g D + delta S
//   ddelta = u S - sum x kept rate   drate_log = -rate sum x kept delta   x <- x e
//   dpre = ddelta * sigmoid(pre)

// ONE: N = 1 with what runs along the path in registers.
template <int G, bool PART, bool ONE, class T>
class BackwardGroup {
    static constexpr int V = G * LANES, STATES = ONE ? 1 : MAX_STATES;
    const Scan& s;
    const int64_t b, d0, group, L, groups;
    const int lanes, R, N, F;
    int64_t pixels[MAX_CHUNK];
    bool starts[MAX_CHUNK];
    // Of a chunk: (t, V), (t, V), (t, N, V), (t, N, V); slopes become the gradients of delta's
    // argument.
    const Floats deltas, slopes, decays, kept;
    const Floats d_weight;  // running: (R, V)
    const Floats rows;      // (F, LANES): a pixel's grad_dbc, not yet summed
    vf skip[G], d_bias[G], d_skip[G];

    const T* features(int64_t at, int k) const { return (const T*)s.dbc + (at * s.K + k) * F; }
    const T* input(int64_t at) const { return (const T*)s.u + at * s.D + d0; }

    // Forward from a chunk's carry, keeping what the reverse needs.
    INLINE void replay(const Parameters<G, PART>& p, int k, int64_t c, int count) {
        // Locals: a store may alias any member, which would be read again after each.
        const int states = ONE ? 1 : N, rank = R, width = lanes;
        const bool reset = s.reset;
        const float* const rates = p.rate;
        const float* carry = s.carries + (((b * s.K + k) * chunk_count(s) + c) * N) * s.D + d0;
        float *delta_t = deltas, *slope_t = slopes, *decay_t = decays, *kept_t = kept;
        vf h[STATES * G];
        for (int n = 0; n < states; n++)
            for (int v = 0; v < G; v++)
                h[n * G + v] = load_channels<G, PART>(carry + n * s.D, v, width);
        for (int t = 0; t < count; t++, delta_t += V, slope_t += V) {
            const int64_t at = b * L + pixels[t];
            const T* f = features(at, k);
            const T* u = input(at);
            if (t + AHEAD < count) {
                const int64_t next = b * L + pixels[t + AHEAD];
                __builtin_prefetch(features(next, k));
                fetch<G, false>(input(next));
            }
            if (reset && starts[t])
                for (int i = 0; i < states * G; i++) h[i] = vf{};
            vf delta[G], e[G], drive[G];
            p.arguments(f, rank, delta);
            for (int v = 0; v < G; v++) drive[v] = delta[v];
            softplus2(delta, e);
            for (int v = 0; v < G; v++) {  // ln 2 sigmoid
                const vf top = drive[v] < splat(0.0f) ? e[v] * LN_2 : splat(LN_2);
                store(slope_t + v * LANES, top / (e[v] + 1.0f));
            }
            for (int v = 0; v < G; v++) {
                const vf natural = delta[v] * LN_2;
                store(delta_t + v * LANES, natural);
                drive[v] = natural * load_channels<G, PART>(u, v, width);
            }
            const float* rate = rates;
            for (int n = 0; n < states; n++, rate += V, decay_t += V, kept_t += V) {
                const float B = scalar(f + rank + n);
                for (int v = 0; v < G; v++) e[v] = delta[v] * load<float>(rate + v * LANES);
                exp2_below(e);
                for (int v = 0; v < G; v++) {
                    const vf rest = e[v] * h[n * G + v];
                    store(decay_t + v * LANES, e[v]);
                    store(kept_t + v * LANES, rest);
                    h[n * G + v] = rest + drive[v] * B;
                }
            }
        }
    }

    // A chunk from its last step to its first; dh, d_rate: running (N, G).
    INLINE void reverse(const Parameters<G, PART>& p, int k, int count, vf* dh, vf* d_rate) {
        const int states = ONE ? 1 : N, rank = R, width = lanes, sums = F;
        const bool reset = s.reset, observe = s.observe, half = s.out_type;
        const bool rounded = half && k == s.K - 1;  // u's gradient is whole
        const float *const rates = p.rate, *const weights = p.weight;
        float* const row = rows;
        for (int t = count - 1; t >= 0; t--) {
            const int64_t at = b * L + pixels[t];
            const T *f = features(at, k), *Bs = f + rank, *Cs = Bs + states;
            const T* u = input(at);
            float* du = s.sum_u + at * s.D + d0;
            if (t >= AHEAD) {  // u and the features are at hand since the replay
                const int64_t next = (b * L + pixels[t - AHEAD]) * s.D + d0;
                if (half)
                    fetch<G, false>((const uint16_t*)s.grad_y + next);
                else
                    fetch<G, false>((const float*)s.grad_y + next);
                fetch<G, true>(s.sum_u + next);
            }
            vf delta[G], x[G], drive[G], gy[G], by_B[G], by_rate[G];
            const int64_t first = at * s.D + d0;
            if (half)
                for (int v = 0; v < G; v++)
                    gy[v] = load_channels<G, PART>((const uint16_t*)s.grad_y + first, v, width);
            else
                for (int v = 0; v < G; v++)
                    gy[v] = load_channels<G, PART>((const float*)s.grad_y + first, v, width);
            for (int v = 0; v < G; v++) {
                delta[v] = load<float>(deltas + t * V + v * LANES);
                x[v] = load_channels<G, PART>(u, v, width);
                drive[v] = delta[v] * x[v];
                by_B[v] = by_rate[v] = vf{};
            }
            const float *decay = decays + (size_t)t * states * V, *rest = kept + (size_t)t * states * V;
            const float* rate = rates;
            for (int n = 0; n < states; n++, decay += V, rest += V, rate += V) {
                const float B = scalar(Bs + n), C = observe ? scalar(Cs + n) : 1.0f;
                vf dB = {}, dC = {};
                for (int v = 0; v < G; v++) {
                    const int i = n * G + v;
                    const vf before = load<float>(rest + v * LANES);
                    const vf dh_n = dh[i] + gy[v] * C, carried = dh_n * before;
                    by_B[v] += dh_n * B;
                    by_rate[v] += carried * load<float>(rate + v * LANES);
                    d_rate[i] += carried * delta[v];
                    dh[i] = dh_n * load<float>(decay + v * LANES);
                    dB += dh_n * drive[v];
                    dC += gy[v] * (before + drive[v] * B);
                }
                store(row + (rank + n) * LANES, dB);
                if (observe) store(row + (rank + states + n) * LANES, dC);
            }
            if (reset && starts[t])
                for (int i = 0; i < states * G; i++) dh[i] = vf{};
            for (int v = 0; v < G; v++) {
                vf out = delta[v] * by_B[v];
                if (k)
                    out += load_channels<G, PART>(du, v, width);
                else {
                    out += gy[v] * skip[v];
                    d_skip[v] += gy[v] * x[v];
                }
                if (rounded)
                    store_channels<G, PART>((uint16_t*)s.grad_u + first, out, v, width);
                else
                    store_channels<G, PART>(du, out, v, width);
                float* slope = slopes + t * V + v * LANES;
                x[v] = (x[v] * by_B[v] + by_rate[v]) * load<float>(slope);  // rate is negative
                d_bias[v] += x[v];
                store(slope, x[v]);
            }
            const float* weight = weights;
            for (int r = 0; r < rank; r++, weight += V) {
                vf total = {};
                for (int v = 0; v < G; v++) total += x[v] * load<float>(weight + v * LANES);
                store(row + r * LANES, total);
            }
            const int64_t to = ((b * groups + group) * L + pixels[t]) * s.K + k;
            sum_rows(row, sums, s.grad_dbc + to * sums);
        }
    }

    // d_weight += the chunk's features (t, R), transposed, times its gradients (t, V).
    template <int ROWS>
    INLINE void add_product(int k, int count, int r) {
        const float* gradient = slopes;
        float* to = d_weight + r * V;
        vf total[ROWS * G];
        for (int i = 0; i < ROWS * G; i++) total[i] = load<float>(to + i * LANES);
        for (int t = 0; t < count; t++, gradient += V) {
            const T* f = features(b * L + pixels[t], k) + r;
            for (int i = 0; i < ROWS; i++)
                for (int v = 0; v < G; v++)
                    total[i * G + v] += load<float>(gradient + v * LANES) * scalar(f + i);
        }
        for (int i = 0; i < ROWS * G; i++) store(to + i * LANES, total[i]);
    }

    void write_sums(const Parameters<G, PART>& p, int k, const vf* d_rate) {
        const int64_t at = (b * s.K + k) * s.D + d0;
        for (int v = 0; v < G; v++) {
            store_channels<G, PART>(s.grad_dt_bias + at, d_bias[v] * LOG2_E, v, lanes);
            if (s.grad_D_skip) store_channels<G, PART>(s.grad_D_skip + at, d_skip[v], v, lanes);
        }
        for (int r = 0; r < R; r++)
            for (int v = 0; v < G; v++)
                store_channels<G, PART>(
                    s.grad_dt_weight + ((b * s.K + k) * R + r) * s.D + d0,
                    load<float>(d_weight + r * V + v * LANES) * LOG2_E, v, lanes);
        for (int n = 0; n < N; n++)
            for (int i = 0; i < lanes; i++)
                s.grad_A_log[(at + i) * N + n] =
                    p.rate[n * V + i] * d_rate[n * G + i / LANES][i % LANES];
    }

   public:
    BackwardGroup(const Scan& scan, int64_t b, int64_t d0, int lanes, int64_t group)
        : s(scan), b(b), d0(d0), group(group), L(s.H * s.W), groups(all_groups(s.D, LANES, 0)),
          lanes(lanes), R(s.R), N(s.N), F(R + (s.observe ? 2 : 1) * N),
          deltas((size_t)s.chunk * V), slopes((size_t)s.chunk * V), decays((size_t)s.chunk * N * V),
          kept((size_t)s.chunk * N * V), d_weight((size_t)R * V), rows((size_t)(F + 3) * LANES) {
        sum_skips<G, PART>(s, d0, lanes, skip);
        for (int v = 0; v < G; v++) d_skip[v] = vf{};
    }

    void run(int k) {
        const Path path(s, k);
        const Parameters<G, PART> p(s, k, d0, lanes);
        vf dh[STATES * G], d_rate[STATES * G];
        for (int i = 0; i < (ONE ? 1 : N) * G; i++) dh[i] = d_rate[i] = vf{};
        for (int v = 0; v < G; v++) d_bias[v] = vf{};
        memset(d_weight, 0, (size_t)R * V * sizeof(float));
        for (int64_t c = chunk_count(s) - 1; c >= 0; c--) {
            const int64_t left = L - c * s.chunk;
            const int count = (int)(left < s.chunk ? left : s.chunk);
            path.visit(c * s.chunk, count, pixels, starts);
            replay(p, k, c, count);
            reverse(p, k, count, dh, d_rate);
            int r = 0;
            for (; r + 4 <= R; r += 4) add_product<4>(k, count, r);
            if (R - r >= 2) add_product<2>(k, count, r), r += 2;
            if (R - r) add_product<1>(k, count, r);
        }
        write_sums(p, k, d_rate);
    }
};
