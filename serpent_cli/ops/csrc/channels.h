// Channels of a pixel as vectors, whole or the part that fills none, and memory for them.
// Included once per instruction set, inside its namespace.

// Memory that is aligned to a vector and not yet written.
class Floats {
    float *begun, *at;

   public:
    explicit Floats(size_t count) : begun((float*)malloc(count * sizeof(float) + 64)) {
        if (!begun) abort();
        at = (float*)(((uintptr_t)begun + 63) & ~(uintptr_t)63);
    }
    Floats(const Floats&) = delete;
    Floats& operator=(const Floats&) = delete;
    ~Floats() { free(begun); }
    operator float*() const { return at; }
    void zero(size_t count) const { memset(at, 0, count * sizeof(float)); }
};

template <int G, bool PART, class T>
static INLINE vf load_channels(const T* from, int v, int lanes) {
    return PART ? load_part<T>(from, lanes) : load<T>(from + v * LANES);
}

template <int G, bool PART, class T>
static INLINE void store_channels(T* to, vf x, int v, int lanes) {
    if (PART)
        store_part(to, x, lanes);
    else
        store(to + v * LANES, x);
}
