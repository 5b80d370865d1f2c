// A layer norm, and its product with the SiLU of a gate, in one pass over memory; and back.
// Included once per instruction set, inside its namespace.
//
// With n = (x - mean) / deviation, s = sigmoid(z), g = dL/dto:
//   to = (n w + b) z s           dz = g (n w + b) s (1 + z (1 - s))
//   dn = g z s w                 dx = (dn - mean(dn) - n mean(dn n)) / deviation
//   dw = sum of g z s n          db = sum of g z s

constexpr int BLOCK = 4;  // rows in step: their sums over channels share one tree

// Sums over the channels of a block's rows, each in the same order as if it were alone.
static INLINE void sum_block(const vf (&rows)[BLOCK], float (&to)[BLOCK]) {
    const v4 sums = fold(add_pairs(add_pairs(rows[0], rows[1]), add_pairs(rows[2], rows[3])));
    __builtin_memcpy(to, &sums, sizeof sums);
}

// The rows of a block; those that there are not are `beyond`.
template <class T>
struct Rows {
    T* at[BLOCK];

    Rows(T* from, int64_t first, int64_t rows, int64_t C, T* beyond) {
        for (int i = 0; i < BLOCK; i++) at[i] = first + i < rows ? from + (first + i) * C : beyond;
    }
};

// Channels c to c + LANES of a row. WHOLE: rows are whole vectors; otherwise the last one may be a
// part of one, whose other lanes are zero.
template <bool WHOLE, class T>
static INLINE vf channels(const T* row, int64_t c, int64_t C) {
    return WHOLE || c + LANES <= C ? load<T>(row + c) : load_part<T>(row + c, (int)(C - c));
}

template <bool WHOLE, class T>
static INLINE void put_channels(T* row, int64_t c, int64_t C, vf x) {
    if (WHOLE || c + LANES <= C)
        store(row + c, x);
    else
        store_part(row + c, x, (int)(C - c));
}

// Ask for a block's rows before their turn; WRITE: they will be overwritten.
template <bool WRITE, class T>
static INLINE void fetch_rows(const Rows<T>& rows, int64_t c) {
    for (int i = 0; i < BLOCK; i++) __builtin_prefetch(rows.at[i] + c, WRITE);
}

// Mean and 1 / deviation of a block's rows. `fetch(c)` is called for all channels, a vector at a
// time: this reads x alone, and what else is needed may come meanwhile.
template <bool WHOLE, class T, class Fetch>
static INLINE void moments(const Rows<const T>& x, int64_t C, float epsilon, const Fetch& fetch,
                           float (&mean)[BLOCK], float (&scale)[BLOCK]) {
    const float share = 1.0f / (float)C;
    vf total[BLOCK] = {};
    for (int64_t c = 0; c < C; c += LANES) {
        fetch(c);
        for (int i = 0; i < BLOCK; i++) total[i] += channels<WHOLE>(x.at[i], c, C);
    }
    sum_block(total, mean);
    for (int i = 0; i < BLOCK; i++) mean[i] *= share, total[i] = vf{};
    const int64_t whole = WHOLE ? C : C / LANES * LANES;
    for (int64_t c = 0; c < whole; c += LANES)
        for (int i = 0; i < BLOCK; i++) {
            const vf off = load<T>(x.at[i] + c) - mean[i];
            total[i] += off * off;
        }
    if (!WHOLE && whole < C) {
        const int left = (int)(C - whole);
        for (int i = 0; i < BLOCK; i++) {
            vf off = load_part<T>(x.at[i] + whole, left) - mean[i];
            for (int lane = left; lane < LANES; lane++) off[lane] = 0.0f;
            total[i] += off * off;
        }
    }
    sum_block(total, scale);
    for (int i = 0; i < BLOCK; i++) scale[i] = scale[i] * share + epsilon;
    for (int i = 0; i < BLOCK; i++) scale[i] = sqrtf(scale[i]);
    for (int i = 0; i < BLOCK; i++) scale[i] = 1.0f / scale[i];
}

template <bool GATE, bool WHOLE, class T>
static void norm_forward(const Norm& s, int64_t first, int64_t last) {
    const int64_t C = s.C;
    const float *const weights = s.weight, *const biases = s.bias, epsilon = s.epsilon;
    const Floats beyond(C);  // as wide as rows of either type
    beyond.zero(C);
    for (; first < last; first += BLOCK) {
        const Rows<const T> x((const T*)s.x, first, last, C, (T*)(float*)beyond);
        const Rows<const T> gate((const T*)s.gate, first, last, C, (T*)(float*)beyond);
        const Rows<T> to((T*)s.to, first, last, C, (T*)(float*)beyond);
        const Rows<const T> next((const T*)s.x, first + BLOCK, last, C, (T*)(float*)beyond);
        const auto fetch = [&](int64_t c) {
            fetch_rows<false>(next, c);
            if (GATE) fetch_rows<false>(gate, c);
            fetch_rows<true>(to, c);
        };
        float mean[BLOCK], scale[BLOCK];
        moments<WHOLE>(x, C, epsilon, fetch, mean, scale);
        for (int64_t c = 0; c < C; c += LANES) {
            const vf weight = channels<WHOLE>(weights, c, C), bias = channels<WHOLE>(biases, c, C);
            vf out[BLOCK], z[BLOCK], open[BLOCK];
            for (int i = 0; i < BLOCK; i++)
                out[i] = (channels<WHOLE>(x.at[i], c, C) - mean[i]) * scale[i] * weight + bias;
            if (GATE) {
                for (int i = 0; i < BLOCK; i++) z[i] = channels<WHOLE>(gate.at[i], c, C);
                sigmoid(z, open);
                for (int i = 0; i < BLOCK; i++) out[i] *= z[i] * open[i];
            }
            for (int i = 0; i < BLOCK; i++) put_channels<WHOLE>(to.at[i], c, C, out[i]);
        }
    }
}

