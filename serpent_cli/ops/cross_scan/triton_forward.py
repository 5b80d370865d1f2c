"""The forward kernel of `cross_scan` in Triton; see README.md, "On a GPU"."""

import triton
import triton.language as tl

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


@triton.jit
def walk(
    u, dbc, weight, bias, rate, skip, total, y, h, base, channels, k, first, steps, height, width,
    D, K,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, COLUMNS: tl.constexpr,
    SNAKE: tl.constexpr, REVERSE: tl.constexpr, OBSERVE: tl.constexpr, SKIP: tl.constexpr,
    WRITE: tl.constexpr, ADD: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """Run path k from the state h over `steps` pixels; returns (h behind them, Σδ).

    `first` is the least step of these as the unreversed path counts, `base` the picture's first
    pixel. With WRITE each pixel's y goes to `total` in fp32, or to `y` if FINAL; with ADD what the
    paths before left in `total` is added.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    inside = channels < D
    w, shift, a = parameters(weight, bias, rate, k, D, channels, R, RP, N, NP)
    d_skip = vector(skip, k * D + channels, inside) if SKIP else tl.zeros_like(shift)
    elapsed = tl.zeros_like(shift)
    line, position = place_of(first + steps - 1 if REVERSE else first, height, width, COLUMNS)
    pixel = base + pixel_at(line, position, height, width, COLUMNS, SNAKE)
    x = vector(u, pixel * D + channels, below(channels, D, steps > 0))
    r, b, c = features(dbc, (pixel * K + k) * F, steps > 0, R, RP, N, NP, OBSERVE)
    for i in range(steps):
        # What the next step needs is on its way while this one is computed.
        line, position = advance(line, position, height, width, COLUMNS, REVERSE)
        following = base + pixel_at(line, position, height, width, COLUMNS, SNAKE)
        more = i + 1 < steps
        next_x = vector(u, following * D + channels, below(channels, D, more))
        next_r, next_b, next_c = features(dbc, (following * K + k) * F, more, R, RP, N, NP, OBSERVE)
        delta, slope = delta_of(r, w, shift)
        h = tl.exp2(-delta[None, :] * a) * h + (delta * x)[None, :] * b[:, None]
        elapsed += delta
        if WRITE:
            at = pixel * D + channels
            value = tl.sum(c[:, None] * h, axis=0) + d_skip * x
            if ADD:
                value += tl.load(total + at, mask=inside, other=0.0)
            if FINAL:
                tl.store(y + at, value.to(y.dtype.element_ty), mask=inside)
            else:
                tl.store(total + at, value, mask=inside)
        pixel, x, r, b, c = following, next_x, next_r, next_b, next_c
    return h, elapsed


@triton.jit
def sweep(
    u, dbc, weight, bias, rate, skip, elapsed, states, total, y, height, width, D, K, forth, back,
    segment, segments,
    R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr, SNAKE: tl.constexpr, FORTH: tl.constexpr, BACK: tl.constexpr,
    OBSERVE: tl.constexpr, SKIP: tl.constexpr, CARRIED: tl.constexpr, WRITE: tl.constexpr,
    ADD: tl.constexpr, FINAL: tl.constexpr,
):  # fmt: skip
    """A segment of one order of pixels, for a block of channels: path `forth`, then path `back`.

    With WRITE the segment starts from `states` (B, K, segments, N, D), if CARRIED, and y is
    written; without, it starts from 0 and its end goes to `states`, its Σδ to `elapsed`
    (B, K, segments, D). Grid: pictures · segments · blocks, blocks fastest.
    """
    blocks = tl.cdiv(D, BLOCK)
    index = tl.program_id(0)
    channels = index % blocks * BLOCK + tl.arange(0, BLOCK)
    number = index // blocks % segments
    picture = (index // blocks // segments).to(tl.int64)
    base = picture * height * width
    first = number * segment
    steps = tl.minimum(segment, height * width - first)
    for way in tl.static_range(2):
        if FORTH if way == 0 else BACK:
            k = forth if way == 0 else back
            at, mask = state_offsets(picture, k, number, segments, K, D, channels, N, NP)
            h = tl.zeros((NP, BLOCK), tl.float32)
            if WRITE and CARRIED:
                h = vector(states, at, mask)
            h, passed = walk(
                u, dbc, weight, bias, rate, skip, total, y, h, base, channels, k, first, steps,
                height, width, D, K, R, RP, N, NP, COLUMNS, SNAKE, way == 1, OBSERVE, SKIP, WRITE,
                ADD or (way == 1 and FORTH), FINAL and (way == 1 or not BACK),
            )  # fmt: skip
            if not WRITE:
                tl.store(states + at, h, mask=mask)
                row = ((picture * K + k) * segments + number) * D
                tl.store(elapsed + row + channels, passed, mask=channels < D)
            tl.debug_barrier()  # the second path adds to what the first one wrote
