"""How states pass from segment to segment in `cross_scan`, in Triton; see README.md, "On a GPU".

A segment is known by its Σδ and by its end from h = 0, and does h ↦ exp(-a·Σδ)·h + end. So is a
chunk of ROWS segments: with many of them, chunks are carried first, and then each one's segments.
"""

import triton
import triton.language as tl

from serpent_cli.ops.cross_scan.triton_step import vector


@triton.jit
def compose(decay, end, later_decay, later_end):
    """Two stretches of the recurrence as one: h ↦ decay·h + end, then the later one."""
    return decay * later_decay, later_decay * end + later_end


@triton.jit
def place(D, K, chunks, N: tl.constexpr, BLOCK: tl.constexpr):
    """What a program is for: (channels, state n, path k, chunk, picture · K + k)."""
    blocks = tl.cdiv(D, BLOCK)
    index = tl.program_id(0)
    channels = index % blocks * BLOCK + tl.arange(0, BLOCK)
    index = index // blocks
    row = (index // N // chunks).to(tl.int64)
    return channels, index % N, (row % K).to(tl.int32), index // N % chunks, row


@triton.jit
def stretches(elapsed, ends, a, row, j, known, n, segments, D, channels, from_end, N: tl.constexpr):
    """(Σδ, decay, end) of the j-th segments that the path meets; those not known do nothing."""
    at = row * segments + tl.where(from_end, segments - 1 - j, j)
    mask = known[:, None] & (channels < D)[None, :]
    passed = vector(elapsed + at[:, None] * D + channels[None, :], mask)
    end = vector(ends + (at[:, None] * N + n) * D + channels[None, :], mask)
    return passed, tl.exp2(-passed * a[None, :]), end


@triton.jit
def fold(
    elapsed, ends, rate, chunk_elapsed, chunk_ends, segments, chunks, D, K, backward,
    N: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Each ROWS segments of a path as one chunk; chunks are counted as the path meets them.

    One program for a picture, path, chunk, state and block of channels.
    """
    channels, n, k, chunk, row = place(D, K, chunks, N, BLOCK)
    a = vector(rate + (k * N + n) * D + channels, channels < D)
    j = chunk * ROWS + tl.arange(0, ROWS)
    passed, decay, end = stretches(
        elapsed, ends, a, row, j, j < segments, n, segments, D, channels, (backward >> k) & 1 == 1,
        N,
    )  # fmt: skip
    decay, state = tl.associative_scan((decay, end), 0, combine_fn=compose)
    last = tl.sum(tl.where((tl.arange(0, ROWS) == ROWS - 1)[:, None], state, 0.0), axis=0)
    at = row * chunks + chunk
    tl.store(chunk_ends + (at * N + n) * D + channels, last, mask=channels < D)
    if n == 0:
        tl.store(chunk_elapsed + at * D + channels, tl.sum(passed, axis=0), mask=channels < D)


@triton.jit
def carry(
    elapsed, ends, rate, starts, carries, segments, chunks, D, K, backward,
    N: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, STARTED: tl.constexpr,
):  # fmt: skip
    """The state before every segment: h = exp(-a·Σδ)·h + end, along the segments of a path.

    One program for a picture, path, state and block of channels, from h = 0; if STARTED, one for
    each chunk of ROWS segments too, from its h in `starts`. Bit k of `backward` is set if path k
    meets the segments from the last to the first. Sums are a tree of fixed shape.
    """
    channels, n, k, chunk, row = place(D, K, chunks, N, BLOCK)
    a = vector(rate + (k * N + n) * D + channels, channels < D)
    from_end = (backward >> k) & 1 == 1
    h = tl.zeros((BLOCK,), tl.float32)
    first, behind = 0, segments
    if STARTED:
        h = vector(starts + ((row * chunks + chunk) * N + n) * D + channels, channels < D)
        first = chunk * ROWS
        behind = tl.minimum(segments, first + ROWS)
    for begin in range(first, behind, ROWS):
        j = begin + tl.arange(0, ROWS)
        passed, decay, end = stretches(
            elapsed, ends, a, row, j - 1, (j > first) & (j < behind), n, segments, D, channels,
            from_end, N,
        )  # fmt: skip
        decay, state = tl.associative_scan((decay, end), 0, combine_fn=compose)
        state += decay * h[None, :]
        here = row * segments + tl.where(from_end, segments - 1 - j, j)
        tl.store(
            carries + (here[:, None] * N + n) * D + channels[None, :], state,
            mask=(j < behind)[:, None] & (channels < D)[None, :],
        )  # fmt: skip
        h = tl.sum(tl.where((j == begin + ROWS - 1)[:, None], state, 0.0), axis=0)
