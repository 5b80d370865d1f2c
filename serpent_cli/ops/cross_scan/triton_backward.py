"""The backward kernels of `cross_scan` in Triton; see README.md, "Backward" and "On a GPU"."""

import triton
import triton.language as tl

from serpent_cli.ops.cross_scan.triton_forward import walk
from serpent_cli.ops.cross_scan.triton_step import (
    advance,
    below,
    delta_of,
    features,
    parameters,
    pixel_at,
    place_of,
    state_offsets,
    vector,
)

LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def walk_back(
    grad_y, dbc, weight, bias, rate, x, base, channels, k, first, steps, height, width, D, K,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, COLUMNS: tl.constexpr,
    SNAKE: tl.constexpr, REVERSE: tl.constexpr, OBSERVE: tl.constexpr,
):  # fmt: skip
    """The adjoint's own recurrence x ← (x + g·C)·e, from the path's last step to its first.

    Returns (x before these steps, Σδ); `first` is the least step as the unreversed path counts.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    w, shift, a = parameters(weight, bias, rate, k, D, channels, R, RP, N, NP)
    elapsed = tl.zeros_like(shift)
    line, position = place_of(first if REVERSE else first + steps - 1, height, width, COLUMNS)
    pixel = base + pixel_at(line, position, height, width, COLUMNS, SNAKE)
    g = vector(grad_y, pixel * D + channels, below(channels, D, steps > 0))
    r, unused, c = features(dbc, (pixel * K + k) * F, steps > 0, R, RP, N, NP, OBSERVE)
    for i in range(steps):
        line, position = advance(line, position, height, width, COLUMNS, not REVERSE)
        pixel = base + pixel_at(line, position, height, width, COLUMNS, SNAKE)
        more = i + 1 < steps
        next_g = vector(grad_y, pixel * D + channels, below(channels, D, more))
        next_r, unused, next_c = features(dbc, (pixel * K + k) * F, more, R, RP, N, NP, OBSERVE)
        delta, slope = delta_of(r, w, shift)
        x = tl.exp2(-delta[None, :] * a) * (x + g[None, :] * c[:, None])
        elapsed += delta
        g, r, c = next_g, next_r, next_c
    return x, elapsed


@triton.jit
def sweep_back(
    grad_y, dbc, weight, bias, rate, elapsed, ends, height, width, D, K, forth, back, segment,
    segments,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr, SNAKE: tl.constexpr, FORTH: tl.constexpr, BACK: tl.constexpr,
    OBSERVE: tl.constexpr,
):  # fmt: skip
    """Every segment's adjoint from 0: x to `ends` (B, K, segments, N, D), Σδ to `elapsed`.

    Grid: pictures · segments · blocks, blocks fastest.
    """
    blocks = tl.cdiv(D, BLOCK)
    index = tl.program_id(0)
    channels = index % blocks * BLOCK + tl.arange(0, BLOCK)
    number = index // blocks % segments
    picture = (index // blocks // segments).to(tl.int64)
    first = number * segment
    steps = tl.minimum(segment, height * width - first)
    for way in tl.static_range(2):
        if FORTH if way == 0 else BACK:
            k = forth if way == 0 else back
            x, passed = walk_back(
                grad_y, dbc, weight, bias, rate, tl.zeros((NP, BLOCK), tl.float32),
                picture * height * width, channels, k, first, steps, height, width, D, K, R, RP,
                N, NP, COLUMNS, SNAKE, way == 1, OBSERVE,
            )  # fmt: skip
            at, mask = state_offsets(picture, k, number, segments, K, D, channels, N, NP)
            tl.store(ends + at, x, mask=mask)
            row = ((picture * K + k) * segments + number) * D
            tl.store(elapsed + row + channels, passed, mask=channels < D)


@triton.jit
def retrace(
    u, dbc, w, shift, a, h, base, channels, k, line, position, steps, height, width, D, K,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, COLUMNS: tl.constexpr,
    SNAKE: tl.constexpr, REVERSE: tl.constexpr, OBSERVE: tl.constexpr, STRIDE: tl.constexpr,
):  # fmt: skip
    """Run up to STRIDE steps and keep all that the way back needs, in registers.

    Returns tuples over the steps: pixels, u, δ, dδ/dx, and the states, one more than steps. Steps
    beyond `steps` change nothing.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    pixels, inputs, deltas, slopes, states = (), (), (), (), (h,)
    for i in tl.static_range(STRIDE):
        pixel = base + pixel_at(line, position, height, width, COLUMNS, SNAKE)
        valid = i < steps
        x = vector(u, pixel * D + channels, below(channels, D, valid))
        r, b, unused = features(dbc, (pixel * K + k) * F, valid, R, RP, N, NP, OBSERVE)
        delta, slope = delta_of(r, w, shift)
        delta, slope = tl.where(valid, delta, 0.0), tl.where(valid, slope, 0.0)
        h = tl.exp2(-delta[None, :] * a) * h + (delta * x)[None, :] * b[:, None]
        pixels, inputs, deltas = pixels + (pixel,), inputs + (x,), deltas + (delta,)
        slopes, states = slopes + (slope,), states + (h,)
        line, position = advance(line, position, height, width, COLUMNS, REVERSE)
    return pixels, inputs, deltas, slopes, states


