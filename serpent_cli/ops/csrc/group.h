// One group of G vectors of channels: its parameters, and reading and writing its channels.
// Included once per instruction set, inside its namespace.

// A group's parameters on one path, padded with zeros to whole vectors.
template <int G>
struct Parameters {
    vf bias[G], skip[G];
    std::vector<float> weight, rate;  // (R, G, LANES), (N, G, LANES); rate = exp(A_log)

    Parameters(const Scan& s, int k, int64_t d0, int lanes)
        : weight((size_t)s.R * G * LANES), rate((size_t)s.N * G * LANES) {
        float column[G * LANES] = {}, skips[G * LANES] = {};
        for (int i = 0; i < lanes; i++) {
            const int64_t d = (int64_t)k * s.D + d0 + i;
            column[i] = s.dt_bias[d];
            skips[i] = s.D_skip ? s.D_skip[d] : 0.0f;
            for (int r = 0; r < s.R; r++)
                weight[r * G * LANES + i] = s.dt_weight[((int64_t)k * s.R + r) * s.D + d0 + i];
            for (int n = 0; n < s.N; n++) rate[n * G * LANES + i] = std::exp(s.A_log[d * s.N + n]);
        }
        for (int v = 0; v < G; v++) {
            bias[v] = load<float>(column + v * LANES);
            skip[v] = load<float>(skips + v * LANES);
        }
    }

    template <class T>
    INLINE vf delta(const T* features, int R, int v) const {
        vf x = bias[v];
        for (int r = 0; r < R; r++)
            x += load<float>(&weight[(r * G + v) * LANES]) * scalar(features + r);
        return softplus(x);
    }
};

template <int G, bool PART, class T>
static INLINE vf load_channels(const T* from, int v, int lanes) {
    return PART ? load_part<T>(from, lanes) : load<T>(from + v * LANES);
}

template <int G, bool PART>
static INLINE void store_channels(float* to, vf x, int v, int lanes) {
    if (PART)
        store_part(to, x, lanes);
    else
        store(to + v * LANES, x);
}

// Ask for a group's channels of a pixel before their turn; WRITE: they will be overwritten.
template <int G, bool WRITE, class T>
static INLINE void fetch(const T* from) {
    for (int i = 0; i < G * LANES; i += 64 / (int)sizeof(T)) __builtin_prefetch(from + i, WRITE);
}
