"""What the Triton kernels of `cross_scan` share: where a path goes, and one step of the recurrence.

A program is one warp with a block of channels: its tensors are (BLOCK,) or (NP, BLOCK) with the
channels across the threads, so that sums over states and ranks stay inside a thread. NP is N padded
to a power of two, with zeros, which change nothing.
"""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def channels_of(block, BLOCK: tl.constexpr):
    """The channels of a block; each thread has a row of neighbours, the last thread the first one.

    Were the whole block one row, the compiler would spread (NP, BLOCK) over the threads otherwise
    than (BLOCK,), and exchange values between threads in every step.
    """
    i = tl.arange(0, BLOCK)
    row: tl.constexpr = BLOCK // 32
    return block * BLOCK + (31 - i // row) * row + i % row


@triton.jit
def within(channels, D, WHOLE: tl.constexpr):
    """Which channels there are; with WHOLE, where blocks divide D, all: then no load is masked."""
    return tl.full(channels.shape, True, tl.int1) if WHOLE else channels < D


@triton.jit
def always():
    """A mask for what is certain to be there."""
    return tl.full((), True, tl.int1)


@triton.jit
def only_if(valid, mask):
    """The mask if the scalar `valid` holds, otherwise nothing."""
    count = valid.to(tl.int32)  # Triton's interpreter spreads numbers over a tensor, not booleans
    return mask & (tl.zeros(mask.shape, tl.int32) < count)


@triton.jit
def line_length(height, width, COLUMNS: tl.constexpr, SNAKE: tl.constexpr):
    """Pixels of a line; rows that are not turned follow each other in memory, as one line."""
    return height if COLUMNS else width if SNAKE else height * width


@triton.jit
def beginning(
    first, steps, height, width, COLUMNS: tl.constexpr, SNAKE: tl.constexpr, REVERSE: tl.constexpr
):
    """(line, position) where a path enters `steps` steps; `first` counts as if unreversed."""
    length = line_length(height, width, COLUMNS, SNAKE)
    step = first + steps - 1 if REVERSE else first
    return step // length, step % length


@triton.jit
def straight_run(
    line, position, steps, height, width, COLUMNS: tl.constexpr, SNAKE: tl.constexpr,
    REVERSE: tl.constexpr,
):  # fmt: skip
    """The part of the next `steps` steps that is straight: (first pixel, stride, steps).

    Pixel and stride are int64, for a map's elements may pass 2^31 where its pixels do not.
    """
    length = line_length(height, width, COLUMNS, SNAKE)
    run = tl.minimum(steps, position + 1 if REVERSE else length - position)
    stride = tl.cast(width if COLUMNS else 1, tl.int64)
    stride = -stride if REVERSE else stride
    if SNAKE:
        turned = line % 2 == 1
        position = tl.where(turned, length - 1 - position, position)
        stride = tl.where(turned, -stride, stride)
    pixel = position * width + line if COLUMNS else line * length + position
    return pixel.to(tl.int64), stride, run


@triton.jit
def next_line(
    line, height, width, COLUMNS: tl.constexpr, SNAKE: tl.constexpr, REVERSE: tl.constexpr
):
    """(line, position) where a path goes on behind a straight run."""
    length = line_length(height, width, COLUMNS, SNAKE)
    return (line - 1, length - 1) if REVERSE else (line + 1, 0)


@triton.jit
def vector(pointer, mask):
    """Load as fp32, zeros where masked."""
    return tl.load(pointer, mask=mask, other=0.0).to(tl.float32)


@triton.jit
def features(at, valid, R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr, OBSERVE: tl.constexpr):
    """[r | B | C] of a pixel on a path: r as R scalars, B and C (NP,); C = 1 if not observed.

    Nothing is read, and all is 0, unless the scalar `valid` holds.
    """
    n = tl.arange(0, NP)
    there = only_if(valid, n < N)
    r = ()
    for i in tl.static_range(R):
        r = r + (vector(at + i, valid),)
    b = vector(at + R + n, there)
    c = vector(at + R + N + n, there) if OBSERVE else tl.full((NP,), 1.0, tl.float32)
    return r, b, c


@triton.jit
def parameters(
    weight, bias, rate, k, D, channels, inside, R: tl.constexpr, N: tl.constexpr, NP: tl.constexpr
):
    """dt_weight as R (BLOCK,), dt_bias (BLOCK,) and exp(A_log)·log2(e) (NP, BLOCK) of path k."""
    w = ()
    for i in tl.static_range(R):
        w = w + (vector(weight + (k * R + i) * D + channels, inside),)
    n = tl.arange(0, NP)[:, None]
    a = vector(rate + (k * N + n) * D + channels[None, :], (n < N) & inside[None, :])
    return w, vector(bias + k * D + channels, inside), a


@triton.jit
def softplus(x, EXACT: tl.constexpr):
    """log(1 + e^x) and its derivative, for any x, to a relative 3e-7, or 9e-6 if not EXACT.

    log(1 + e) / e on [0, 1] is a minimax polynomial: fewer operations than a logarithm, which would
    also lose the digits of small e in 1 + e.
    """
    e = tl.exp2(tl.abs(x) * -LOG2_E)
    if EXACT:
        p = 0.005126102 * e - 0.029074065
        p = p * e + 0.0775161
        p = p * e - 0.13602248
        p = p * e + 0.19076881
        p = p * e - 0.24835399
        p = p * e + 0.3331812
        p = p * e - 0.49999446
        p = p * e + 0.99999994
    else:
        p = 0.1012223 - 0.023869153 * e
        p = p * e - 0.21004872
        p = p * e + 0.3252067
        p = p * e - 0.49936137
        p = p * e + 0.9999916
    return tl.maximum(x, 0.0) + e * p, tl.where(x < 0.0, e, 1.0) / (1.0 + e)


@triton.jit
def delta_of(r, w, bias, EXACT: tl.constexpr):
    """δ and dδ/dx for the pre-activation x = r·w + bias."""
    x = bias
    for i in tl.static_range(len(w)):
        x += r[i] * w[i]
    return softplus(x, EXACT)


@triton.jit
def state_offsets(picture, k, segment, segments, K, D, channels, N: tl.constexpr, NP: tl.constexpr):
    """Offsets and mask of a segment's state in (B, K, segments, N, D)."""
    n = tl.arange(0, NP)[:, None]
    row = ((picture * K + k) * segments + segment) * N
    mask = (n < N) & (channels < D)[None, :]
    return (row + n) * D + channels[None, :], mask
