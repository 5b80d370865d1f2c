"""`cross_scan` in pure torch, on any device and without a compiler; see README.md, "Chunks".

Builds tensors of (L, D) for one path at a time, and of (L, D, N) only in backward, for a group of
chunks. Computes in float64 if u is float64, otherwise in float32.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.ops.cross_scan.chunk_recurrence import ChunkedPath
from serpent_cli.ops.cross_scan.paths import from_sequence, line_length, to_sequence
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest

LONGEST_LINE = 512  # with reset, lines up to this length are one chunk: one pass instead of two
REVERSED = "_rev"


def why_not(request: ScanRequest) -> str | None:
    """None: it runs wherever torch does."""
    del request
    return None


@dataclass(frozen=True)
class _Layout:
    """How one order of pixels is cut: (B, H, W, F) to (Q, M, F) and back.

    Attributes:
        order: A path without `_rev`: the reversal walks the same layout from its end.
        height: H.
        width: W.
        length: Pixels of one sequence: all of a picture, or one line.
        steps: Q, positions of one chunk; the last chunk of a sequence may be padded.
    """

    order: str
    height: int
    width: int
    length: int
    steps: int

    @classmethod
    def of(cls, order: str, height: int, width: int, reset: bool) -> "_Layout":
        """The layout of an order of pixels; a long loop costs more than a long carry."""
        length = line_length(order, height, width) if reset else height * width
        steps = math.ceil(math.sqrt(length) / 2)
        if reset and length <= LONGEST_LINE:
            steps = length
        return cls(order, height, width, length, steps)

    @property
    def count(self) -> int:
        """Chunks of one sequence."""
        return -(-self.length // self.steps)

    def split(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Cut (B, H, W, F) into (Q, M, F), padded with zeros."""
        sequences = to_sequence(x, self.order).reshape(-1, self.length, x.shape[-1])
        padding = self.count * self.steps - self.length
        if padding:
            sequences = functional.pad(sequences, (0, 0, 0, padding))
        chunks = sequences.unflatten(1, (self.count, self.steps)).permute(2, 0, 1, 3).flatten(1, 2)
        return torch.empty(chunks.shape, dtype=dtype, device=x.device).copy_(chunks)

    def merge(self, chunks: Tensor, batch: int) -> Tensor:
        """Put (Q, M, F) back into (B, H, W, F)."""
        sequences = chunks.unflatten(1, (-1, self.count)).permute(1, 2, 0, 3).flatten(1, 2)
        sequence = sequences[:, : self.length].reshape(batch, -1, chunks.shape[-1])
        return from_sequence(sequence, self.order, self.height, self.width)


def _layouts(
    shape: torch.Size, options: ScanOptions
) -> Iterator[tuple[_Layout, list[tuple[int, bool]]]]:
    """Each order of pixels with its paths: their index and whether they are reversed."""
    names = [path.removesuffix(REVERSED) for path in options.paths]
    for order in dict.fromkeys(names):
        members = [
            (k, path.endswith(REVERSED))
            for k, path in enumerate(options.paths)
            if names[k] == order
        ]
        yield _Layout.of(order, shape[1], shape[2], options.reset), members


@dataclass(frozen=True)
class _Parameters:
    """The parameters in the type of the computation; the skips of all paths are one sum."""

    dt_weight: Tensor
    dt_bias: Tensor
    A: Tensor
    D_skip: Tensor | None

    @classmethod
    def of(
        cls, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor, D_skip: Tensor | None,
        dtype: torch.dtype,
    ) -> "_Parameters":  # fmt: skip
        return cls(
            dt_weight.to(dtype), dt_bias.to(dtype), -A_log.to(dtype).exp(),
            None if D_skip is None else D_skip.to(dtype).sum(0),
        )  # fmt: skip

    def path(
        self, k: int, u: Tensor, rbc: Tensor, layout: _Layout, reverse: bool, observe: bool
    ) -> ChunkedPath:
        """Path k, from its u (Q, M, D) and [r | B | C] (Q, M, F)."""
        rank, states = self.dt_weight.shape[1], self.A.shape[2]
        r, b, *c = rbc.split([rank, states, *([states] if observe else [])], dim=-1)
        raw = torch.addmm(self.dt_bias[k], r.flatten(0, 1), self.dt_weight[k])
        delta = functional.softplus(raw).view(u.shape)
        sequences = u.shape[1] // layout.count
        return ChunkedPath(
            u, delta, b, c[0] if c else None, self.A[k].t().unsqueeze(1), sequences, reverse
        )


