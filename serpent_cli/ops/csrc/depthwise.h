// SiLU of a 3x3 depthwise convolution in one pass over memory; and back.
// Included once per instruction set, inside its namespace.
//
// With v = conv(x) + b, s = sigmoid(v), g = dL/dto: dv = g s (1 + v (1 - s)); dx is the convolution
// of dv with the turned kernel, dw at an offset the sum of dv x there, db the sum of dv.

constexpr int GROUP = LANES == 16 ? 2 : 1;  // vectors whose kernels stay in registers
constexpr int STRIDE = 4;                   // pixels in step, which share what they read

// A group's kernel: 9 taps, and the bias.
template <int G, bool PART>
struct Taps {
    vf tap[9][G], bias[G];

    Taps(const Depthwise& s, int64_t d0, int lanes) {
        for (int i = 0; i < 9; i++)
            for (int v = 0; v < G; v++)
                tap[i][v] = load_channels<G, PART>(s.weight + i * s.D + d0, v, lanes);
        for (int v = 0; v < G; v++) bias[v] = load_channels<G, PART>(s.bias + d0, v, lanes);
    }
};

// Ask for a group's channels of P pixels before their turn; WRITE: they will be overwritten.
template <int G, int P, bool WRITE, class T>
static INLINE void fetch_pixels(const T* from, int64_t step) {
    for (int p = 0; p < P; p++)
        for (int i = 0; i < G * LANES; i += 64 / (int)sizeof(T))
            __builtin_prefetch(from + p * step + i, WRITE);
}

// Three rows of W pixels around one of H; zeros stand for what is beyond them.
struct Window {
    const float *row[3], *zeros;
    int64_t stride[3], W;

    INLINE const float* pixel(int r, int64_t x) const { return row[r] + x * stride[r]; }

    // The row that comes next.
    template <int G, int P>
    INLINE void fetch_below(int64_t x) const {
        fetch_pixels<G, P, false>(pixel(2, x + W), stride[2]);
    }
};

// Runs step.run<P, INNER>(x) over all pixels of a row, STRIDE at once where nothing beyond it is read.
template <class Step>
static INLINE void along_row(int64_t W, const Step& step) {
    step.template run<1, false>(0);
    int64_t x = 1;
    for (; x + STRIDE < W; x += STRIDE) step.template run<STRIDE, true>(x);
    for (; x < W; x++) step.template run<1, false>(x);
}

// Of `rows` those around y, `step` floats from pixel to pixel. RING: of each three rows only the
// latest is kept.
template <bool RING>
static INLINE Window around(const float* rows, const float* zeros, int64_t y, int64_t H, int64_t W,
                            int64_t step) {
    Window window;
    window.zeros = zeros;
    window.W = W;
    for (int r = 0; r < 3; r++) {
        const int64_t at = y + r - 1;
        const bool inside = at >= 0 && at < H;
        window.row[r] = inside ? rows + (RING ? at % 3 : at) * W * step : zeros;
        window.stride[r] = inside ? step : 0;
    }
    return window;
}

// A group of channels of a picture, to be read from its first row to its last. What is not fp32 is
// turned into it once, not for each of the nine taps.
template <int G, bool PART, class T>
class Pixels {
    static constexpr int V = G * LANES;
    static constexpr bool SHORT = sizeof(T) < sizeof(float);
    const T* from;
    const int64_t H, W, D;
    const int lanes;
    int64_t ready;  // the next row that is not yet in the ring
    const Floats zeros, ring;

    INLINE void turn(int64_t y) {
        const T* in = from + y * W * D;
        float* out = ring + y % 3 * W * V;
        for (int64_t x = 0; x < W; x++, in += D, out += V)
            for (int v = 0; v < G; v++)
                store(out + v * LANES, load_channels<G, PART>(in, v, lanes));
    }

   public:
    // `from`: the group's channels in the first pixel; `y`: the first row that will be asked for.
    Pixels(const T* from, int64_t H, int64_t W, int64_t D, int lanes, int64_t y)
        : from(from), H(H), W(W), D(D), lanes(lanes), ready(y ? y - 1 : 0), zeros(V),
          ring(SHORT ? 3 * W * V : 1) {
        zeros.zero(V);
    }

    INLINE Window at(int64_t y) {
        if constexpr (SHORT) {
            for (; ready <= y + 1 && ready < H; ready++) turn(ready);
            return around<true>(ring, zeros, y, H, W, V);
        } else
            return around<false>(from, zeros, y, H, W, D);
    }
};

