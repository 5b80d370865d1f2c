// The forward scan of one group of G vectors of channels, along all paths of one picture.
// Included once per instruction set, inside its namespace.

// ONE: N = 1 with the state in registers.
template <int G, bool PART, bool ONE, class T>
static void forward_group(const Scan& s, int64_t b, int64_t d0, int lanes) {
    constexpr int V = G * LANES;
    const int64_t L = s.H * s.W, chunks = chunk_count(s);
    const int R = s.R, N = ONE ? 1 : s.N, F = R + (s.observe ? 2 : 1) * N;
    const bool observe = s.observe;
    int64_t pixels[MAX_CHUNK];
    bool starts[MAX_CHUNK];
    const Floats state((size_t)N * V);
    float* const h = state;
    vf skip[G];
    sum_skips<G, PART>(s, d0, lanes, skip);
    for (int k = 0; k < s.K; k++) {
        const bool rounded = s.out_type && k == s.K - 1;  // the sum is whole
        const Path path(s, k);
        const Parameters<G, PART> p(s, k, d0, lanes);
        const float* const rates = p.rate;
        vf h1[G] = {}, rate1[G];
        for (int v = 0; v < G; v++) rate1[v] = load<float>(rates + v * LANES);
        memset(h, 0, N * V * sizeof(float));
        for (int64_t c = 0; c < chunks; c++) {
            const int64_t left = L - c * s.chunk;
            const int count = (int)(left < s.chunk ? left : s.chunk);
            path.visit(c * s.chunk, count, pixels, starts);
            if (s.carries) {
                float* carry = s.carries + (((b * s.K + k) * chunks + c) * N) * s.D + d0;
                for (int n = 0; n < N; n++)
                    for (int v = 0; v < G; v++)
                        store_channels<G, PART>(carry + n * s.D,
                                                ONE ? h1[v] : load<float>(h + n * V + v * LANES), v,
                                                lanes);
            }
            for (int t = 0; t < count; t++) {
                const int64_t at = b * L + pixels[t];
                const T* f = (const T*)s.dbc + (at * s.K + k) * F;
                const T* u = (const T*)s.u + at * s.D + d0;
                float* y = s.y + at * s.D + d0;
                if (t + AHEAD < count) {
                    const int64_t next = b * L + pixels[t + AHEAD];
                    __builtin_prefetch((const T*)s.dbc + (next * s.K + k) * F);
                    fetch<G, false>((const T*)s.u + next * s.D + d0);
                    if (k) fetch<G, true>(s.y + next * s.D + d0);
                }
                if (s.reset && starts[t]) {
                    for (int v = 0; v < G; v++) h1[v] = vf{};
                    if (!ONE) memset(h, 0, N * V * sizeof(float));
                }
                vf delta[G], e[G], x[G], out[G];
                p.arguments(f, R, delta);
                softplus2(delta, e);
                for (int v = 0; v < G; v++) {
                    x[v] = load_channels<G, PART>(u, v, lanes);
                    out[v] = k ? load_channels<G, PART>(y, v, lanes) : skip[v] * x[v];
                }
                if (ONE) {
                    const float B = scalar(f + R) * LN_2;
                    for (int v = 0; v < G; v++) e[v] = delta[v] * rate1[v];
                    exp2_below(e);
                    for (int v = 0; v < G; v++) h1[v] = e[v] * h1[v] + delta[v] * x[v] * B;
                    if (observe) {
                        const float C = scalar(f + R + 1);
                        for (int v = 0; v < G; v++) out[v] += h1[v] * C;
                    } else
                        for (int v = 0; v < G; v++) out[v] += h1[v];
                } else {
                    const T *Bs = f + R, *Cs = Bs + N;
                    const float* rate = rates;
                    float* at_n = h;
                    for (int v = 0; v < G; v++) x[v] *= delta[v] * LN_2;
                    for (int n = 0; n < N; n++, rate += V, at_n += V) {
                        const float B = scalar(Bs + n), C = scalar(Cs + n);
                        for (int v = 0; v < G; v++) e[v] = delta[v] * load<float>(rate + v * LANES);
                        exp2_below(e);
                        for (int v = 0; v < G; v++) {
                            const vf now = e[v] * load<float>(at_n + v * LANES) + x[v] * B;
                            store(at_n + v * LANES, now);
                            out[v] += now * C;
                        }
                    }
                }
                if (rounded) {
                    uint16_t* to = (uint16_t*)s.out + at * s.D + d0;
                    for (int v = 0; v < G; v++) store_channels<G, PART>(to, out[v], v, lanes);
                } else
                    for (int v = 0; v < G; v++) store_channels<G, PART>(y, out[v], v, lanes);
            }
        }
    }
}
