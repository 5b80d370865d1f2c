"""`cross_scan` on a GPU by Triton kernels, which come with torch: nothing to build or install.

Here: a call's launches and their buffers. triton_shape decides how it is cut; the kernels are in
triton_forward, triton_adjoint and triton_backward, on top of triton_step.
"""

import functools
import importlib.util
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest
from serpent_cli.ops.cross_scan.triton_shape import (
    Shape,
    Sweep,
    best_block,
    best_block_back,
    best_slots,
    best_stride,
    interpreted,
    sweeps,
)

MOST_STATES = 16
LOG2_E = 1.4426950408889634


def why_not(request: ScanRequest) -> str | None:
    """None if the kernels can serve the request, otherwise the reason."""
    if request.device_type != "cuda" and not (request.device_type == "cpu" and interpreted()):
        return "it runs on NVIDIA and AMD GPUs only"
    if request.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return f"it does not compute in {request.dtype}"
    if request.N > MOST_STATES:
        return f"it holds at most {MOST_STATES} states per channel"
    if request.H * request.W >= 2**31:
        return "it counts at most 2^31 pixels of a map"
    return unavailable()


@functools.cache
def unavailable() -> str | None:
    """Why the kernels cannot run on this machine at all; None after a tiny scan came out right."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed: it comes with torch's builds for GPUs"
    device = torch.device("cpu" if interpreted() else "cuda")
    one = torch.ones(1, 1, 1, 1, device=device)
    options = ScanOptions(("row",), False, True, torch.float32)
    features = torch.ones(1, 1, 1, 1, 3, device=device)
    zero = torch.zeros(1, 1, 1, device=device)
    try:
        y, _ = forward(one, features, one[0], one[0, 0], zero, None, options, False)
    except Exception as error:  # noqa: BLE001 (a compiler that fails in its own many ways)
        return f"its self-test failed: {type(error).__name__}: {error}".splitlines()[0]
    expected = torch.nn.functional.softplus(torch.tensor(2.0))
    return None if torch.allclose(y.cpu(), expected) else "its self-test gave a wrong result"


@dataclass(frozen=True)
class _Parameters:
    """The op's parameters as the kernels read them: fp32, and A as exp(A_log)·log2(e) (K, N, D)."""

    weight: Tensor
    bias: Tensor
    rate: Tensor
    skip: Tensor

    @classmethod
    def of(
        cls, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor, D_skip: Tensor | None
    ) -> "_Parameters":
        weight, bias = (x.detach().float().contiguous() for x in (dt_weight, dt_bias))
        rate = (A_log.detach().float().exp() * LOG2_E).transpose(1, 2).contiguous()
        skip = bias if D_skip is None else D_skip.detach().float().contiguous()
        return cls(weight, bias, rate, skip)


def _launch(kernel: Any, programs: int, *arguments: Any, **sizes: Any) -> None:
    # Fused multiply-adds are meant; the interpreter knows no options.
    options = {} if interpreted() else {"num_warps": 1, "enable_fp_fusion": True}
    kernel[(programs,)](*arguments, **sizes, **options)