template <bool GATE, bool WHOLE, class T>
static void norm_backward(const Norm& s, int64_t first, int64_t last, int64_t item) {
    const int64_t C = s.C, padded = (C + LANES - 1) / LANES * LANES;
    const float *const weights = s.weight, *const biases = s.bias, epsilon = s.epsilon;
    const float share = 1.0f / (float)C;
    const Floats sums(2 * padded), kept(2 * BLOCK * padded), nothing(C), beyond(C);
    sums.zero(2 * padded);
    nothing.zero(C);
    float *const d_weight = sums, *const d_bias = sums + padded;
    float *const normed = kept, *const d_normed = kept + BLOCK * padded;
    T *const zeros = (T*)(float*)nothing, *const dump = (T*)(float*)beyond;
    for (; first < last; first += BLOCK) {
        // A row that is not there has a gradient of zero, and writes where nobody reads.
        const Rows<const T> x((const T*)s.x, first, last, C, zeros);
        const Rows<const T> gate((const T*)s.gate, first, last, C, zeros);
        const Rows<const T> grad((const T*)s.grad_to, first, last, C, zeros);
        const Rows<T> d_x((T*)s.grad_x, first, last, C, dump);
        const Rows<T> d_gate((T*)s.grad_gate, first, last, C, dump);
        const Rows<const T> next((const T*)s.x, first + BLOCK, last, C, zeros);
        const auto fetch = [&](int64_t c) {
            fetch_rows<false>(next, c);
            fetch_rows<false>(grad, c);
            fetch_rows<true>(d_x, c);
            if (GATE) {
                fetch_rows<false>(gate, c);
                fetch_rows<true>(d_gate, c);
            }
        };
        float mean[BLOCK], scale[BLOCK], means[BLOCK], slopes[BLOCK];
        moments<WHOLE>(x, C, epsilon, fetch, mean, scale);
        vf total[BLOCK] = {}, along[BLOCK] = {};
        for (int64_t c = 0; c < C; c += LANES) {
            const vf weight = channels<WHOLE>(weights, c, C), bias = channels<WHOLE>(biases, c, C);
            vf g[BLOCK], n[BLOCK], z[BLOCK], open[BLOCK];
            for (int i = 0; i < BLOCK; i++) {
                g[i] = channels<WHOLE>(grad.at[i], c, C);
                n[i] = (channels<WHOLE>(x.at[i], c, C) - mean[i]) * scale[i];
            }
            if (GATE) {
                for (int i = 0; i < BLOCK; i++) z[i] = channels<WHOLE>(gate.at[i], c, C);
                sigmoid(z, open);
                for (int i = 0; i < BLOCK; i++) {
                    const vf through = z[i] * open[i], slope = open[i] + through * (1.0f - open[i]);
                    put_channels<WHOLE>(d_gate.at[i], c, C, g[i] * (n[i] * weight + bias) * slope);
                    g[i] *= through;
                }
            }
            vf by_weight[BLOCK];
            for (int i = 0; i < BLOCK; i++) {
                by_weight[i] = g[i] * n[i];
                const vf d = g[i] * weight;  // zero beyond the last channel, as g is
                store(normed + i * padded + c, n[i]);
                store(d_normed + i * padded + c, d);
                total[i] += d;
                along[i] += d * n[i];
            }
            const vf more = (by_weight[0] + by_weight[1]) + (by_weight[2] + by_weight[3]);
            store(d_weight + c, load<float>(d_weight + c) + more);
            store(d_bias + c, load<float>(d_bias + c) + ((g[0] + g[1]) + (g[2] + g[3])));
        }
        sum_block(total, means);
        sum_block(along, slopes);
        for (int i = 0; i < BLOCK; i++) means[i] *= share, slopes[i] *= share;
        for (int64_t c = 0; c < C; c += LANES)
            for (int i = 0; i < BLOCK; i++) {
                const vf n = load<float>(normed + i * padded + c);
                const vf d = load<float>(d_normed + i * padded + c);
                put_channels<WHOLE>(d_x.at[i], c, C, (d - means[i] - n * slopes[i]) * scale[i]);
            }
    }
    memcpy(s.grad_weight + item * C, d_weight, C * sizeof(float));
    memcpy(s.grad_bias + item * C, d_bias, C * sizeof(float));
}

template <bool GATE, bool WHOLE, class T>
static void norm_item(const Norm& s, int64_t item, bool back) {
    const int64_t first = item * NORM_ROWS;
    const int64_t last = first + NORM_ROWS < s.rows ? first + NORM_ROWS : s.rows;
    if (back)
        norm_backward<GATE, WHOLE, T>(s, first, last, item);
    else
        norm_forward<GATE, WHOLE, T>(s, first, last);
}

template <class T>
static void norm_item(const Norm& s, int64_t item, bool back) {
    if (s.C % LANES)
        s.gate ? norm_item<true, false, T>(s, item, back) : norm_item<false, false, T>(s, item, back);
    else
        s.gate ? norm_item<true, true, T>(s, item, back) : norm_item<false, true, T>(s, item, back);
}

static void norm(const Norm& s, int64_t first, int64_t last, bool back) {
    for (int64_t item = first; item < last; item++)
        s.type ? norm_item<uint16_t>(s, item, back) : norm_item<float>(s, item, back);
}
