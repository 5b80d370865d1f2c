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

    void replay(const Parameters<G>& p, int k, int t) {
        const int64_t at = b * L + pixels[t];
        const P* f = features(at, k);
        if (s.reset && starts[t]) std::fill(h.begin(), h.end(), 0.0f);
        for (int v = 0; v < G; v++) {
            const vf delta = p.delta(f, R, v);
            const vf drive = delta * load_channels<G, PART>(input(at), v, lanes);
            store(&deltas[t * V + v * LANES], delta);
            for (int n = 0; n < N; n++) {
                const int i = n * V + v * LANES;
                const vf decay = exp_negative(-delta * load<float>(&p.rate[i]));
                const vf rest = decay * load<float>(&h[i]);
                store(&decays[t * N * V + i], decay);
                store(&kept[t * N * V + i], rest);
                store(&h[i], rest + drive * scalar(f + R + n));
            }
        }
    }

    // One vector of channels of one step, in reverse; the gradient of delta's argument.
    vf reverse(const Parameters<G>& p, const P* f, int64_t at, int k, int t, int v) {
        const vf delta = load<float>(&deltas[t * V + v * LANES]);
        const vf x = load_channels<G, PART>(input(at), v, lanes), drive = delta * x;
        const vf gy = load_channels<G, PART>(s.grad_y + at * s.D + d0, v, lanes);
        const float *decay = &decays[t * N * V + v * LANES], *rest = &kept[t * N * V + v * LANES];
        float *dB = &rows[R * LANES], *dC = dB + N * LANES;
        vf by_B = {}, by_rate = {};
        for (int n = 0; n < N; n++, dB += LANES, dC += LANES) {
            const int i = n * V + v * LANES;
            const float Bn = scalar(f + R + n), Cn = s.observe ? scalar(f + R + N + n) : 1.0f;
            const vf before = load<float>(rest + n * V);
            const vf dx = load<float>(&dh[i]) + gy * Cn, carried = dx * before;
            by_B += dx * Bn;
            by_rate += carried * load<float>(&p.rate[i]);
            store(&d_rate[i], load<float>(&d_rate[i]) + carried * delta);
            store(&dh[i], dx * load<float>(decay + n * V));
            store(dB, (v ? load<float>(dB) : vf{}) + dx * drive);
            if (s.observe) store(dC, (v ? load<float>(dC) : vf{}) + gy * (before + drive * Bn));
        }
        float* du = s.grad_u + at * s.D + d0;
        const vf others = k ? load_channels<G, PART>(du, v, lanes) : vf{};
        store_channels<G, PART>(du, others + gy * p.skip[v] + delta * by_B, v, lanes);
        d_skip[v] += gy * x;
        return (x * by_B - by_rate) * one_minus_exp(delta);
    }

    void reverse_step(const Parameters<G>& p, int k, int t) {
        const int64_t at = b * L + pixels[t];
        const P* f = features(at, k);
        vf d_pre[G];
        for (int v = 0; v < G; v++) d_bias[v] += d_pre[v] = reverse(p, f, at, k, t, v);
        if (s.reset && starts[t]) std::fill(dh.begin(), dh.end(), 0.0f);
        for (int r = 0; r < R; r++) {
            const float fr = scalar(f + r);
            vf total = {};
            for (int v = 0; v < G; v++) {
                const int i = r * V + v * LANES;
                total += d_pre[v] * load<float>(&p.weight[i]);
                store(&d_weight[i], load<float>(&d_weight[i]) + d_pre[v] * fr);
            }
            store(&rows[r * LANES], total);
        }
        const int64_t row = ((b * groups + group) * L + pixels[t]) * s.K + k;
        sum_rows(rows.data(), F, s.grad_dbc + row * F);
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
            for (int t = 0; t < count; t++) replay(p, k, t);
            for (int t = count - 1; t >= 0; t--) reverse_step(p, k, t);
        }
        write_sums(p, k);
    }
};
