// The plain C interface of the passes between products: norm with gate, depthwise convolution with
// SiLU. No torch, no threads; callers drive ranges of work items. Types: 0 fp32, 1 bf16; arithmetic,
// parameters and their gradients are fp32.
#pragma once
#include <stdint.h>

// Rows of a norm in a work item: sums over rows have one order, whatever the number of threads.
enum { NORM_ROWS = 1024 };

// to = (norm(x) weight + bias) SiLU(gate), the last factor only where there is a gate.
typedef struct {
    int64_t rows, C;
    int32_t type;          // of x, gate, to and their gradients
    float epsilon;
    const void* x;         // (rows, C)
    const void* gate;      // (rows, C) or null
    const float* weight;   // (C)
    const float* bias;     // (C)
    void* to;              // forward: (rows, C)
    const void* grad_to;   // backward: (rows, C)
    void* grad_x;          // (rows, C)
    void* grad_gate;       // (rows, C) or null
    float* grad_weight;    // (items, C): one sum for each work item
    float* grad_bias;      // (items, C)
} Norm;

// to = SiLU(3x3 depthwise convolution of x + bias), zeros beyond the border.
typedef struct {
    int64_t B, H, W, D;
    int32_t type;          // of x, to and their gradients
    const void* x;         // (B, H, W, D)
    const float* weight;   // (9, D)
    const float* bias;     // (D)
    void* to;              // forward: (B, H, W, D)
    const void* grad_to;   // backward: (B, H, W, D)
    void* grad_x;          // (B, H, W, D)
    float* grad_weight;    // (B, 9, D)
    float* grad_bias;      // (B, D)
} Depthwise;

// What an object for one instruction set offers. Work items: NORM_ROWS rows of a norm; a row of a
// picture forward through the convolution, and a picture and `group` channels of it backward.
struct Passes {
    int64_t group;
    void (*norm)(const Norm&, int64_t first, int64_t last, bool backward);
    void (*depthwise)(const Depthwise&, int64_t first, int64_t last, bool backward);
};

// Null where the compiler was not told to use the set.
const Passes* passes_avx512();
const Passes* passes_avx2();
const Passes* passes_baseline();
