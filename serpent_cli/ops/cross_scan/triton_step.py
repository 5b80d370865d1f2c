"""What the Triton kernels of `cross_scan` share: where a path goes, and one step of the recurrence.

A program is one warp with a block of channels: its tensors are (BLOCK,), (NP, BLOCK) or (RP, BLOCK)
with the channels across the threads, so that sums over states and ranks stay inside a thread. NP
and RP are N and R padded to powers of two, with zeros, which change nothing.
"""

import triton
import triton.language as tl


@triton.jit
def pixel_at(line, position, height, width, COLUMNS: tl.constexpr, SNAKE: tl.constexpr):
    """Index of a pixel; int64, for a map's elements may pass 2^31 where its pixels do not."""
    if SNAKE:
        last = (height if COLUMNS else width) - 1
        position = tl.where(line % 2 == 1, last - position, position)
    index = position * width + line if COLUMNS else line * width + position
    return index.to(tl.int64)


@triton.jit
def place_of(step, height, width, COLUMNS: tl.constexpr):
    """(line, position) of a step of an unreversed path."""
    length = height if COLUMNS else width
    return step // length, step % length


@triton.jit
def advance(line, position, height, width, COLUMNS: tl.constexpr, REVERSE: tl.constexpr):
    """The place after this one, as the unreversed path counts lines and positions."""
    length = height if COLUMNS else width
    if REVERSE:
        ended = position == 0
        line = tl.where(ended, line - 1, line)
        position = tl.where(ended, length, position) - 1
    else:
        ended = position + 1 == length
        line = tl.where(ended, line + 1, line)
        position = tl.where(ended, 0, position + 1)
    return line, position


@triton.jit
def vector(pointer, offsets, mask):
    """Load as fp32, zeros where masked."""
    return tl.load(pointer + offsets, mask=mask, other=0.0).to(tl.float32)


@triton.jit
def below(offsets, size, valid):
    """Mask of the offsets below `size`, of none unless the scalar `valid` holds."""
    return offsets < tl.where(valid, size, 0)  # a scalar is compared, not spread as a mask


@triton.jit
def features(
    dbc, row, valid, R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr, NP: tl.constexpr,
    OBSERVE: tl.constexpr,
):  # fmt: skip
    """[r | B | C] of a pixel on a path, whose features begin at `row`; C = 1 if not observed."""
    i, n = tl.arange(0, RP), tl.arange(0, NP)
    r = vector(dbc, row + i, below(i, R, valid))
    b = vector(dbc, row + R + n, below(n, N, valid))
    if OBSERVE:
        c = vector(dbc, row + R + N + n, below(n, N, valid))
    else:
        c = tl.full((NP,), 1.0, tl.float32)
    return r, b, c


@triton.jit
def parameters(
    weight, bias, rate, k, D, channels, R: tl.constexpr, RP: tl.constexpr, N: tl.constexpr,
    NP: tl.constexpr,
):  # fmt: skip
    """dt_weight (RP, BLOCK), dt_bias (BLOCK) and exp(A_log)·log2(e) (NP, BLOCK) of path k."""
    i, n = tl.arange(0, RP)[:, None], tl.arange(0, NP)[:, None]
    inside = channels < D
    w = vector(weight, (k * R + i) * D + channels[None, :], (i < R) & inside[None, :])
    a = vector(rate, (k * N + n) * D + channels[None, :], (n < N) & inside[None, :])
    return w, vector(bias, k * D + channels, inside), a


@triton.jit
def softplus(x):
    """log(1 + e^x) and its derivative, for any x, to a relative 3e-7.

    log(1 + e) / e on [0, 1] is a minimax polynomial: fewer operations than a logarithm, which would
    also lose the digits of small e in 1 + e.
    """
    e = tl.exp(-tl.abs(x))
    p = 0.005126102 * e - 0.029074065
    p = p * e + 0.0775161
    p = p * e - 0.13602248
    p = p * e + 0.19076881
    p = p * e - 0.24835399
    p = p * e + 0.3331812
    p = p * e - 0.49999446
    p = p * e + 0.99999994
    return tl.maximum(x, 0.0) + e * p, tl.where(x < 0.0, e, 1.0) / (1.0 + e)


@triton.jit
def delta_of(r, w, bias):
    """δ and dδ/dx for the pre-activation x = r·w + bias."""
    return softplus(tl.sum(r[:, None] * w, axis=0) + bias)


@triton.jit
def state_offsets(picture, k, segment, segments, K, D, channels, N: tl.constexpr, NP: tl.constexpr):
    """Offsets and mask of a segment's state in (B, K, segments, N, D)."""
    n = tl.arange(0, NP)[:, None]
    row = ((picture * K + k) * segments + segment) * N
    mask = (n < N) & (channels < D)[None, :]
    return (row + n) * D + channels[None, :], mask


@triton.jit
def compose(decay, end, later_decay, later_end):
    """Two stretches of the recurrence as one: h ↦ decay·h + end, then the later one."""
    return decay * later_decay, later_decay * end + later_end


@triton.jit
def carry(
    elapsed, ends, rate, carries, segments, D, K, backward,
    N: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The state before every segment: h = exp(-a·Σδ)·h + end, along the segments of a path.

    One program for a picture, path, state and block of channels. Bit k of `backward` is set if
    path k meets the segments from the last to the first. Sums are a tree of fixed shape.
    """
    blocks = tl.cdiv(D, BLOCK)
    index = tl.program_id(0)
    channels = index % blocks * BLOCK + tl.arange(0, BLOCK)
    n = index // blocks % N
    row = (index // (blocks * N)).to(tl.int64)  # picture · K + k
    k = (row % K).to(tl.int32)
    inside = (channels < D)[None, :]
    a = vector(rate, (k * N + n) * D + channels, channels < D)
    from_end = (backward >> k) & 1 == 1
    h = tl.zeros((BLOCK,), tl.float32)
    for begin in range(0, segments, ROWS):
        j = begin + tl.arange(0, ROWS)  # segments in the order in which the path meets them
        here = row * segments + tl.where(from_end, segments - 1 - j, j)
        before = row * segments + tl.where(from_end, segments - j, j - 1)
        known = ((j > 0) & (j < segments))[:, None] & inside
        passed = vector(elapsed, before[:, None] * D + channels[None, :], known)
        end = vector(ends, (before[:, None] * N + n) * D + channels[None, :], known)
        decay, state = tl.associative_scan(
            (tl.exp2(-passed * a[None, :]), end), 0, combine_fn=compose
        )
        state += decay * h[None, :]
        tl.store(
            carries + (here[:, None] * N + n) * D + channels[None, :], state,
            mask=(j < segments)[:, None] & inside,
        )  # fmt: skip
        h = tl.sum(tl.where((j == begin + ROWS - 1)[:, None], state, 0.0), axis=0)
