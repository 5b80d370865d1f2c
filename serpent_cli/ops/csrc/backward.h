// The backward scan of one group: each chunk is run forward again from its carry, then reversed.
// Included once per instruction set, inside its namespace.
//
// With g = dL/dy, decay e = exp(-delta * rate), p = e * h_prev, x = dL/dh (running):
//   dC = <g, h>   x += g C   dB = <x, delta u>   du = g D + sum x delta B
//   ddelta = sum x (B u - p rate)   drate_log = -sum x p delta rate   x <- x e
//   dpre = ddelta * sigmoid(pre) = ddelta * (1 - exp(-delta))

template <int G, bool PART, class U, class P>
static void backward_group(const Scan& s, int64_t b, int64_t d0, int lanes, int64_t group) {
    const int64_t L = s.H * s.W, chunks = chunk_count(s), groups = all_groups(s.D, LANES);
    const int N = s.N, F = s.R + (s.observe ? 2 : 1) * N, V = G * LANES;
    int64_t pixels[MAX_CHUNK];
    bool starts[MAX_CHUNK];
    std::vector<float> deltas((size_t)s.chunk * V), before((size_t)s.chunk * N * V), h((size_t)N * V),
        dh((size_t)N * V), d_weight((size_t)s.R * V), d_rate((size_t)N * V);
    for (int k = 0; k < s.K; k++) {
        const Path path(s, k);
        const Parameters<G> p(s, k, d0, lanes);
        vf d_bias[G] = {}, d_skip[G] = {};
        std::fill(dh.begin(), dh.end(), 0.0f);
        std::fill(d_weight.begin(), d_weight.end(), 0.0f);
        std::fill(d_rate.begin(), d_rate.end(), 0.0f);
        for (int64_t c = chunks - 1; c >= 0; c--) {
            const int count = (int)std::min<int64_t>(s.chunk, L - c * s.chunk);
            path.visit(c * s.chunk, count, pixels, starts);
            const float* carry = s.carries + (((b * s.K + k) * chunks + c) * N) * s.D + d0;
            for (int n = 0; n < N; n++)
                for (int v = 0; v < G; v++)
                    store(&h[(n * G + v) * LANES],
                          load_channels<G, PART>(carry + n * s.D, v, lanes));
            for (int t = 0; t < count; t++) {
                const int64_t at = b * L + pixels[t];
                const P* f = (const P*)s.dbc + (at * s.K + k) * F;
                const U* u = (const U*)s.u + at * s.D + d0;
                if (s.reset && starts[t]) std::fill(h.begin(), h.end(), 0.0f);
                for (int v = 0; v < G; v++) {
                    const vf delta = p.delta(f, s.R, v);
                    const vf input = delta * load_channels<G, PART>(u, v, lanes);
                    store(&deltas[t * V + v * LANES], delta);
                    for (int n = 0; n < N; n++) {
                        const int i = (n * G + v) * LANES;
                        const vf prev = load<float>(&h[i]);
                        store(&before[t * N * V + i], prev);
                        const vf decay = exp_negative(-delta * load<float>(&p.rate[i]));
                        store(&h[i], decay * prev + input * scalar(f + s.R + n));
                    }
                }
            }
            for (int t = count - 1; t >= 0; t--) {
                const int64_t at = b * L + pixels[t];
                const P* f = (const P*)s.dbc + (at * s.K + k) * F;
                const U* u = (const U*)s.u + at * s.D + d0;
                const float* g = s.grad_y + at * s.D + d0;
                float* du = s.grad_u + at * s.D + d0;
                float* df = s.grad_dbc + (((b * groups + group) * L + pixels[t]) * s.K + k) * F;
                vf x[G], gy[G], gx[G], gd[G];
                for (int v = 0; v < G; v++) {
                    x[v] = load_channels<G, PART>(u, v, lanes);
                    gy[v] = load_channels<G, PART>(g, v, lanes);
                    gx[v] = gy[v] * p.skip[v];
                    d_skip[v] += gy[v] * x[v];
                    gd[v] = vf{};
                }
                for (int n = 0; n < N; n++) {
                    const float Bn = scalar(f + s.R + n);
                    const float Cn = s.observe ? scalar(f + s.R + N + n) : 1.0f;
                    vf dB = {}, dC = {};
                    for (int v = 0; v < G; v++) {
                        const int i = (n * G + v) * LANES;
                        const vf delta = load<float>(&deltas[t * V + v * LANES]);
                        const vf rate = load<float>(&p.rate[i]);
                        const vf decay = exp_negative(-delta * rate);
                        const vf kept = decay * load<float>(&before[t * N * V + i]);
                        const vf input = delta * x[v];
                        const vf dx = load<float>(&dh[i]) + gy[v] * Cn;
                        dC += gy[v] * (kept + input * Bn);
                        dB += dx * input;
                        gx[v] += dx * delta * Bn;
                        gd[v] += dx * (x[v] * Bn - kept * rate);
                        store(&d_rate[i], load<float>(&d_rate[i]) - dx * kept * delta * rate);
                        store(&dh[i], dx * decay);
                    }
                    df[s.R + n] = sum(dB);
                    if (s.observe) df[s.R + N + n] = sum(dC);
                }
                if (s.reset && starts[t]) std::fill(dh.begin(), dh.end(), 0.0f);
                for (int v = 0; v < G; v++) {
                    gd[v] *= 1.0f - exp_negative(-load<float>(&deltas[t * V + v * LANES]));
                    d_bias[v] += gd[v];
                    if (k) gx[v] += load_channels<G, PART>(du, v, lanes);
                    store_channels<G, PART>(du, gx[v], v, lanes);
                }
                for (int r = 0; r < s.R; r++) {
                    const float fr = scalar(f + r);
                    vf dr = {};
                    for (int v = 0; v < G; v++) {
                        const int i = (r * G + v) * LANES;
                        dr += gd[v] * load<float>(&p.weight[i]);
                        store(&d_weight[i], load<float>(&d_weight[i]) + gd[v] * fr);
                    }
                    df[r] = sum(dr);
                }
            }
        }
        float* row = s.grad_dt_bias + (b * s.K + k) * s.D + d0;
        for (int v = 0; v < G; v++) store_channels<G, PART>(row, d_bias[v], v, lanes);
        if (s.grad_D_skip) {
            row = s.grad_D_skip + (b * s.K + k) * s.D + d0;
            for (int v = 0; v < G; v++) store_channels<G, PART>(row, d_skip[v], v, lanes);
        }
        for (int i = 0; i < lanes; i++) {
            for (int r = 0; r < s.R; r++)
                s.grad_dt_weight[((b * s.K + k) * s.R + r) * s.D + d0 + i] = d_weight[r * V + i];
            for (int n = 0; n < N; n++)
                s.grad_A_log[((b * s.K + k) * s.D + d0 + i) * N + n] = d_rate[n * V + i];
        }
    }
}