// Adds the convolution at P pixels from x on; TURNED: with the kernel turned by half a turn.
template <int G, int P, bool INNER, bool PART, bool TURNED>
static INLINE void convolve(const Window& window, int64_t x, const vf (&tap)[9][G], int lanes,
                            vf (&out)[P * G]) {
    UNROLL for (int r = 0; r < 3; r++) {
        const float* const row = window.pixel(r, x);
        const int64_t stride = window.stride[r];
        UNROLL for (int c = 0; c < P + 2; c++) {
            const bool inside = INNER || (x + c - 1 >= 0 && x + c - 1 < window.W);
            const float* const pixel = inside ? row + (c - 1) * stride : window.zeros;
            UNROLL for (int v = 0; v < G; v++) {
                const vf in = load_channels<G, PART>(pixel, v, lanes);
                UNROLL for (int p = 0; p < P; p++) {
                    const int k = c - p, i = 3 * r + k;
                    if (k >= 0 && k < 3) out[p * G + v] += in * tap[TURNED ? 8 - i : i][v];
                }
            }
        }
    }
}

template <int G, bool PART, class T>
struct ForwardStep {
    const Window& window;
    const Taps<G, PART>& taps;
    const int lanes;
    const int64_t D;
    T* const to;

    template <int P, bool INNER>
    INLINE void run(int64_t x) const {
        vf out[P * G], open[P * G];
        T* const at = to + x * D;
        fetch_pixels<G, P, true>(at, D);
        window.template fetch_below<G, P>(x);
        UNROLL for (int i = 0; i < P * G; i++) out[i] = taps.bias[i % G];
        convolve<G, P, INNER, PART, false>(window, x, taps.tap, lanes, out);
        sigmoid(out, open);
        UNROLL for (int i = 0; i < P * G; i++)
            store_channels<G, PART>(at + i / G * D, out[i] * open[i], i % G, lanes);
    }
};

// Rows first to last of picture b, channels d0 to d0 + lanes.
template <int G, bool PART, class T>
static void depthwise_rows(const Depthwise& s, int64_t b, int64_t first, int64_t last, int64_t d0,
                           int lanes) {
    const int64_t W = s.W, D = s.D, from = b * s.H * W * D + d0;
    const Taps<G, PART> taps(s, d0, lanes);
    Pixels<G, PART, T> pixels((const T*)s.x + from, s.H, W, D, lanes, first);
    for (int64_t y = first; y < last; y++) {
        const Window window = pixels.at(y);
        along_row(W, ForwardStep<G, PART, T>{window, taps, lanes, D, (T*)s.to + from + y * W * D});
    }
}

template <class T>
static void depthwise_forward(const Depthwise& s, int64_t first, int64_t last) {
    while (first < last) {
        const int64_t b = first / s.H, y = first % s.H;
        const int64_t end = last - first < s.H - y ? y + last - first : s.H;
        constexpr int V = GROUP * LANES;
        int64_t d = 0;
        for (; d + V <= s.D; d += V) depthwise_rows<GROUP, false, T>(s, b, y, end, d, V);
        if (GROUP > 1)
            for (; d + LANES <= s.D; d += LANES)
                depthwise_rows<1, false, T>(s, b, y, end, d, LANES);
        if (d < s.D) depthwise_rows<1, true, T>(s, b, y, end, d, (int)(s.D - d));
        first += end - y;
    }
}

// The way back of a group of channels of a picture, row by row. Of dv three rows are kept.
template <int G, bool PART, class T>
class DepthwiseBackward {
    static constexpr int V = G * LANES;
    const Depthwise& s;
    const int64_t b, d0, from, H, W, D;
    const int lanes;
    const Floats zeros, slopes;  // (V); (3, W, V)
    vf d_tap[9][G], d_bias[G];

    struct SlopeStep {
        const Window& window;
        const Taps<G, PART>& taps;
        const int lanes;
        const int64_t D;
        const T* const grad;
        float* const to;

        template <int P, bool INNER>
        INLINE void run(int64_t x) const {
            vf v[P * G], open[P * G];
            window.template fetch_below<G, P>(x);
            fetch_pixels<G, P, false>(grad + (x + window.W) * D, D);
            UNROLL for (int i = 0; i < P * G; i++) v[i] = taps.bias[i % G];
            convolve<G, P, INNER, PART, false>(window, x, taps.tap, lanes, v);
            sigmoid(v, open);
            const T* const g = grad + x * D;
            UNROLL for (int i = 0; i < P * G; i++) {
                const vf slope = open[i] + v[i] * open[i] * (1.0f - open[i]);
                store(to + x * V + i * LANES,
                      load_channels<G, PART>(g + i / G * D, i % G, lanes) * slope);
            }
        }
    };

    struct BackStep {
        const Window& window;
        const Taps<G, PART>& taps;
        const int lanes;
        const int64_t D;
        T* const to;

