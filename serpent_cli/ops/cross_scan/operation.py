"""`cross_scan`, the one operation of this project, as a torch custom op with several backends."""

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor

from serpent_cli.ops.backend import Backend, choose, forced_backend
from serpent_cli.ops.clock import timed
from serpent_cli.ops.cross_scan.paths import check_path
from serpent_cli.ops.cross_scan.reference import evaluate
from serpent_cli.ops.cross_scan.scan_request import ScanOptions, ScanRequest
from serpent_cli.ops.custom_op import LIBRARY, custom_op

Result = TypeVar("Result")

DEFAULT_PATHS = ("row", "col", "row_rev", "col_rev")
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@functools.cache
def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{name}")


def _backend(name: str, priority: int) -> Backend[ScanRequest]:
    return Backend(name, priority, lambda request: _module(name).why_not(request))


BACKENDS = (
    _backend("triton", 30),
    _backend("native", 20),
    _backend("mamba", 15),
    _backend("chunked", 10),
    _backend("reference", -1),
)
"""All backends of `cross_scan`; each lives in the module of its name and loads when first asked."""


def cross_scan(
    u: Tensor,
    dbc: Tensor,
    dt_weight: Tensor,
    dt_bias: Tensor,
    A_log: Tensor,
    D_skip: Tensor | None = None,
    *,
    paths: tuple[str, ...] = DEFAULT_PATHS,
    reset: bool = False,
    observe: bool = True,
    out_dtype: torch.dtype | None = None,
    backend: str | None = None,
) -> Tensor:
    """Selective scans of a token map along K paths, summed.

    Per path k, in its order: δ = softplus(r·dt_weight_k + dt_bias_k);
    h = exp(-δ·exp(A_log_k))·h + δ·u·B; y += ⟨C, h⟩ + D_skip_k·u (Mamba, arXiv 2312.00752, with
    VMamba's paths, arXiv 2401.10166). State and accumulation are fp32 (fp64 for fp64 inputs on the
    backends that offer it).

    Args:
        u: (B, H, W, D), the activated inner map; fp32, bf16 or fp16.
        dbc: (B, H, W, K, R + 2N), last axis [r | B | C], natural pixel order; u's types.
        dt_weight: (K, R, D), fp32.
        dt_bias: (K, D), fp32.
        A_log: (K, D, N), fp32; the decay rate is exp(A_log).
        D_skip: (K, D), fp32, or None for no skip.
        paths: Names of the K paths.
        reset: Start every line (row or column) with h = 0.
        observe: False, with N = 1 and dbc = [r | B], returns the state h instead of ⟨C, h⟩.
        out_dtype: Type of y; u's by default, fp32 for a state.
        backend: Name of the backend to force.

    Returns:
        y (B, H, W, D), natural pixel order.

    Raises:
        ValueError: Shapes that do not fit, or an unknown path.
        DeviceError: The forced backend cannot run, with its reason.
    """
    tensors = (u, dbc, dt_weight, dt_bias, A_log, D_skip)
    _check(tensors, paths, observe)
    if out_dtype is None:
        out_dtype = u.dtype if observe or u.dtype == torch.float64 else torch.float32
    forced = backend or forced_backend() or ""
    if forced == "reference":  # the truth has no backward of ours: autograd walks its loop
        return evaluate(*tensors, ScanOptions(tuple(paths), reset, observe, out_dtype))
    save = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)
    y, _ = _scan(
        u.contiguous(), dbc.contiguous(), dt_weight, dt_bias, A_log, D_skip,
        ",".join(paths), reset, observe, out_dtype, forced, save,
    )  # fmt: skip
    return y


def _check(tensors: tuple[Tensor | None, ...], paths: tuple[str, ...], observe: bool) -> None:
    """Refuse what no backend could make sense of, naming the shape that was expected."""
    u, dbc, dt_weight, dt_bias, A_log, D_skip = tensors
    assert u is not None
    assert dt_weight is not None
    assert A_log is not None
    if u.ndim != 4 or dt_weight.ndim != 3 or A_log.ndim != 3:
        raise ValueError("expected u (B, H, W, D), dt_weight (K, R, D) and A_log (K, D, N)")
    (b, h, w, d), k, r, n = u.shape, len(paths), dt_weight.shape[1], A_log.shape[2]
    for path in paths:
        check_path(path)
    if min(b, h, w, d, k, r, n) < 1:
        raise ValueError("cross_scan needs at least one picture, pixel, channel, path and state")
    if not observe and (n != 1 or D_skip is not None):
        raise ValueError("observe=False needs N = 1 and no D_skip")
    expected = (
        ("dbc", dbc, (b, h, w, k, r + (2 * n if observe else n))),
        ("dt_weight", dt_weight, (k, r, d)),
        ("dt_bias", dt_bias, (k, d)),
        ("A_log", A_log, (k, d, n)),
        ("D_skip", D_skip, (k, d)),
    )
    for name, tensor, shape in expected:
        if tensor is None:
            continue
        if tuple(tensor.shape) != shape:
            raise ValueError(f"expected {name} {shape}, received {tuple(tensor.shape)}")
        if tensor.device != u.device or tensor.dtype not in FLOATS:
            raise ValueError(
                f"expected {name} in floating point on {u.device}, received {tensor.dtype} on"
                f" {tensor.device}"
            )


