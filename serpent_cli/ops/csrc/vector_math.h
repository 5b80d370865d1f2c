// Vectors of LANES floats and the two functions the scan needs. Included once per instruction set,
// inside its namespace; polynomials are accurate to about 1 ulp, NaN and infinity pass through.

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));

static inline vf splat(float x) { return x - vf{}; }

template <class T>
static inline vf load(const T* from);

template <>
inline vf load<float>(const float* from) {
    vf v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <>
inline vf load<uint16_t>(const uint16_t* from) {  // bf16 is the upper half of an fp32
    typedef uint16_t vh __attribute__((vector_size(LANES * 2)));
    vh half;
    __builtin_memcpy(&half, from, sizeof half);
    return (vf)(__builtin_convertvector(half, vi) << 16);
}

static inline void store(float* to, vf v) { __builtin_memcpy(to, &v, sizeof v); }

static inline float scalar(const float* from) { return *from; }
static inline float scalar(const uint16_t* from) {
    uint32_t bits = (uint32_t)*from << 16;
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

template <class T>
static inline vf load_part(const T* from, int lanes) {
    T buffer[LANES] = {};
    for (int i = 0; i < lanes; i++) buffer[i] = from[i];
    return load<T>(buffer);
}

static inline void store_part(float* to, vf v, int lanes) {
    for (int i = 0; i < lanes; i++) to[i] = v[i];
}

static inline float sum(vf v) {
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

// exp(x) for x <= 0; below -87 it stays at exp(-87), a tenth of the smallest normal number's root.
static inline vf exp_negative(vf x) {
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
static inline vf log1p_unit(vf e) {
    const vf s = e / (e + 2.0f);
    const vf q = s * s;
    vf p = q * (2.0f / 13) + (2.0f / 11);
    p = p * q + (2.0f / 9);
    p = p * q + (2.0f / 7);
    p = p * q + (2.0f / 5);
    p = p * q + (2.0f / 3);
    return s * (p * q + 2.0f);
}

static inline vf softplus(vf x) {
    const vf magnitude = (vf)((vi)x & 0x7fffffff);
    const vf positive = (x + magnitude) * 0.5f;  // max(x, 0), NaN kept
    return positive + log1p_unit(exp_negative(-magnitude));
}