        template <int P, bool INNER>
        INLINE void run(int64_t x) const {
            vf out[P * G];
            T* const at = to + x * D;
            fetch_pixels<G, P, true>(at, D);
            UNROLL for (int i = 0; i < P * G; i++) out[i] = vf{};
            convolve<G, P, INNER, false, true>(window, x, taps.tap, lanes, out);
            UNROLL for (int i = 0; i < P * G; i++)
                store_channels<G, PART>(at + i / G * D, out[i], i % G, lanes);
        }
    };

    template <bool INNER>
    static INLINE void add_pixel(const Window& window, int64_t x, int lanes, const vf (&d)[G],
                                 vf (&total)[9][G]) {
        UNROLL for (int i = 0; i < 9; i++) {
            const int64_t at = x + i % 3 - 1;
            const bool inside = INNER || (at >= 0 && at < window.W);
            const float* pixel = inside ? window.pixel(i / 3, at) : window.zeros;
            UNROLL for (int v = 0; v < G; v++)
                total[i][v] += d[v] * load_channels<G, PART>(pixel, v, lanes);
        }
    }

    INLINE void add_to_taps(const Window& window, const float* slope) {
        const int64_t pixels = W;
        const int width = lanes;
        vf total[9][G], all[G];
        UNROLL for (int v = 0; v < G; v++) all[v] = vf{};
        UNROLL for (int i = 0; i < 9; i++) UNROLL for (int v = 0; v < G; v++) total[i][v] = vf{};
        for (int64_t x = 0; x < pixels; x++, slope += V) {
            vf d[G];
            UNROLL for (int v = 0; v < G; v++) all[v] += d[v] = load<float>(slope + v * LANES);
            if (x && x + 1 < pixels)
                add_pixel<true>(window, x, width, d, total);
            else
                add_pixel<false>(window, x, width, d, total);
        }
        for (int v = 0; v < G; v++) d_bias[v] += all[v];
        for (int i = 0; i < 9; i++)
            for (int v = 0; v < G; v++) d_tap[i][v] += total[i][v];
    }

   public:
    DepthwiseBackward(const Depthwise& s, int64_t b, int64_t d0, int lanes)
        : s(s), b(b), d0(d0), from(b * s.H * s.W * s.D + d0), H(s.H), W(s.W), D(s.D), lanes(lanes),
          zeros(V), slopes((size_t)3 * s.W * V) {
        zeros.zero(V);
        for (int v = 0; v < G; v++) d_bias[v] = vf{};
        for (int i = 0; i < 9; i++)
            for (int v = 0; v < G; v++) d_tap[i][v] = vf{};
    }

    void run() {
        const Taps<G, PART> taps(s, d0, lanes);
        Pixels<G, PART, T> pixels((const T*)s.x + from, H, W, D, lanes, 0);
        for (int64_t y = 0; y <= H; y++) {
            if (y < H) {
                const Window window = pixels.at(y);
                const T* grad = (const T*)s.grad_to + from + y * W * D;
                float* slope = slopes + y % 3 * W * V;
                along_row(W, SlopeStep{window, taps, lanes, D, grad, slope});
                add_to_taps(window, slope);
            }
            if (!y) continue;
            const Window window = around<true>(slopes, zeros, y - 1, H, W, V);
            T* to = (T*)s.grad_x + from + (y - 1) * W * D;
            along_row(W, BackStep{window, taps, lanes, D, to});
        }
        for (int v = 0; v < G; v++)
            store_channels<G, PART>(s.grad_bias + b * D + d0, d_bias[v], v, lanes);
        for (int i = 0; i < 9; i++)
            for (int v = 0; v < G; v++)
                store_channels<G, PART>(s.grad_weight + (b * 9 + i) * D + d0, d_tap[i][v], v,
                                        lanes);
    }
};

template <class T>
static void depthwise_backward(const Depthwise& s, int64_t item) {
    constexpr int V = GROUP * LANES;
    const int64_t groups = (s.D + V - 1) / V, b = item / groups;
    int64_t d = item % groups * V;
    const int64_t end = d + V < s.D ? d + V : s.D;
    if (end - d == V) return DepthwiseBackward<GROUP, false, T>(s, b, d, V).run();
    if (GROUP > 1)
        for (; d + LANES <= end; d += LANES) DepthwiseBackward<1, false, T>(s, b, d, LANES).run();
    if (d < end) DepthwiseBackward<1, true, T>(s, b, d, (int)(end - d)).run();
}

static void depthwise(const Depthwise& s, int64_t first, int64_t last, bool back) {
    if (!back)
        return s.type ? depthwise_forward<uint16_t>(s, first, last)
                      : depthwise_forward<float>(s, first, last);
    for (int64_t item = first; item < last; item++)
        s.type ? depthwise_backward<uint16_t>(s, item) : depthwise_backward<float>(s, item);
}
