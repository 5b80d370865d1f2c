// One group of G vectors of channels: its parameters, and reading and writing its channels.
// Included once per instruction set, inside its namespace.

// A group's parameters on one path, padded with zeros to whole vectors. In base 2: exp(-delta a) is
// 2^(-delta2 a) with delta2 = delta log2(e) = log2(1 + 2^pre2) and pre2 = pre log2(e), whose factor
// the weights and the bias hold.
template <int G, bool PART>
struct Parameters {
    vf bias[G];
    Floats weight, rate;  // (R, G, LANES), (N, G, LANES); rate = -exp(A_log)

    Parameters(const Scan& s, int k, int64_t d0, int lanes)
        : weight((size_t)s.R * G * LANES), rate((size_t)s.N * G * LANES) {
        const int64_t first = (int64_t)k * s.D + d0;
        for (int v = 0; v < G; v++)
            bias[v] = load_channels<G, PART>(s.dt_bias + first, v, lanes) * LOG2_E;
        for (int r = 0; r < s.R; r++) {
            const float* row = s.dt_weight + ((int64_t)k * s.R + r) * s.D + d0;
            for (int v = 0; v < G; v++)
                store(weight + (r * G + v) * LANES,
                      load_channels<G, PART>(row, v, lanes) * LOG2_E);
        }
        if (PART) rate.zero((size_t)s.N * G * LANES);
        for (int i = 0; i < lanes; i++)
            for (int n = 0; n < s.N; n++)
                rate[n * G * LANES + i] = -expf(s.A_log[(first + i) * s.N + n]);
    }

    // log2(e) times the argument of delta's softplus, for all channels of a pixel.
    template <class T>
    INLINE void arguments(const T* features, int R, vf (&x)[G]) const {
        const float* w = weight;
        for (int v = 0; v < G; v++) x[v] = bias[v];
        for (int r = 0; r < R; r++, w += G * LANES) {
            const float f = scalar(features + r);
            for (int v = 0; v < G; v++) x[v] += load<float>(w + v * LANES) * f;
        }
    }
};

// D_skip of a group, summed over the paths: y is their sum, and u the same for all.
template <int G, bool PART>
static INLINE void sum_skips(const Scan& s, int64_t d0, int lanes, vf (&skip)[G]) {
    for (int v = 0; v < G; v++) skip[v] = vf{};
    for (int k = 0; s.D_skip && k < s.K; k++)
        for (int v = 0; v < G; v++)
            skip[v] += load_channels<G, PART>(s.D_skip + (int64_t)k * s.D + d0, v, lanes);
}

// Ask for a group's channels of a pixel before their turn; WRITE: they will be overwritten.
template <int G, bool WRITE, class T>
static INLINE void fetch(const T* from) {
    for (int i = 0; i < G * LANES; i += 64 / (int)sizeof(T)) __builtin_prefetch(from + i, WRITE);
}
