// Which of the objects for several instruction sets this machine runs, and what the library exports.
#pragma once

#ifdef _WIN32
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

// The widest of those that were built and that the machine knows; `baseline` is always there.
template <class Set>
static const Set& best_of(const Set* avx512, const Set* avx2, const Set* baseline) {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (avx512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return *avx512;
    if (avx2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return *avx2;
#endif
    return *baseline;
}
