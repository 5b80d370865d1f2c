"""`cross_scan`, the one operation of this project, as a torch custom op with several backends."""

import functools
import importlib
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from serpent_cli.ops.backend import Backend, choose
from serpent_cli.ops.cross_scan.paths import check_path
from serpent_cli.ops.cross_scan.request import ScanOptions, ScanRequest

DEFAULT_PATHS = ("row", "col", "row_rev", "col_rev")
_PRIORITY = {"native": 20, "chunked": 10, "reference": -1}


@functools.cache
def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{name}")


def _backend(name: str, priority: int) -> Backend[ScanRequest]:
    return Backend(name, priority, lambda request: _module(name).why_not(request))


BACKENDS = tuple(_backend(name, priority) for name, priority in _PRIORITY.items())
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
    if out_dtype is None:
        out_dtype = u.dtype if observe or u.dtype == torch.float64 else torch.float32
    options = ScanOptions(tuple(paths), reset, observe, out_dtype)
    request = _check(u, dbc, dt_weight, dt_bias, A_log, D_skip, options)
    chosen = choose(BACKENDS, request, backend)
    tensors = (u, dbc, dt_weight, dt_bias, A_log, D_skip)
    if chosen.name == "reference":  # the truth has no backward of ours: autograd walks its loop
        return _module("reference").evaluate(*tensors, options)
    save = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)
    y, _ = _scan(
        u.contiguous(), dbc.contiguous(), dt_weight, dt_bias, A_log, D_skip,
        ",".join(paths), reset, observe, out_dtype, chosen.name, save,
    )  # fmt: skip
    return y


def _check(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, options: ScanOptions,
) -> ScanRequest:  # fmt: skip
    if u.ndim != 4 or dt_weight.ndim != 3 or A_log.ndim != 3:
        raise ValueError("expected u (B, H, W, D), dt_weight (K, R, D) and A_log (K, D, N)")
    (b, h, w, d), k = u.shape, len(options.paths)
    r, n = dt_weight.shape[1], A_log.shape[2]
    for path in options.paths:
        check_path(path)
    if not options.observe and (n != 1 or D_skip is not None):
        raise ValueError("observe=False needs N = 1 and no D_skip")
    features = r + (2 * n if options.observe else n)
    expected = {
        "dbc": (dbc, (b, h, w, k, features)),
        "dt_weight": (dt_weight, (k, r, d)),
        "dt_bias": (dt_bias, (k, d)),
        "A_log": (A_log, (k, d, n)),
    }
    if D_skip is not None:
        expected["D_skip"] = (D_skip, (k, d))
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"expected {name} {shape}, received {tuple(tensor.shape)}")
    if min(b, h, w, d, k, r, n) < 1:
        raise ValueError("cross_scan needs at least one picture, pixel, channel, path and state")
    return ScanRequest(b, h, w, d, k, n, r, u.dtype, u.device.type, options)


@torch.library.custom_op("serpent::cross_scan", mutates_args=())
def _scan(
    u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, paths: str, reset: bool, observe: bool, out_dtype: torch.dtype,
    backend: str, save_carries: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    options = ScanOptions(tuple(paths.split(",")), reset, observe, out_dtype)
    y, carries = _module(backend).forward(
        u, dbc, dt_weight, dt_bias, A_log, D_skip, options, save_carries
    )
    return y, carries.flatten()


@torch.library.custom_op("serpent::cross_scan_backward", mutates_args=())
def _scan_backward(
    grad_y: Tensor, u: Tensor, dbc: Tensor, dt_weight: Tensor, dt_bias: Tensor, A_log: Tensor,
    D_skip: Tensor | None, carries: Tensor, paths: str, reset: bool, observe: bool,
    out_dtype: torch.dtype, backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    options = ScanOptions(tuple(paths.split(",")), reset, observe, out_dtype)
    *grads, d_skip = _module(backend).backward(
        grad_y.contiguous(), u, dbc, dt_weight, dt_bias, A_log, D_skip, carries, options
    )
    # A custom op returns tensors only: an absent D_skip has an empty gradient.
    return *grads, dt_bias.new_empty(0) if d_skip is None else d_skip


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


_scan.register_fake(_fake_forward)
_scan_backward.register_fake(_fake_backward)
_scan.register_autograd(_autograd, setup_context=_setup_context)


def scan_flops(batch: int, length: int, d: int, k: int, n: int, r: int) -> int:
    """Operations (two per multiply-add) of one scan: 2·B·(4.5·K·N·D·L + R·K·D·L)."""
    return int(2 * batch * (4.5 * n + r) * k * d * length)


@register_flop_formula(torch.ops.serpent.cross_scan)
def _flops_forward(
    u: Any, _dbc: Any, dt_weight: Any, _bias: Any, A_log: Any, *_: Any, **__: Any
) -> int:
    (b, h, w, d), (k, r, _), n = u, dt_weight, A_log[2]
    return scan_flops(b, h * w, d, k, n, r)


@register_flop_formula(torch.ops.serpent.cross_scan_backward)
def _flops_backward(
    _g: Any, u: Any, _dbc: Any, dt_weight: Any, _bias: Any, A_log: Any, *_: Any, **__: Any
) -> int:
    (b, h, w, d), (k, r, _), n = u, dt_weight, A_log[2]
    return 3 * scan_flops(b, h * w, d, k, n, r)  # forward again, then both factors' gradients