def _chosen(
    u: Tensor, dt_weight: Tensor, A_log: Tensor, options: ScanOptions, forced: str
) -> ModuleType:
    """The backend's module; inside the op, where tracers do not look."""
    request = ScanRequest.of(u, dt_weight, A_log, options)
    return _module(choose(BACKENDS, request, forced).name)


def _run(function: Callable[..., Result], device: torch.device, *arguments: Any) -> Result:
    """Call a backend on the tensors' own device, in its own types, with the clock running.

    Autocast would change the types, and kernels of others than torch go to the current device.
    """
    index = None if device.type == "cpu" else device.index
    with torch.accelerator.device_index(index), torch.autocast(device.type, enabled=False):
        return timed(function, device, *arguments)


@functools.cache
def _options(paths: str, reset: bool, observe: bool, out_dtype: torch.dtype) -> ScanOptions:
    return ScanOptions(tuple(paths.split(",")), reset, observe, out_dtype)


def _forward(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, paths: str, reset: bool, observe: bool, out_dtype: torch.dtype,
    forced: str, save_carries: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    options = _options(paths, reset, observe, out_dtype)
    forward = _chosen(u, dt_weight, A_log, options, forced).forward
    y, carries = _run(
        forward, u.device, u, dbc, dt_weight, dt_bias, A_log, D_skip, options, save_carries
    )
    return y, carries.flatten()


def _backward(
    grad_y: Tensor, u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, carries: Tensor, paths: str, reset: bool, observe: bool,
    out_dtype: torch.dtype, forced: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    options = _options(paths, reset, observe, out_dtype)
    backward = _chosen(u, dt_weight, A_log, options, forced).backward
    *grads, d_skip = _run(
        backward, u.device,
        grad_y.contiguous(), u, dbc, dt_weight, dt_bias, A_log, D_skip, carries, options,
    )  # fmt: skip
    inputs = (u, dbc, dt_weight, dt_bias, A_log)
    grads = [grad.to(x.dtype) for grad, x in zip(grads, inputs, strict=True)]
    # A custom op returns tensors only: an absent D_skip has an empty gradient.
    if D_skip is None or d_skip is None:
        return *grads, dt_bias.new_empty(0)
    return *grads, d_skip.to(D_skip.dtype)


def _fake_forward(u: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    # How many carries there are is the backend's own affair: to a tracer, an unknown number.
    size = torch.library.get_ctx().new_dynamic_size()
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    return torch.empty_like(u, dtype=args[8]), u.new_empty(size, dtype=dtype)


def _fake_backward(
    grad_y: Tensor, u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, *args: Any,
) -> tuple[Tensor, ...]:  # fmt: skip
    del grad_y, args
    skip = dt_bias.new_empty(0) if D_skip is None else torch.empty_like(D_skip)
    return (*(torch.empty_like(x) for x in (u, dbc, dt_weight, dt_bias, A_log)), skip)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:6], output[1])
    ctx.options = inputs[6:11]
    ctx.set_materialize_grads(False)


def _autograd(ctx: Any, grad_y: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    if grad_y is None:
        return (None,) * 12
    *tensors, carries = ctx.saved_tensors
    grads = _scan_backward(grad_y, *tensors, carries, *ctx.options)
    skip = None if tensors[5] is None else grads[5]
    return (*grads[:5], skip, *((None,) * 6))


_scan = custom_op("cross_scan", _forward, _fake_forward)
_scan_backward = custom_op("cross_scan_backward", _backward, _fake_backward)
torch.library.register_autograd(
    "serpent::cross_scan", _autograd, setup_context=_setup_context, lib=LIBRARY
)
