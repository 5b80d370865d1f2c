"""The forward kernel of `cross_scan` in Triton; see README.md, "On a GPU"."""

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
def fetch(
    u, dbc, total, channels, inside,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, OBSERVE: tl.constexpr, ADD: tl.constexpr,
):  # fmt: skip
    """What a pixel needs: u, [r | B | C], and with ADD what the paths before left in `total`."""
    x = vector(u + channels, inside)
    before = vector(total + channels, inside) if ADD else tl.zeros_like(x)
    return x, features(dbc, always(), R, N, NP, OBSERVE), before


@triton.jit
def step(
    h, elapsed, pixel, coefficients, out, inside, SKIP: tl.constexpr, WRITE: tl.constexpr,
    ADD: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """One pixel as fetched: (h behind it, Σδ); with WRITE its y goes to `out`."""
    x, here, before = pixel
    r, b, c = here
    w, shift, a, d_skip = coefficients
    delta, slope = delta_of(r, w, shift, EXACT)
    h = tl.exp2(-delta[None, :] * a) * h + (delta * x)[None, :] * b[:, None]
    if WRITE:
        value = tl.sum(c[:, None] * h, axis=0)
        if SKIP:
            value += d_skip * x
        if ADD:
            value += before
        tl.store(out, value.to(out.dtype.element_ty), mask=inside)
    return h, elapsed + delta


@triton.jit
def walk_straight(
    u, dbc, total, y, h, elapsed, coefficients, channels, inside, hop, stride, steps,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, OBSERVE: tl.constexpr, SKIP: tl.constexpr,
    WRITE: tl.constexpr, ADD: tl.constexpr, FINAL: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """A straight run: the maps of channels begin at its first pixel and go on by `hop` elements.

    What the next step needs is on its way while one is computed; the last step has no next.
    """
    out = y if FINAL else total
    pixel = fetch(u, dbc, total, channels, inside, R, N, NP, OBSERVE, ADD)
    for _ in range(steps - 1):
        u, dbc, total = u + hop, dbc + stride, total + hop
        following = fetch(u, dbc, total, channels, inside, R, N, NP, OBSERVE, ADD)
        h, elapsed = step(
            h, elapsed, pixel, coefficients, out + channels, inside, SKIP, WRITE, ADD, EXACT
        )
        out += hop
        pixel = following
    return step(h, elapsed, pixel, coefficients, out + channels, inside, SKIP, WRITE, ADD, EXACT)


@triton.jit
def walk(
    u, dbc, weight, bias, rate, skip, total, y, h, base, channels, k, first, steps, height, width,
    D, K,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, WHOLE: tl.constexpr, COLUMNS: tl.constexpr,
    SNAKE: tl.constexpr, REVERSE: tl.constexpr, OBSERVE: tl.constexpr, SKIP: tl.constexpr,
    WRITE: tl.constexpr, ADD: tl.constexpr, FINAL: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """Run path k from the state h over `steps` pixels; returns (h behind them, Σδ).

    `first` is the least step of these as the unreversed path counts, `base` the picture's first
    pixel. With WRITE each pixel's y goes to `total` in fp32, or to `y` if FINAL; with ADD what the
    paths before left in `total` is added.
    """
    F: tl.constexpr = R + 2 * N if OBSERVE else R + N
    inside = within(channels, D, WHOLE)
    w, shift, a = parameters(weight, bias, rate, k, D, channels, inside, R, N, NP)
    d_skip = vector(skip + k * D + channels, inside) if SKIP else tl.zeros_like(shift)
    elapsed = tl.zeros_like(shift)
    line, position = beginning(first, steps, height, width, COLUMNS, SNAKE, REVERSE)
    while steps > 0:
        pixel, stride, run = straight_run(
            line, position, steps, height, width, COLUMNS, SNAKE, REVERSE
        )
        at, row = (base + pixel) * D, ((base + pixel) * K + k) * F
        h, elapsed = walk_straight(
            u + at, dbc + row, total + at, y + at, h, elapsed, (w, shift, a, d_skip), channels,
            inside, stride * D, stride * K * F, run, R, N, NP, OBSERVE, SKIP, WRITE, ADD, FINAL,
            EXACT,
        )  # fmt: skip
        steps -= run
        line, position = next_line(line, height, width, COLUMNS, SNAKE, REVERSE)
    return h, elapsed


@triton.jit
def sweep(
    u, dbc, weight, bias, rate, skip, elapsed, states, total, y, height, width, D, K, forth, back,
    segment, segments,
    R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr,
    COLUMNS: tl.constexpr, SNAKE: tl.constexpr, FORTH: tl.constexpr, BACK: tl.constexpr,
    OBSERVE: tl.constexpr, SKIP: tl.constexpr, CARRIED: tl.constexpr, WRITE: tl.constexpr,
    ADD: tl.constexpr, FINAL: tl.constexpr, EXACT: tl.constexpr,
):  # fmt: skip
    """A segment of one order of pixels, for a block of channels: path `forth`, then path `back`.

    With WRITE the segment starts from `states` (B, K, segments, N, D), if CARRIED, and y is
    written; without, it starts from 0 and its end goes to `states`, its Σδ to `elapsed`
    (B, K, segments, D). Grid: pictures · segments · blocks, blocks fastest.
    """
    blocks = tl.cdiv(D, BLOCK)
    index = tl.program_id(0)
    channels = channels_of(index % blocks, BLOCK)
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
                h = vector(states + at, mask)
            h, passed = walk(
                u, dbc, weight, bias, rate, skip, total, y, h, base, channels, k, first, steps,
                height, width, D, K, R, N, NP, WHOLE, COLUMNS, SNAKE, way == 1, OBSERVE, SKIP,
                WRITE, ADD or (way == 1 and FORTH), FINAL and (way == 1 or not BACK), EXACT,
            )  # fmt: skip
            if not WRITE:
                tl.store(states + at, h, mask=mask)
                row = ((picture * K + k) * segments + number) * D
                tl.store(elapsed + row + channels, passed, mask=channels < D)
            tl.debug_barrier()  # the second path adds to what the first one wrote
