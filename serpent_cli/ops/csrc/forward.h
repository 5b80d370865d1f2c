// The forward scan of one group of G vectors of channels, along all paths of one picture.
// Included once per instruction set, inside its namespace.

// ONE: N = 1 with the state in registers.
template <int G, bool PART, bool ONE, class U, class P>
static void forward_group(const Scan& s, int64_t b, int64_t d0, int lanes) {
    const int64_t L = s.H * s.W, chunks = chunk_count(s);
    const int N = ONE ? 1 : s.N, F = s.R + (s.observe ? 2 : 1) * N;
    int64_t pixels[MAX_CHUNK];
    bool starts[MAX_CHUNK];
    std::vector<float> state((size_t)N * G * LANES);
    for (int k = 0; k < s.K; k++) {
        const Path path(s, k);
        const Parameters<G> p(s, k, d0, lanes);
        vf h1[G] = {};
        std::fill(state.begin(), state.end(), 0.0f);
        for (int64_t c = 0; c < chunks; c++) {
            const int count = (int)std::min<int64_t>(s.chunk, L - c * s.chunk);
            path.visit(c * s.chunk, count, pixels, starts);
            if (s.carries) {
                float* carry = s.carries + (((b * s.K + k) * chunks + c) * N) * s.D + d0;
                for (int n = 0; n < N; n++)
                    for (int v = 0; v < G; v++)
                        store_channels<G, PART>(
                            carry + n * s.D, ONE ? h1[v] : load<float>(&state[(n * G + v) * LANES]),
                            v, lanes);
            }
            for (int t = 0; t < count; t++) {
                const int64_t at = b * L + pixels[t];
                const P* f = (const P*)s.dbc + (at * s.K + k) * F;
                const U* u = (const U*)s.u + at * s.D + d0;
                float* y = s.y + at * s.D + d0;
                if (t + AHEAD < count) {
                    const int64_t next = b * L + pixels[t + AHEAD];
                    __builtin_prefetch((const P*)s.dbc + (next * s.K + k) * F);
                    fetch<G, false>((const U*)s.u + next * s.D + d0);
                    if (k) fetch<G, true>(s.y + next * s.D + d0);
                }
                if (s.reset && starts[t]) {
                    for (int v = 0; v < G; v++) h1[v] = vf{};
                    if (!ONE) std::fill(state.begin(), state.end(), 0.0f);
                }
                for (int v = 0; v < G; v++) {
                    const vf x = load_channels<G, PART>(u, v, lanes);
                    const vf delta = p.delta(f, s.R, v);
                    const vf input = delta * x;
                    vf out = p.skip[v] * x;
                    if (ONE) {
                        h1[v] = exp_negative(-delta * load<float>(&p.rate[v * LANES])) * h1[v] +
                                input * scalar(f + s.R);
                        out += s.observe ? h1[v] * scalar(f + s.R + 1) : h1[v];
                    } else {
                        for (int n = 0; n < N; n++) {
                            float* at_n = &state[(n * G + v) * LANES];
                            const vf decay =
                                exp_negative(-delta * load<float>(&p.rate[(n * G + v) * LANES]));
                            const vf h = decay * load<float>(at_n) + input * scalar(f + s.R + n);
                            store(at_n, h);
                            out += h * scalar(f + s.R + N + n);
                        }
                    }
                    if (k) out += load_channels<G, PART>(y, v, lanes);
                    store_channels<G, PART>(y, out, v, lanes);
                }
            }
        }
    }
}