def _carries(
    elapsed: Tensor, ends: Tensor, rate: Tensor, shape: Shape, reversed_paths: int
) -> Tensor:
    """The state before every segment (B, K, segments, N, D) from each one's own end."""
    from serpent_cli.ops.cross_scan.triton_carry import carry, fold

    rows, block = (64, 16) if not interpreted() else (2, 16)
    programs = shape.B * shape.K * shape.N * -(-shape.D // block)
    segments = ends.shape[2]
    chunks = -(-segments // rows) if segments > 2 * rows else 1
    sizes = {"D": shape.D, "K": shape.K, "N": shape.N, "ROWS": rows, "BLOCK": block}
    carries, starts = torch.empty_like(ends), ends
    if chunks > 1:
        sums = elapsed.new_empty(shape.B, shape.K, chunks, shape.D)
        tails = ends.new_empty(shape.B, shape.K, chunks, shape.N, shape.D)
        _launch(
            fold, programs * chunks, elapsed, ends, rate, sums, tails, segments, chunks,
            backward=reversed_paths, **sizes,
        )  # fmt: skip
        starts = torch.empty_like(tails)
        _launch(
            carry, programs, sums, tails, rate, tails, starts, chunks, 1, backward=0,
            STARTED=False, **sizes,
        )  # fmt: skip
    _launch(
        carry, programs * chunks, elapsed, ends, rate, starts, carries, segments, chunks,
        backward=reversed_paths, STARTED=chunks > 1, **sizes,
    )  # fmt: skip
    return carries


def _reversed(paths: tuple[str, ...]) -> int:
    """Bit k is set if path k is a reversal."""
    return sum(1 << k for k, path in enumerate(paths) if path.endswith("_rev"))


def _segment_buffers(shape: Shape, like: Tensor) -> tuple[Tensor, Tensor]:
    """Σδ (B, K, segments, D) and states (B, K, segments, N, D) of all segments, unwritten."""
    _, segments = shape.cut(columns=False)
    elapsed = torch.empty(
        shape.B, shape.K, segments, shape.D, device=like.device, dtype=torch.float32
    )
    states = elapsed.new_empty(shape.B, shape.K, segments, shape.N, shape.D)
    return elapsed, states


def forward(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions, save_carries: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Y in `options.out_dtype` and the state before every segment, if states are passed on."""
    from serpent_cli.ops.cross_scan.triton_forward import sweep

    del save_carries  # they are made in any case
    shape = Shape.of(u, dt_weight, A_log, options)
    p = _Parameters.of(dt_weight, dt_bias, A_log, D_skip)
    y = torch.empty(u.shape, dtype=_stored(options.out_dtype), device=u.device)
    order, block = sweeps(options.paths), best_block(shape.D, shape.N)
    blocks, total = -(-shape.D // block), _running_sum(y, len(options.paths))
    carries = y.new_empty(0, dtype=torch.float32)

    def launch(each: Sweep, elapsed: Tensor, states: Tensor, **flags: bool) -> None:
        segment, segments = shape.cut(each.columns)
        _launch(
            sweep, shape.B * segments * blocks, u, dbc, p.weight, p.bias, p.rate, p.skip, elapsed,
            states, total, y,
            segment=segment, segments=segments, SKIP=D_skip is not None, CARRIED=shape.carried,
            **flags, **each.ways(), **shape.sizes(block),
        )  # fmt: skip

    if shape.carried:
        elapsed, ends = _segment_buffers(shape, u)
        for each in order:
            launch(each, elapsed, ends, WRITE=False, ADD=False, FINAL=False)
        carries = _carries(elapsed, ends, p.rate, shape, _reversed(options.paths))
    for i, each in enumerate(order):
        launch(each, carries, carries, WRITE=True, ADD=i > 0, FINAL=i == len(order) - 1)
    return y.to(options.out_dtype), carries


def _stored(dtype: torch.dtype) -> torch.dtype:
    """The type that kernels write; the interpreter would cut off where GPUs round."""
    return torch.float32 if interpreted() else dtype


def _running_sum(result: Tensor, paths: int) -> Tensor:
    """Where paths are added up in fp32: the result itself if it is fp32, or if it is never read."""
    if result.dtype == torch.float32 or paths == 1:
        return result
    return torch.empty(result.shape, dtype=torch.float32, device=result.device)


def backward(
    grad_y: Tensor, u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, carries: Tensor, options: ScanOptions,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """Gradients of all inputs; u's and dbc's in their types, the parameters' in fp32."""
    from serpent_cli.ops.cross_scan.triton_backward import sweep_gradient

    shape = Shape.of(u, dt_weight, A_log, options)
    p = _Parameters.of(dt_weight, dt_bias, A_log, D_skip)
    order = sweeps(options.paths)
    adjoints = _adjoints(grad_y, dbc, p, shape, order) if shape.carried else carries
    block, stride = best_block_back(shape.D, shape.N), best_stride(shape.N)
    blocks = -(-shape.D // block)
    slots = best_slots(shape, blocks, u.device)
    marks = max(shape.marks(each.columns, stride) for each in order)
    scratch = p.bias.new_empty(slots, marks, shape.N, shape.D)
    grad_u = torch.empty_like(u, dtype=_stored(u.dtype))
    total = _running_sum(grad_u, len(options.paths))
    kind = _stored(dbc.dtype) if blocks == 1 else torch.float32
    parts = dbc.new_empty(blocks, *dbc.shape, dtype=kind)
    # Added to, so they begin at zero.
    sums = [x.new_zeros(slots, *x.shape) for x in (p.weight, p.bias, p.rate, p.skip)]
    for i, each in enumerate(order):
        segment, segments = shape.cut(each.columns)
        _launch(
            sweep_gradient, slots * blocks, u, dbc, p.weight, p.bias, p.rate, p.skip, grad_y,
            carries, adjoints, scratch, total, grad_u, parts, *sums, shape.B, segment=segment,
            segments=segments, slots=slots, marks=marks, SKIP=D_skip is not None,
            CARRIED=shape.carried, STRIDE=stride, ADD=i > 0, FINAL=i == len(order) - 1,
            **each.ways(), **shape.sizes(block),
        )  # fmt: skip
    grad_u = grad_u.to(u.dtype)
    grad_dbc = (parts[0] if blocks == 1 else parts.sum(0)).to(dbc.dtype)
    weight, bias, rate, skip = (x.sum(0) for x in sums)
    rate = rate.transpose(1, 2)
    return grad_u, grad_dbc, weight, bias, rate, skip if D_skip is not None else None


def _adjoints(
    grad_y: Tensor, dbc: Tensor, p: _Parameters, shape: Shape, order: list[Sweep]
) -> Tensor:
    """The adjoint behind every segment (B, K, segments, N, D)."""
    from serpent_cli.ops.cross_scan.triton_adjoint import sweep_back

    elapsed, ends = _segment_buffers(shape, grad_y)
    segment, segments = shape.cut(columns=False)
    block = best_block(shape.D, shape.N)
    for each in order:
        _launch(
            sweep_back, shape.B * segments * -(-shape.D // block), grad_y, dbc, p.weight, p.bias,
            p.rate, elapsed, ends, segment=segment, segments=segments, **each.ways(),
            **shape.sizes(block),
        )  # fmt: skip
    forwards = _reversed(shape.options.paths) ^ ((1 << shape.K) - 1)
    return _carries(elapsed, ends, p.rate, shape, forwards)
