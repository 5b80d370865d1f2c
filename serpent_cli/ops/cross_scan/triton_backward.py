"""The gradients' kernel of `cross_scan` in Triton; see README.md, "Backward" and "On a GPU"."""

import triton
import triton.language as tl

from serpent_cli.ops.cross_scan.triton_step import (
    beginning,
    delta_of,
    features,
    next_line,
    only_if,
    parameters,
    state_offsets,
    straight_run,
    vector,
    within,
)

LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def retrace(
    u, dbc, h, coefficients, channels, inside, hop, stride, steps,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, OBSERVE: tl.constexpr,
    STRIDE: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Up to STRIDE steps of a straight run from h, with all that the way back needs, in registers.

    Returns tuples over the steps: u, δ, dδ/dx, and the states, one more than steps. Steps beyond
    `steps` change nothing.
    """
    w, shift, a, d_skip = coefficients
    inputs, deltas, slopes, states = (), (), (), (h,)
    for t in tl.static_range(STRIDE):
        valid = steps > t
        x = vector(u + t * hop + channels, only_if(valid, inside))
        r, b, c = features(dbc + t * stride, valid, R, N, NP, OBSERVE)
        delta, slope = delta_of(r, w, shift, EXACT)
        delta, slope = tl.where(valid, delta, 0.0), tl.where(valid, slope, 0.0)
        h = tl.exp2(-delta[None, :] * a) * h + (delta * x)[None, :] * b[:, None]
        inputs, deltas = inputs + (x,), deltas + (delta,)
        slopes, states = slopes + (slope,), states + (h,)
    return inputs, deltas, slopes, states


@triton.jit
def give(value, total, result, mask, ADD: tl.constexpr, FINAL: tl.constexpr):
    """A path's part of a gradient: with ADD on top of `total`, to `result` if FINAL or `total`."""
    if ADD:
        value += tl.load(total, mask=mask, other=0.0)
    if FINAL:
        tl.store(result, value.to(result.dtype.element_ty), mask=mask)
    else:
        tl.store(total, value, mask=mask)


@triton.jit
def differentiate(
    grad_y, dbc, total, grad_u, grad_dbc, x, sums, kept, coefficients, channels, inside, hop,
    stride, steps,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, OBSERVE: tl.constexpr,
    STRIDE: tl.constexpr, ADD: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """Walk the steps that `retrace` kept from the last to the first, by the README's equations.

    Writes the gradients of u (to `total`, or `grad_u` if FINAL) and of dbc; returns the adjoint x
    before these steps and the parameters' sums: of dt_weight, dt_bias, -A_log / a and D_skip.
    """
    w, shift, a, d_skip = coefficients
    inputs, deltas, slopes, states = kept
    dw, dshift, da, dskip = sums
    n = tl.arange(0, NP)
    kind = grad_dbc.dtype.element_ty
    for t in tl.static_range(STRIDE - 1, -1, -1):
        valid, row = steps > t, grad_dbc + t * stride
        there, known, own = only_if(valid, inside), only_if(valid, n < N), t * hop + channels
        g = vector(grad_y + own, there)
        r, b, c = features(dbc + t * stride, valid, R, N, NP, OBSERVE)
        value, delta = inputs[t], deltas[t]
        x += g[None, :] * c[:, None]
        decay = tl.exp2(-delta[None, :] * a)
        slowed = x * decay * states[t]
        along = tl.sum(x * b[:, None], axis=0)
        dpre = (along * value - tl.sum(slowed * a, axis=0) * LN_2) * slopes[t]
        for i in tl.static_range(R):
            tl.store(row + i, tl.sum(w[i] * dpre, axis=0).to(kind), mask=valid)
        db = tl.sum(x * (delta * value)[None, :], axis=1)
        tl.store(row + R + n, db.to(kind), mask=known)
        if OBSERVE:
            dc = tl.sum(g[None, :] * states[t + 1], axis=1)
            tl.store(row + R + N + n, dc.to(kind), mask=known)
        give(g * d_skip + delta * along, total + own, grad_u + own, there, ADD, FINAL)
        dw = products(r, dpre, dw)
        dshift, da, dskip = dshift + dpre, da + slowed * delta[None, :], dskip + g * value
        x *= decay
    return x, (dw, dshift, da, dskip)


@triton.jit
def products(scalars, values, sums):
    """Each sum with its scalar's multiple of the values added."""
    found = ()
    for i in tl.static_range(len(sums)):
        found = found + (sums[i] + scalars[i] * values,)
    return found


@triton.jit
def zeros_like(vectors):
    """A zero for each vector of a tuple."""
    found = ()
    for i in tl.static_range(len(vectors)):
        found = found + (tl.zeros_like(vectors[i]),)
    return found


@triton.jit
def leave_marks(
    u, dbc, scratch, h, coefficients, channels, inside, base, k, first, steps, height, width, D, K,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, COLUMNS: tl.constexpr, SNAKE: tl.constexpr,
    REVERSE: tl.constexpr, OBSERVE: tl.constexpr, STRIDE: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Run path k once, leaving the state before every stride in `scratch`; returns its end.

    A stride ends with its line, so that it is straight.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    n = tl.arange(0, NP)[:, None]
    known = (n < N) & inside[None, :]
    line, position = beginning(first, steps, height, width, COLUMNS, SNAKE, REVERSE)
    while steps > 0:
        pixel, stride, run = straight_run(
            line, position, steps, height, width, COLUMNS, SNAKE, REVERSE
        )
        pixel += base
        steps -= run
        while run > 0:
            tl.store(scratch + n * D + channels[None, :], h, mask=known)
            inputs, deltas, slopes, states = retrace(
                u + pixel * D, dbc + (pixel * K + k) * F, h, coefficients, channels, inside,
                stride * D, stride * K * F, run, R, N, NP, OBSERVE, STRIDE, EXACT,
            )  # fmt: skip
            h = states[STRIDE]
            scratch += N * D
            pixel += stride * STRIDE
            run -= STRIDE
        line, position = next_line(line, height, width, COLUMNS, SNAKE, REVERSE)
    return scratch


@triton.jit
def gather_marks(
    maps, scratch, x, coefficients, channels, inside, base, k, first, steps, height, width, D, K,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, COLUMNS: tl.constexpr, SNAKE: tl.constexpr,
    REVERSE: tl.constexpr, OBSERVE: tl.constexpr, STRIDE: tl.constexpr, ADD: tl.constexpr,
    FINAL: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Path k backwards, stride by stride from the last mark to the first; the parameters' sums."""
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    u, dbc, grad_y, total, grad_u, grad_dbc = maps
    w, shift, a, d_skip = coefficients
    n = tl.arange(0, NP)[:, None]
    known = (n < N) & inside[None, :]
    zero = tl.zeros_like(shift)
    sums = (zeros_like(w), zero, tl.zeros_like(a), zero)
    line, position = beginning(first, steps, height, width, COLUMNS, SNAKE, not REVERSE)
    while steps > 0:
        end, stride, run = straight_run(
            line, position, steps, height, width, COLUMNS, SNAKE, not REVERSE
        )
        stride, steps = -stride, steps - run  # the path's own direction, in which marks were left
        begin = base + end - (run - 1) * stride
        done = (run - 1) // STRIDE * STRIDE
        while done >= 0:
            scratch -= N * D
            h = vector(scratch + n * D + channels[None, :], known)
            pixel, left = begin + done * stride, run - done
            at, row = pixel * D, (pixel * K + k) * F
            kept = retrace(
                u + at, dbc + row, h, coefficients, channels, inside, stride * D, stride * K * F,
                left, R, N, NP, OBSERVE, STRIDE, EXACT,
            )  # fmt: skip
            x, sums = differentiate(
                grad_y + at, dbc + row, total + at, grad_u + at, grad_dbc + row, x, sums, kept,
                coefficients, channels, inside, stride * D, stride * K * F, left, R, N, NP,
                OBSERVE, STRIDE, ADD, FINAL,
            )  # fmt: skip
            done -= STRIDE
        line, position = next_line(line, height, width, COLUMNS, SNAKE, not REVERSE)
    return sums


@triton.jit
def accumulate(pointer, value, mask):
    """Add to memory that no other program touches."""
    tl.store(pointer, tl.load(pointer, mask=mask, other=0.0) + value, mask=mask)


@triton.jit
def segment_gradient(
    maps, weight, bias, rate, skip, scratch, d_weight, d_bias, d_rate, d_skip, h, x, base, channels,
    slot, k, first, steps, height, width, D, K,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, WHOLE: tl.constexpr, COLUMNS: tl.constexpr,
    SNAKE: tl.constexpr, REVERSE: tl.constexpr, OBSERVE: tl.constexpr, SKIP: tl.constexpr,
    STRIDE: tl.constexpr, ADD: tl.constexpr, FINAL: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """All gradients of path k's steps in a segment, given the state h before and x behind them.

    First forward, leaving marks in `scratch`, then back from mark to mark. The parameters' sums are
    added to row `slot · K + k` of their buffers.
    """
    inside = within(channels, D, WHOLE)
    w, shift, a = parameters(weight, bias, rate, k, D, channels, inside, R, N, NP)
    skips = vector(skip + k * D + channels, inside) if SKIP else tl.zeros_like(shift)
    marks = leave_marks(
        maps[0], maps[1], scratch, h, (w, shift, a, skips), channels, inside, base, k, first, steps,
        height, width, D, K, R, N, NP, COLUMNS, SNAKE, REVERSE, OBSERVE, STRIDE, EXACT,
    )  # fmt: skip
    tl.debug_barrier()
    dw, dshift, da, dskip = gather_marks(
        maps, marks, x, (w, shift, a, skips), channels, inside, base, k, first, steps, height,
        width, D, K, R, N, NP, COLUMNS, SNAKE, REVERSE, OBSERVE, STRIDE, ADD, FINAL, EXACT,
    )  # fmt: skip
    row, n = slot * K + k, tl.arange(0, NP)[:, None]
    for i in tl.static_range(R):
        accumulate(d_weight + (row * R + i) * D + channels, dw[i], inside)
    states = (row * N + n) * D + channels[None, :]
    accumulate(d_rate + states, da * (-LN_2 * a), (n < N) & inside[None, :])
    accumulate(d_bias + row * D + channels, dshift, inside)
    if SKIP:
        accumulate(d_skip + row * D + channels, dskip, inside)


@triton.jit
def sweep_gradient(
    u, dbc, weight, bias, rate, skip, grad_y, carries, adjoints, scratch, total, grad_u, grad_dbc,
    d_weight, d_bias, d_rate, d_skip, pictures, height, width, D, K, forth, back, segment,
    segments, slots, marks,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr,
    COLUMNS: tl.constexpr, SNAKE: tl.constexpr, FORTH: tl.constexpr, BACK: tl.constexpr,
    OBSERVE: tl.constexpr, SKIP: tl.constexpr, CARRIED: tl.constexpr, STRIDE: tl.constexpr,
    ADD: tl.constexpr, FINAL: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Gradients of one order of pixels: path `forth`, then path `back`.

    `slots` programs for each block of channels take segments in turn, so that the scratch, of
    `marks` states for each, and the parameters' partial sums do not grow with the map. Grid:
    slots · blocks, blocks fastest; grad_dbc (blocks, B, H, W, K, F) holds each block's part.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    blocks = tl.cdiv(D, BLOCK)
    slot, block = (tl.program_id(0) // blocks).to(tl.int64), tl.program_id(0) % blocks
    # One row, unlike `channels_of`: with many states fewer threads share a sum over channels then.
    channels = block * BLOCK + tl.arange(0, BLOCK)
    part = grad_dbc + block.to(tl.int64) * pictures * height * width * K * F
    maps = (u, dbc, grad_y, total, grad_u, part)
    for item in range(tl.program_id(0) // blocks, pictures * segments, slots):
        picture, number = (item // segments).to(tl.int64), item % segments
        first = number * segment
        steps = tl.minimum(segment, height * width - first)
        for way in tl.static_range(2):
            if FORTH if way == 0 else BACK:
                k = forth if way == 0 else back
                at, mask = state_offsets(picture, k, number, segments, K, D, channels, N, NP)
                zero = tl.zeros((NP, BLOCK), tl.float32)
                h, x = zero, zero
                if CARRIED:
                    h, x = vector(carries + at, mask), vector(adjoints + at, mask)
                segment_gradient(
                    maps, weight, bias, rate, skip, scratch + slot * marks * N * D, d_weight,
                    d_bias, d_rate, d_skip, h, x, picture * height * width, channels, slot, k,
                    first, steps, height, width, D, K, R, N, NP, WHOLE, COLUMNS, SNAKE, way == 1,
                    OBSERVE, SKIP, STRIDE, ADD or (way == 1 and FORTH),
                    FINAL and (way == 1 or not BACK), EXACT,
                )  # fmt: skip
                tl.debug_barrier()  # the second path adds to what the first one wrote
