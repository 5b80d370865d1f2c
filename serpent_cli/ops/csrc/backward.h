// The backward scan of one group: each chunk is run forward again from its carry, then reversed.
// Included once per instruction set, inside its namespace.
//
// With g = dL/dy, decay e = exp(-delta * rate), kept = e * h_prev, x = dL/dh (running):
//   dC = <g, h>   x += g C   dB = <x, delta u>   S = sum x B   du = g D + delta S
//   ddelta = u S - sum x kept rate   drate_log = -rate sum x kept delta   x <- x e
//   dpre = ddelta * sigmoid(pre) = ddelta * (1 - exp(-delta))

template <int G, bool PART, class U, class P>
class BackwardGroup {
    static constexpr int V = G * LANES;
    const Scan& s;
    const int64_t b, d0, group, L, groups;
    const int lanes, R, N, F;
    int64_t pixels[MAX_CHUNK];
    bool starts[MAX_CHUNK];
    std::vector<float> deltas, decays, kept;     // of a chunk: (t, V), (t, N, V), (t, N, V)
    std::vector<float> h, dh, d_weight, d_rate;  // running: (N, V), (N, V), (R, V), (N, V)
    std::vector<float> rows;                     // (F, LANES): a pixel's grad_dbc, not yet summed
    vf d_bias[G], d_skip[G];

    const P* features(int64_t at, int k) const { return (const P*)s.dbc + (at * s.K + k) * F; }
    const U* input(int64_t at) const { return (const U*)s.u + at * s.D + d0; }

    void load_carry(int k, int64_t c) {
        const float* carry = s.carries + (((b * s.K + k) * chunk_count(s) + c) * N) * s.D + d0;
        for (int n = 0; n < N; n++)
            for (int v = 0; v < G; v++)
                store(&h[n * V + v * LANES], load_channels<G, PART>(carry + n * s.D, v, lanes));
    }

    INLINE void replay(const Parameters<G>& p, int k, int t, int count) {
        const int64_t at = b * L + pixels[t];
        const P* f = features(at, k);
        const U* u = input(at);
        // Locals: a store may alias any member, which would be read again after each.
        const int states = N, rank = R;
        const float* rate = p.rate.data();
        float *state = h.data(), *delta_t = &deltas[t * V];
        float *decay_t = &decays[t * states * V], *kept_t = &kept[t * states * V];
        if (t + AHEAD < count) {
            const int64_t next = b * L + pixels[t + AHEAD];
            __builtin_prefetch(features(next, k));
            fetch<G, false>(input(next));
        }
        if (s.reset && starts[t]) std::fill(h.begin(), h.end(), 0.0f);
        for (int v = 0; v < G; v++) {
            const vf delta = p.delta(f, rank, v);
            const vf drive = delta * load_channels<G, PART>(u, v, lanes);
            store(delta_t + v * LANES, delta);
            for (int n = 0; n < states; n++) {
                const int i = n * V + v * LANES;
                const vf decay = exp_negative(-delta * load<float>(rate + i));
                const vf rest = decay * load<float>(state + i);
                store(decay_t + i, decay);
                store(kept_t + i, rest);
                store(state + i, rest + drive * scalar(f + rank + n));
            }
        }
    }

    // One vector of channels of one step, in reverse; the gradient of delta's argument.
    INLINE vf reverse(const Parameters<G>& p, const P* f, int64_t at, int k, int t, int v) {
        const int states = N;
        const bool observe = s.observe;
        const vf delta = load<float>(&deltas[t * V + v * LANES]);
        const vf x = load_channels<G, PART>(input(at), v, lanes), drive = delta * x;
        const vf gy = load_channels<G, PART>(s.grad_y + at * s.D + d0, v, lanes);
        const float *decay = &decays[t * states * V + v * LANES], *rate = &p.rate[v * LANES];
        const float* rest = &kept[t * states * V + v * LANES];
        float *dx = &dh[v * LANES], *d_rates = &d_rate[v * LANES];
        float *dB = &rows[R * LANES], *dC = dB + states * LANES;
        const P *Bs = f + R, *Cs = Bs + states;
        vf by_B = {}, by_rate = {};
        for (int n = 0; n < states; n++) {
            const float Bn = scalar(Bs + n), Cn = observe ? scalar(Cs + n) : 1.0f;
            const vf before = load<float>(rest + n * V);
            const vf dh_n = load<float>(dx + n * V) + gy * Cn, carried = dh_n * before;
            by_B += dh_n * Bn;
            by_rate += carried * load<float>(rate + n * V);
            store(d_rates + n * V, load<float>(d_rates + n * V) + carried * delta);
            store(dx + n * V, dh_n * load<float>(decay + n * V));
            add(dB + n * LANES, dh_n * drive, v);
            if (observe) add(dC + n * LANES, gy * (before + drive * Bn), v);
        }
        float* du = s.grad_u + at * s.D + d0;
        const vf others = k ? load_channels<G, PART>(du, v, lanes) : vf{};
        store_channels<G, PART>(du, others + gy * p.skip[v] + delta * by_B, v, lanes);
        d_skip[v] += gy * x;
        return (x * by_B - by_rate) * one_minus_exp(delta);
    }

