"""The definition of `cross_scan` as a plain loop over the path: slow, and the truth.

Computes in float64 if u is float64, otherwise in float32. Mamba (arXiv 2312.00752), equations 2;
four paths as in VMamba (arXiv 2401.10166).
"""

import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.ops.cross_scan.paths import from_sequence, line_length, to_sequence
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest


def why_not(request: ScanRequest) -> str | None:
    """None: it runs everywhere, given time."""
    del request
    return None


def scan_path(
    u: Tensor, rbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A: Tensor, options: ScanOptions,
    line: int,
) -> Tensor:  # fmt: skip
    """One path's y (B, L, D), without the skip D·u.

    Args:
        u: (B, L, D) in path order.
        rbc: (B, L, R + 2N), or (B, L, R + 1) without observation.
        dt_weight: (R, D).
        dt_bias: (D).
        A: (D, N), negative.
        options: `reset` and `observe` count.
        line: Pixels of one line.
    """
    rank, states = dt_weight.shape[0], A.shape[1]
    r, b, c = rbc.split((rank, states, rbc.shape[-1] - rank - states), dim=-1)
    delta = functional.softplus(r @ dt_weight + dt_bias)
    h = u.new_zeros(u.shape[0], u.shape[2], states)
    outputs: list[Tensor] = []
    for t in range(u.shape[1]):
        if options.reset and t % line == 0:
            h = torch.zeros_like(h)
        step = delta[:, t, :, None]
        h = torch.exp(step * A) * h + step * u[:, t, :, None] * b[:, t, None, :]
        outputs.append((h * c[:, t, None, :]).sum(-1) if options.observe else h[..., 0])
    return torch.stack(outputs, dim=1)


def evaluate(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions,
) -> Tensor:  # fmt: skip
    """Y (B, H, W, D) in `options.out_dtype`, differentiable by plain autograd."""
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    height, width = u.shape[1:3]
    u, dbc = u.to(dtype), dbc.to(dtype)
    y = torch.zeros_like(u)
    for k, path in enumerate(options.paths):
        sequence = to_sequence(u, path)
        part = scan_path(
            sequence, to_sequence(dbc[..., k, :], path), dt_weight[k].to(dtype),
            dt_bias[k].to(dtype), -A_log[k].to(dtype).exp(), options,
            line_length(path, height, width),
        )  # fmt: skip
        if D_skip is not None:
            part = part + D_skip[k].to(dtype) * sequence
        y = y + from_sequence(part, path, height, width)
    return y.to(options.out_dtype)
