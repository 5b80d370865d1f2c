// Addresses of a scan path's pixels, and how channels and steps are cut into pieces.
// In a namespace without a name: each instruction set's object has its own copy, so that none can
// be linked into code for a machine that lacks its instructions.
#pragma once
#include "cross_scan.h"

namespace {
enum { COLUMN = 1, REVERSED = 2, SNAKE = 4 };

struct Path {
    int64_t lines, length, line_stride, pixel_stride;
    bool reversed, snake;

    Path(const Scan& scan, int k) {
        const int bits = scan.paths[k];
        const bool column = bits & COLUMN;
        lines = column ? scan.W : scan.H;
        length = column ? scan.H : scan.W;
        line_stride = column ? 1 : scan.W;
        pixel_stride = column ? scan.W : 1;
        reversed = bits & REVERSED;
        snake = bits & SNAKE;
    }

    // Pixels visited at steps [first, first + count), and whether a line starts there.
    void visit(int64_t first, int count, int64_t* pixels, bool* starts) const {
        int64_t line = first / length, within = first % length;
        for (int i = 0; i < count; line++, within = 0) {
            const int64_t l = reversed ? lines - 1 - line : line;
            const bool turned = (snake && (l & 1)) != reversed;
            const int64_t step = turned ? -pixel_stride : pixel_stride;
            int64_t pixel = l * line_stride + (turned ? length - 1 - within : within) * pixel_stride;
            const int64_t left = length - within, end = left < count - i ? i + left : count;
            starts[i] = within == 0;
            pixels[i] = pixel;
            for (i++; i < end; i++) {
                starts[i] = false;
                pixels[i] = pixel += step;
            }
        }
    }
};

constexpr int MAX_CHUNK = 128, MAX_STATES = 64;

// Vectors of channels in a group. Few: state and weights stay in L1. Many: what a pixel needs fills
// whole cache lines, and its features are read for fewer groups.
inline int64_t max_vectors(int lanes) { return lanes < 16 ? 6 : 4; }

// Groups of whole vectors: an even number of them where there are several, so that two threads
// share them evenly; without `parts` the same whatever the number of threads, so that sums over
// channels have one order.
inline int64_t full_groups(int64_t D, int lanes, int64_t parts) {
    const int64_t vectors = D / lanes, most = max_vectors(lanes);
    const int64_t few = (vectors + most - 1) / most, wanted = parts < vectors ? parts : vectors;
    const int64_t least = wanted > few ? wanted : few;
    return least > 1 ? least + (least & 1 && least < vectors) : least;
}

inline int64_t all_groups(int64_t D, int lanes, int64_t parts) {
    return full_groups(D, lanes, parts) + (D % lanes != 0);
}

inline int64_t chunk_count(const Scan& scan) {
    return (scan.H * scan.W + scan.chunk - 1) / scan.chunk;
}
}  // namespace
