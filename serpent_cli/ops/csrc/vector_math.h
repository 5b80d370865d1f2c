// Vectors of LANES floats and the two functions the scan needs, each on several vectors in step: a
// chain of dependent multiply-adds waits for itself, and the others fill the time. Included once
// per instruction set, inside its namespace. NaN and infinity pass through.

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef float v4 __attribute__((vector_size(16)));

constexpr float LOG2_E = 1.44269504088896341f, LN_2 = 0.693147180559945309f;

static INLINE vf splat(float x) { return x - vf{}; }

template <class T>
static INLINE vf load(const T* from);

template <>
INLINE vf load<float>(const float* from) {
    vf v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <>
INLINE vf load<uint16_t>(const uint16_t* from) {  // bf16 is the upper half of an fp32
    typedef uint16_t vh __attribute__((vector_size(LANES * 2)));
    vh half;
    __builtin_memcpy(&half, from, sizeof half);
    return (vf)(__builtin_convertvector(half, vi) << 16);
}

static INLINE void store(float* to, vf v) { __builtin_memcpy(to, &v, sizeof v); }

static INLINE void store(uint16_t* to, vf v) {  // to the nearest bf16, ties to the even one
    typedef uint16_t vh __attribute__((vector_size(LANES * 2)));
    const vi bits = (vi)v, rounded = bits + (((bits >> 16) & 1) + 0x7fff);
    const vi kept = v == v ? rounded : bits | 0x400000;  // NaN must not become infinity
    const vh half = __builtin_convertvector(kept >> 16, vh);
    __builtin_memcpy(to, &half, sizeof half);
}

static INLINE float scalar(const float* from) { return *from; }
static INLINE float scalar(const uint16_t* from) {
    uint32_t bits = (uint32_t)*from << 16;
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

template <class T>
static INLINE vf load_part(const T* from, int lanes) {
    T buffer[LANES] = {};
    for (int i = 0; i < lanes; i++) buffer[i] = from[i];
    return load<T>(buffer);
}

template <class T>
static INLINE void store_part(T* to, vf v, int lanes) {
    T buffer[LANES];
    store(buffer, v);
    for (int i = 0; i < lanes; i++) to[i] = buffer[i];
}

// Sums of neighbours within each 128 bits: first a's two, then b's.
static INLINE vf add_pairs(vf a, vf b) {
#if LANES == 16
    return __builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
           __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
#elif LANES == 8
    return __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) +
           __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
#else
    return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}

// The sum of a vector's quarters (16 lanes), halves (8) or itself (4).
static INLINE v4 fold(vf v) {
#if LANES == 16
    typedef float v8 __attribute__((vector_size(32)));
    const v8 e = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                 __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif LANES == 8
    const vf e = v;
#endif
#if LANES >= 8
    return __builtin_shufflevector(e, e, 0, 1, 2, 3) + __builtin_shufflevector(e, e, 4, 5, 6, 7);
#else
    return v;
#endif
}

static INLINE float sum(vf v) {
    const v4 q = fold(v);
    return (q[0] + q[2]) + (q[1] + q[3]);
}

// Sums of `count` rows of LANES floats, four rows at a time by a transposing tree. `rows` has room
// for a multiple of four.
static INLINE void sum_rows(const float* rows, int count, float* to) {
    for (int i = 0; i < count; i += 4, rows += 4 * LANES) {
        const vf first = add_pairs(load<float>(rows), load<float>(rows + LANES));
        const vf last = add_pairs(load<float>(rows + 2 * LANES), load<float>(rows + 3 * LANES));
        const v4 sums = fold(add_pairs(first, last));
        if (i + 4 <= count)
            __builtin_memcpy(to + i, &sums, sizeof sums);
        else
            for (int j = i; j < count; j++) to[j] = sums[j - i];
    }
}

static INLINE vf larger(vf x, float than) {  // NaN where x is
#if LANES == 16
    return (vf)_mm512_max_ps((__m512)splat(than), (__m512)x);
#elif LANES == 8
    return (vf)_mm256_max_ps((__m256)splat(than), (__m256)x);
#elif defined(__SSE2__)
    return (vf)_mm_max_ps((__m128)splat(than), (__m128)x);
#else
    return x < splat(than) ? splat(than) : x;
#endif
}

static INLINE vf smaller(vf x, float than) {  // NaN where x is
#if LANES == 16
    return (vf)_mm512_min_ps((__m512)splat(than), (__m512)x);
#elif LANES == 8
    return (vf)_mm256_min_ps((__m256)splat(than), (__m256)x);
#elif defined(__SSE2__)
    return (vf)_mm_min_ps((__m128)splat(than), (__m128)x);
#else
    return x > splat(than) ? splat(than) : x;
#endif
}

// x <- 2^x for x up to 126. The polynomial (2^f - 1) / f on [-1/2, 1/2] is off by at most 3e-7: so is
// the rate of a slow decay, whose errors add up over many steps.
template <int S>
static INLINE void exp2_below(vf (&x)[S]) {
    vf whole[S], p[S];
#if LANES == 16
    for (int v = 0; v < S; v++) {
        const vf f = (vf)_mm512_reduce_ps((__m512)x[v], 8);  // 0 for infinity
        whole[v] = x[v] - f;
        x[v] = f;
    }
#else
    for (int v = 0; v < S; v++) {
        x[v] = larger(x[v], -126.0f);
        whole[v] = x[v] + 12582912.0f;  // rounds to an integer
        x[v] -= whole[v] - 12582912.0f;
    }
#endif
    for (int v = 0; v < S; v++) p[v] = x[v] * 1.340043656e-3f + 9.666372956e-3f;
    for (int v = 0; v < S; v++) p[v] = p[v] * x[v] + 5.550333181e-2f;
    for (int v = 0; v < S; v++) p[v] = p[v] * x[v] + 2.402234895e-1f;
    for (int v = 0; v < S; v++) p[v] = p[v] * x[v] + 6.931471955e-1f;
    for (int v = 0; v < S; v++) p[v] = p[v] * x[v] + 1.0f;
#if LANES == 16
    for (int v = 0; v < S; v++) x[v] = (vf)_mm512_scalef_ps((__m512)p[v], (__m512)whole[v]);
#else
    for (int v = 0; v < S; v++) x[v] = (vf)((vi)p[v] + ((vi)whole[v] << 23));
#endif
}

// 1 / (1 + exp(-x)).
template <int S>
static INLINE void sigmoid(const vf (&x)[S], vf (&to)[S]) {
    for (int v = 0; v < S; v++) to[v] = smaller(x[v] * -LOG2_E, 126.0f);
    exp2_below(to);
    for (int v = 0; v < S; v++) {
        const vf e = to[v] + 1.0f;
#if LANES == 16
        const vf near = (vf)_mm512_rcp14_ps((__m512)e);  // then one of Newton's steps
        to[v] = near * (2.0f - e * near);
#else
        to[v] = 1.0f / e;
#endif
    }
}

// x <- log2(1 + 2^x), e <- 2^-|x|. The polynomial log2(1 + e) / e is off by a relative 2e-7.
template <int S>
static INLINE void softplus2(vf (&x)[S], vf (&e)[S]) {
    vf p[S];
    for (int v = 0; v < S; v++) e[v] = (vf)((vi)x[v] | (int32_t)0x80000000);
    exp2_below(e);
    for (int v = 0; v < S; v++) x[v] = larger(x[v], 0.0f);
#ifdef USE_DIV
    vf s[S];
    for (int v = 0; v < S; v++) s[v] = e[v] / (e[v] + 2.0f);
    vf q[S];
    for (int v = 0; v < S; v++) q[v] = s[v] * s[v];
    for (int v = 0; v < S; v++) p[v] = q[v] * 4.937775344e-01f + 5.711551944e-01f;
    for (int v = 0; v < S; v++) p[v] = p[v] * q[v] + 9.619313870e-01f;
    for (int v = 0; v < S; v++) p[v] = p[v] * q[v] + 2.885389607e+00f;
    for (int v = 0; v < S; v++) x[v] += p[v] * s[v];
#else
    for (int v = 0; v < S; v++) p[v] = e[v] * -1.231947275e-2f + 6.360788890e-2f;
    for (int v = 0; v < S; v++) p[v] = p[v] * e[v] - 1.553518669e-1f;
    for (int v = 0; v < S; v++) p[v] = p[v] * e[v] + 2.560097133e-1f;
    for (int v = 0; v < S; v++) p[v] = p[v] * e[v] - 3.533948253e-1f;
    for (int v = 0; v < S; v++) p[v] = p[v] * e[v] + 4.800636961e-1f;
    for (int v = 0; v < S; v++) p[v] = p[v] * e[v] - 7.213100882e-1f;
    for (int v = 0; v < S; v++) p[v] = p[v] * e[v] + 1.442694761f;
    for (int v = 0; v < S; v++) x[v] += p[v] * e[v];
#endif
}
