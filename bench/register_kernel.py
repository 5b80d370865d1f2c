"""A Triton kernel that computes a scan's exponentials, softplus and multiply-adds on registers.

It reads and writes nothing but one number for each program: what is left of a scan's time when
memory costs nothing.
"""

import triton
import triton.language as tl

from serpent_cli.ops.cross_scan.triton_step import softplus


@triton.jit
def registers(out, steps, RP: tl.constexpr, NP: tl.constexpr, BLOCK: tl.constexpr):
    """`steps` steps of BLOCK channels: softplus, NP decays and updates of the state, RP of δ."""
    channel = tl.arange(0, BLOCK)
    program = tl.program_id(0)
    x = (channel + program).to(tl.float32) * 1e-6
    n, i = tl.arange(0, NP)[:, None], tl.arange(0, RP)[:, None]
    rate = (n + 1) * (1.0 + x[None, :])
    weight = (i + 1) * (1e-3 + x[None, :])
    h = tl.zeros((NP, BLOCK), tl.float32)
    for _step in range(steps):
        shift = tl.sum(weight * (1.0 + x[None, :]), axis=0)
        delta, _slope = softplus(shift - 3.0, False)
        h = tl.exp2(-delta[None, :] * rate) * h + (delta * x)[None, :]
        x = tl.sum(h, axis=0) * 1e-3 + x
    tl.store(out + program * BLOCK + channel, x)
