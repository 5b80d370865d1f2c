// The plain C interface of cross_scan: no torch, no threads; callers drive ranges of work items.
//
// Letters: B pictures, H rows, W columns, L = H*W, D channels, K paths, N states, R rank of delta,
// F = R + 2N features (R + N without observation). Types: 0 fp32, 1 bf16.
#pragma once
#include <stdint.h>

typedef struct {
    int64_t B, H, W, D;
    int32_t K, N, R;
    int32_t reset, observe;
    int32_t type;           // of u and dbc
    int32_t out_type;       // of out, grad_y and grad_u
    int32_t parts;          // forward: groups of channels at least, for threads to share
    int32_t chunk;          // Q, path steps between saved carries
    const int32_t* paths;   // (K) bits: 1 column, 2 reversed, 4 snake
    const void* u;          // (B, H, W, D)
    const void* dbc;        // (B, H, W, K, F)
    const float* dt_weight; // (K, R, D)
    const float* dt_bias;   // (K, D)
    const float* A_log;     // (K, D, N)
    const float* D_skip;    // (K, D) or null
    float* y;               // forward: (B, H, W, D), the sum over paths so far
    void* out;              // forward: (B, H, W, D), the whole sum; y itself, if that is fp32
    float* carries;         // (B, K, chunks, N, D) or null; the state before each chunk
    const void* grad_y;     // backward: (B, H, W, D)
    float* sum_u;           // (B, H, W, D), u's gradient over the paths so far
    void* grad_u;           // (B, H, W, D), the whole one; sum_u itself, if that is fp32
    float* grad_dbc;        // (B, groups, H, W, K, F): one partial sum for each group of channels
    float* grad_dt_weight;  // (B, K, R, D)
    float* grad_dt_bias;    // (B, K, D)
    float* grad_A_log;      // (B, K, D, N)
    float* grad_D_skip;     // (B, K, D) or null
} Scan;