@triton.jit
def differentiate(
    grad_y, dbc, total, grad_u, grad_dbc, w, a, d_skip, kept, x, sums, channels, k, steps, D, K,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, OBSERVE: tl.constexpr,
    STRIDE: tl.constexpr, ADD: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """Walk the steps that `retrace` kept from the last to the first, by the README's equations.

    Writes the gradients of u (to `total`, or `grad_u` if FINAL) and of dbc; returns the adjoint x
    before these steps and the parameters' sums: of dt_weight, dt_bias, -A_log / a and D_skip.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    pixels, inputs, deltas, slopes, states = kept
    dw, dshift, da, dskip = sums
    i, n = tl.arange(0, RP), tl.arange(0, NP)
    for t in tl.static_range(STRIDE - 1, -1, -1):
        valid = t < steps
        at, row = pixels[t] * D + channels, (pixels[t] * K + k) * F
        g = vector(grad_y, at, below(channels, D, valid))
        r, b, c = features(dbc, row, valid, R, RP, N, NP, OBSERVE)
        value, delta = inputs[t], deltas[t]
        x += g[None, :] * c[:, None]
        decay = tl.exp2(-delta[None, :] * a)
        p = decay * states[t]
        if OBSERVE:
            dc = tl.sum(g[None, :] * states[t + 1], axis=1)
            tl.store(grad_dbc + row + R + N + n, dc.to(grad_dbc.dtype.element_ty),
                     mask=below(n, N, valid))  # fmt: skip
        db = tl.sum(x * (delta * value)[None, :], axis=1)
        du = g * d_skip + delta * tl.sum(x * b[:, None], axis=0)
        slowed = x * p
        ddelta = tl.sum(x * b[:, None] * value[None, :] - slowed * (a * LN_2), axis=0)
        dpre = ddelta * slopes[t]
        dr = tl.sum(w * dpre[None, :], axis=1)
        dw += r[:, None] * dpre[None, :]
        dshift += dpre
        da += slowed * delta[None, :]
        dskip += g * value
        x *= decay
        kind = grad_dbc.dtype.element_ty
        tl.store(grad_dbc + row + R + n, db.to(kind), mask=below(n, N, valid))
        tl.store(grad_dbc + row + i, dr.to(kind), mask=below(i, R, valid))
        if ADD:
            du += tl.load(total + at, mask=below(channels, D, valid), other=0.0)
        if FINAL:
            tl.store(grad_u + at, du.to(grad_u.dtype.element_ty), mask=below(channels, D, valid))
        else:
            tl.store(total + at, du, mask=below(channels, D, valid))
    return x, (dw, dshift, da, dskip)


@triton.jit
def accumulate(pointer, offsets, value, mask):
    """Add to memory that no other program touches."""
    tl.store(pointer + offsets, tl.load(pointer + offsets, mask=mask, other=0.0) + value, mask=mask)


@triton.jit
def segment_gradient(
    u, dbc, weight, bias, rate, skip, grad_y, scratch, total, grad_u, grad_dbc, d_weight, d_bias,
    d_rate, d_skip, h, x, base, channels, slot, k, first, steps, height, width, D, K,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, COLUMNS: tl.constexpr,
    SNAKE: tl.constexpr, REVERSE: tl.constexpr, OBSERVE: tl.constexpr, SKIP: tl.constexpr,
    STRIDE: tl.constexpr, ADD: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """All gradients of path k's steps in a segment, given the state h before and x behind them.

    First forward, leaving the state before every STRIDE steps in `scratch`; then stride by stride
    back. The parameters' sums are added to row `slot · K + k` of their buffers.
    """
    inside = channels < D
    w, shift, a = parameters(weight, bias, rate, k, D, channels, R, RP, N, NP)
    skips = vector(skip, k * D + channels, inside) if SKIP else tl.zeros_like(shift)
    i, n = tl.arange(0, RP)[:, None], tl.arange(0, NP)[:, None]
    states = n * D + channels[None, :]
    known = (n < N) & inside[None, :]
    strides = tl.cdiv(steps, STRIDE)
    for j in range(strides):
        tl.store(scratch + j * N * D + states, h, mask=known)
        done = j * STRIDE
        count = tl.minimum(STRIDE, steps - done)
        h, passed = walk(
            u, dbc, weight, bias, rate, skip, total, total, h, base, channels, k,
            first + steps - done - count if REVERSE else first + done, count, height, width, D, K,
            R, RP, N, NP, COLUMNS, SNAKE, REVERSE, OBSERVE, SKIP, False, False, False,
        )  # fmt: skip
    tl.debug_barrier()
    sums = (tl.zeros_like(w), tl.zeros_like(shift), tl.zeros_like(a), tl.zeros_like(shift))
    for j in range(strides):
        done = (strides - 1 - j) * STRIDE
        count = steps - done
        h = vector(scratch, (strides - 1 - j) * N * D + states, known)
        start = first + steps - 1 - done if REVERSE else first + done
        line, position = place_of(start, height, width, COLUMNS)
        kept = retrace(
            u, dbc, w, shift, a, h, base, channels, k, line, position, count, height, width, D, K,
            R, RP, N, NP, COLUMNS, SNAKE, REVERSE, OBSERVE, STRIDE,
        )  # fmt: skip
        x, sums = differentiate(
            grad_y, dbc, total, grad_u, grad_dbc, w, a, skips, kept, x, sums, channels, k, count,
            D, K, R, RP, N, NP, OBSERVE, STRIDE, ADD, FINAL,
        )  # fmt: skip
    dw, dshift, da, dskip = sums
    row = slot * K + k
    accumulate(d_weight, (row * R + i) * D + channels[None, :], dw, (i < R) & inside[None, :])
    accumulate(d_rate, row * N * D + states, da * (-LN_2 * a), known)
    accumulate(d_bias, row * D + channels, dshift, inside)
    if SKIP:
        accumulate(d_skip, row * D + channels, dskip, inside)


@triton.jit
def sweep_gradient(
    u, dbc, weight, bias, rate, skip, grad_y, carries, adjoints, scratch, total, grad_u, grad_dbc,
    d_weight, d_bias, d_rate, d_skip, pictures, height, width, D, K, forth, back, segment,
    segments, slots,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr, SNAKE: tl.constexpr, FORTH: tl.constexpr, BACK: tl.constexpr,
    OBSERVE: tl.constexpr, SKIP: tl.constexpr, CARRIED: tl.constexpr, STRIDE: tl.constexpr,
    ADD: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """Gradients of one order of pixels: path `forth`, then path `back`.

    `slots` programs for each block of channels take segments in turn, so that scratch and the
    parameters' partial sums do not grow with the map. Grid: slots · blocks, blocks fastest;
    grad_dbc (blocks, B, H, W, K, F) holds each block's part.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    blocks = tl.cdiv(D, BLOCK)
    slot, block = (tl.program_id(0) // blocks).to(tl.int64), tl.program_id(0) % blocks
    channels = block * BLOCK + tl.arange(0, BLOCK)
    part = grad_dbc + block.to(tl.int64) * pictures * height * width * K * F
    own = scratch + slot * tl.cdiv(segment, STRIDE) * N * D
    for item in range(tl.program_id(0) // blocks, pictures * segments, slots):
        picture, number = (item // segments).to(tl.int64), item % segments
        first = number * segment
        steps = tl.minimum(segment, height * width - first)
        for way in tl.static_range(2):
            if FORTH if way == 0 else BACK:
                k = forth if way == 0 else back
                at, mask = state_offsets(picture, k, number, segments, K, D, channels, N, NP)
                h = tl.zeros((NP, BLOCK), tl.float32)
                x = tl.zeros((NP, BLOCK), tl.float32)
                if CARRIED:
                    h, x = vector(carries, at, mask), vector(adjoints, at, mask)
                segment_gradient(
                    u, dbc, weight, bias, rate, skip, grad_y, own, total, grad_u, part, d_weight,
                    d_bias, d_rate, d_skip, h, x, picture * height * width, channels, slot, k,
                    first, steps, height, width, D, K, R, RP, N, NP, COLUMNS, SNAKE, way == 1,
                    OBSERVE, SKIP, STRIDE, ADD or (way == 1 and FORTH),
                    FINAL and (way == 1 or not BACK),
                )  # fmt: skip
                tl.debug_barrier()  # the second path adds to what the first one wrote
