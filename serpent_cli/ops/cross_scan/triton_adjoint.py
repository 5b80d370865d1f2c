"""The adjoint's own sweep of `cross_scan` in Triton; see README.md, "On a GPU"."""

import triton
import triton.language as tl

from serpent_cli.ops.cross_scan.triton_step import (
    always,
    beginning,
    channels_of,
    delta_of,
    features,
    next_line,
    parameters,
    state_offsets,
    straight_run,
    vector,
    within,
)


@triton.jit
def step_back(x, elapsed, g, here, coefficients, EXACT: tl.constexpr):
    """The adjoint's own recurrence over a pixel, x ← (x + g·C)·e: (x before it, Σδ)."""
    r, b, c = here
    w, shift, a = coefficients
    delta, slope = delta_of(r, w, shift, EXACT)
    x = tl.exp2(-delta[None, :] * a) * (x + g[None, :] * c[:, None])
    return x, elapsed + delta


@triton.jit
def walk_back(
    grad_y, dbc, weight, bias, rate, x, base, channels, k, first, steps, height, width, D, K,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, WHOLE: tl.constexpr, COLUMNS: tl.constexpr,
    SNAKE: tl.constexpr, REVERSE: tl.constexpr, OBSERVE: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """The adjoint from path k's last step of a segment to its first: (x before these steps, Σδ).

    `first` is the least step as the unreversed path counts, `base` the picture's first pixel.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    inside = within(channels, D, WHOLE)
    coefficients = parameters(weight, bias, rate, k, D, channels, inside, R, N, NP)
    elapsed = tl.zeros(channels.shape, tl.float32)
    line, position = beginning(first, steps, height, width, COLUMNS, SNAKE, not REVERSE)
    while steps > 0:
        pixel, stride, run = straight_run(
            line, position, steps, height, width, COLUMNS, SNAKE, not REVERSE
        )
        grad, row = grad_y + (base + pixel) * D, dbc + ((base + pixel) * K + k) * F
        g, here = vector(grad + channels, inside), features(row, always(), R, N, NP, OBSERVE)
        for _ in range(run - 1):
            grad, row = grad + stride * D, row + stride * K * F
            following = vector(grad + channels, inside)
            there = features(row, always(), R, N, NP, OBSERVE)
            x, elapsed = step_back(x, elapsed, g, here, coefficients, EXACT)
            g, here = following, there
        x, elapsed = step_back(x, elapsed, g, here, coefficients, EXACT)
        steps -= run
        line, position = next_line(line, height, width, COLUMNS, SNAKE, not REVERSE)
    return x, elapsed


@triton.jit
def sweep_back(
    grad_y, dbc, weight, bias, rate, elapsed, ends, height, width, D, K, forth, back, segment,
    segments,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr,
    COLUMNS: tl.constexpr, SNAKE: tl.constexpr, FORTH: tl.constexpr, BACK: tl.constexpr,
    OBSERVE: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Every segment's adjoint from 0: x to `ends` (B, K, segments, N, D), Σδ to `elapsed`.

    Grid: pictures · segments · blocks, blocks fastest.
    """
    blocks = tl.cdiv(D, BLOCK)
    index = tl.program_id(0)
    channels = channels_of(index % blocks, BLOCK)
    number = index // blocks % segments
    picture = (index // blocks // segments).to(tl.int64)
    first = number * segment
    steps = tl.minimum(segment, height * width - first)
    for way in tl.static_range(2):
        if FORTH if way == 0 else BACK:
            k = forth if way == 0 else back
            x, passed = walk_back(
                grad_y, dbc, weight, bias, rate, tl.zeros((NP, BLOCK), tl.float32),
                picture * height * width, channels, k, first, steps, height, width, D, K, R, N, NP,
                WHOLE, COLUMNS, SNAKE, way == 1, OBSERVE, EXACT,
            )  # fmt: skip
            at, mask = state_offsets(picture, k, number, segments, K, D, channels, N, NP)
            tl.store(ends + at, x, mask=mask)
            row = ((picture * K + k) * segments + number) * D
            tl.store(elapsed + row + channels, passed, mask=channels < D)