    // Begin a sum with the first vector of channels, go on with the others.
    static INLINE void add(float* to, vf x, int v) { store(to, v ? load<float>(to) + x : x); }

    INLINE void reverse_step(const Parameters<G>& p, int k, int t) {
        const int64_t at = b * L + pixels[t];
        const P* f = features(at, k);
        if (t >= AHEAD) {  // u and the features are at hand since the replay
            const int64_t next = b * L + pixels[t - AHEAD];
            fetch<G, false>(s.grad_y + next * s.D + d0);
            fetch<G, true>(s.grad_u + next * s.D + d0);
        }
        vf d_pre[G];
        for (int v = 0; v < G; v++) d_bias[v] += d_pre[v] = reverse(p, f, at, k, t, v);
        if (s.reset && starts[t]) std::fill(dh.begin(), dh.end(), 0.0f);
        const int rank = R;
        const float* weight = p.weight.data();
        float *d_weights = d_weight.data(), *sums = rows.data();
        for (int r = 0; r < rank; r++) {
            const float fr = scalar(f + r);
            vf total = {};
            for (int v = 0; v < G; v++) {
                const int i = r * V + v * LANES;
                total += d_pre[v] * load<float>(weight + i);
                store(d_weights + i, load<float>(d_weights + i) + d_pre[v] * fr);
            }
            store(sums + r * LANES, total);
        }
        const int64_t row = ((b * groups + group) * L + pixels[t]) * s.K + k;
        sum_rows(sums, F, s.grad_dbc + row * F);
    }

    void write_sums(const Parameters<G>& p, int k) {
        const int64_t at = (b * s.K + k) * s.D + d0;
        for (int v = 0; v < G; v++) {
            store_channels<G, PART>(s.grad_dt_bias + at, d_bias[v], v, lanes);
            if (s.grad_D_skip) store_channels<G, PART>(s.grad_D_skip + at, d_skip[v], v, lanes);
        }
        for (int i = 0; i < lanes; i++) {
            for (int r = 0; r < R; r++)
                s.grad_dt_weight[((b * s.K + k) * R + r) * s.D + d0 + i] = d_weight[r * V + i];
            for (int n = 0; n < N; n++)
                s.grad_A_log[(at + i) * N + n] = -p.rate[n * V + i] * d_rate[n * V + i];
        }
    }

   public:
    BackwardGroup(const Scan& scan, int64_t b, int64_t d0, int lanes, int64_t group)
        : s(scan), b(b), d0(d0), group(group), L(s.H * s.W), groups(all_groups(s.D, LANES)),
          lanes(lanes), R(s.R), N(s.N), F(R + (s.observe ? 2 : 1) * N),
          deltas((size_t)s.chunk * V), decays((size_t)s.chunk * N * V), kept(decays.size()),
          h((size_t)N * V), dh(h.size()), d_weight((size_t)R * V), d_rate(h.size()),
          rows((size_t)F * LANES) {}

    void run(int k) {
        const Path path(s, k);
        const Parameters<G> p(s, k, d0, lanes);
        for (auto* sums : {&dh, &d_weight, &d_rate}) std::fill(sums->begin(), sums->end(), 0.0f);
        for (int v = 0; v < G; v++) d_bias[v] = d_skip[v] = vf{};
        for (int64_t c = chunk_count(s) - 1; c >= 0; c--) {
            const int count = (int)std::min<int64_t>(s.chunk, L - c * s.chunk);
            path.visit(c * s.chunk, count, pixels, starts);
            load_carry(k, c);
            for (int t = 0; t < count; t++) replay(p, k, t, count);
            for (int t = count - 1; t >= 0; t--) reverse_step(p, k, t);
        }
        write_sums(p, k);
    }
};
