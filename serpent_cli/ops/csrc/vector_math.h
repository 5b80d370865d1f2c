// Vectors of LANES floats and the two functions the scan needs. Included once per instruction set,
// inside its namespace; polynomials are accurate to about 1 ulp, NaN and infinity pass through.

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));

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

static INLINE void store_part(float* to, vf v, int lanes) {
    for (int i = 0; i < lanes; i++) to[i] = v[i];
}

static INLINE float sum(vf v) {
#if LANES == 16
    typedef float v8 __attribute__((vector_size(32)));
    v8 e = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
           __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif LANES == 8
    vf e = v;
#endif
    typedef float v4 __attribute__((vector_size(16)));
#if LANES >= 8
    v4 q = __builtin_shufflevector(e, e, 0, 1, 2, 3) + __builtin_shufflevector(e, e, 4, 5, 6, 7);
#else
    v4 q = v;
#endif
    return (q[0] + q[2]) + (q[1] + q[3]);
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

// Sums of `count` rows of LANES floats, four rows at a time by a transposing tree.
static INLINE void sum_rows(const float* rows, int count, float* to) {
    int i = 0;
    for (; i + 4 <= count; i += 4, rows += 4 * LANES) {
        const vf first = add_pairs(load<float>(rows), load<float>(rows + LANES));
        const vf last = add_pairs(load<float>(rows + 2 * LANES), load<float>(rows + 3 * LANES));
        const vf quarters = add_pairs(first, last);  // of 4 rows, in each 128 bits
        for (int row = 0; row < 4; row++) {
            float total = quarters[row];
            for (int part = 4; part < LANES; part += 4) total += quarters[part + row];
            to[i + row] = total;
        }
    }
    for (; i < count; i++, rows += LANES) to[i] = sum(load<float>(rows));
}

// exp(x) for x <= 0; below -87 it stays at exp(-87), a tenth of the smallest normal number's root.
static INLINE vf exp_negative(vf x) {
    const vf least = splat(-87.0f);
    x = x < least ? least : x;
    const vf shifted = x * 1.44269504088896341f + 12582912.0f;  // rounds to an integer
    const vf k = shifted - 12582912.0f;
    const vf power = (vf)(((vi)shifted << 23) + 0x3f800000);  // 2^k
    vf r = x - k * 0.693359375f;
    r = r + k * 2.12194440e-4f;
    vf p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * (r * r) + (r + 1.0f)) * power;
}

// log(1 + e) for e in [0, 1] as 2 artanh(e / (2 + e)).
static INLINE vf log1p_unit(vf e) {
    const vf s = e / (e + 2.0f);
    const vf q = s * s;
    vf p = q * (2.0f / 13) + (2.0f / 11);
    p = p * q + (2.0f / 9);
    p = p * q + (2.0f / 7);
    p = p * q + (2.0f / 5);
    p = p * q + (2.0f / 3);
    return s * (p * q + 2.0f);
}

static INLINE vf softplus(vf x) {
    const vf magnitude = (vf)((vi)x & 0x7fffffff);
    const vf positive = (x + magnitude) * 0.5f;  // max(x, 0), NaN kept
    return positive + log1p_unit(exp_negative(-magnitude));
}

// 1 - exp(-x) for x >= 0; a series where the difference would cancel.
static INLINE vf one_minus_exp(vf x) {
    vf p = x * (-1.0f / 720) + (1.0f / 120);
    p = p * -x + (1.0f / 24);
    p = p * -x + (1.0f / 6);
    p = p * -x + 0.5f;
    p = p * -x + 1.0f;
    return x < splat(0.25f) ? p * x : 1.0f - exp_negative(-x);
}