def _compute_type(u: Tensor) -> torch.dtype:
    return torch.float64 if u.dtype == torch.float64 else torch.float32


def forward(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions, save_carries: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Y in `options.out_dtype` and, if asked for, the states before each chunk of each path."""
    dtype = _compute_type(u)
    parameters = _Parameters.of(dt_weight, dt_bias, A_log, D_skip, dtype)
    y = torch.zeros(u.shape, dtype=dtype, device=u.device)
    if parameters.D_skip is not None:
        torch.mul(u, parameters.D_skip, out=y)
    carries: list[Tensor] = [y.new_empty(0)]
    for layout, members in _layouts(u.shape, options):
        u_chunks = layout.split(u, dtype)
        y_chunks = torch.zeros_like(u_chunks)
        for k, reverse in members:
            rbc = layout.split(dbc[..., k, :], dtype)
            path = parameters.path(k, u_chunks, rbc, layout, reverse, options.observe)
            first = path.first_states()
            path.run(first, y_chunks)
            if save_carries:
                carries.append(first.flatten())
        y += layout.merge(y_chunks, u.shape[0])
    return y.to(options.out_dtype), torch.cat(carries)


def backward(
    grad_y: Tensor, u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, carries: Tensor, options: ScanOptions,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """Gradients of all inputs; u's and dbc's in their types, the parameters' in the computation's.

    Recomputes δ and the states of one group of chunks at a time from the saved carries.
    """
    dtype = _compute_type(u)
    parameters = _Parameters.of(dt_weight, dt_bias, A_log, D_skip, dtype)
    grad_y = grad_y.to(dtype)
    grad_u = torch.zeros(u.shape, dtype=dtype, device=u.device)
    grad_skip = None
    if D_skip is not None and parameters.D_skip is not None:
        grad_u.addcmul_(grad_y, parameters.D_skip)
        grad_skip = (grad_y * u).sum((0, 1, 2)).expand(D_skip.shape).clone()
    grad_dbc = torch.empty(dbc.shape, dtype=dtype, device=u.device)
    grads = [torch.empty_like(x, dtype=dtype) for x in (dt_weight, dt_bias, A_log)]
    for layout, members in _layouts(u.shape, options):
        u_chunks, y_chunks = layout.split(u, dtype), layout.split(grad_y, dtype)
        grad_chunks = torch.zeros_like(u_chunks)
        for k, reverse in members:
            rbc = layout.split(dbc[..., k, :], dtype)
            path = parameters.path(k, u_chunks, rbc, layout, reverse, options.observe)
            size = path.A.shape[0] * u_chunks[0].numel()
            first, carries = carries[:size], carries[size:]
            first = first.view(path.A.shape[0], *u_chunks.shape[1:])
            grad_rbc, *grad_k = _path_gradients(
                path, first, y_chunks, grad_chunks, rbc, parameters.dt_weight[k]
            )
            grad_dbc[..., k, :] = layout.merge(grad_rbc, u.shape[0])
            for grad, part in zip(grads, grad_k, strict=True):
                grad[k] = part
        grad_u += layout.merge(grad_chunks, u.shape[0])
    return grad_u.to(u.dtype), grad_dbc.to(dbc.dtype), grads[0], grads[1], grads[2], grad_skip


def _path_gradients(
    path: ChunkedPath, first: Tensor, grad_y: Tensor, grad_u: Tensor, rbc: Tensor,
    dt_weight: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of one path's [r | B | C] (Q, M, F), dt_weight, dt_bias and A_log."""
    grad_delta, grad_b, grad_c, grad_a = path.gradients(first, grad_y, grad_u)
    # softplus' = sigmoid = 1 - exp(-δ), which needs no second copy of what went into softplus
    grad_raw = grad_delta.mul_(torch.expm1(-path.delta).neg_()).flatten(0, 1)
    grad_r = (grad_raw @ dt_weight.t()).view(*rbc.shape[:2], -1)
    r = rbc[..., : dt_weight.shape[0]].flatten(0, 1)
    parts = [grad_r, grad_b] if grad_c is None else [grad_r, grad_b, grad_c]
    return (
        torch.cat(parts, -1),
        r.t() @ grad_raw,
        grad_raw.sum(0),
        (grad_a * path.A.squeeze(1)).t(),  # A = -exp(A_log) is its own derivative
    )
