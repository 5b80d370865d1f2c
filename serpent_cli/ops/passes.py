"""Passes between the products, each in one go over memory on a CPU: see csrc/passes.h.

    gated_norm       LN(x), or LN(x)·SiLU(gate) (VMamba, arXiv 2401.10166; after Mamba's)
    depthwise_silu   SiLU(3x3 depthwise convolution)

Both read and write fp32 or bf16 and compute in fp32. Where the compiled kernel cannot serve
(another device or type, no compiler) torch's own operations do; in float64 they are the reference.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.ops.backend import forced_backend
from serpent_cli.ops.cross_scan import native
from serpent_cli.ops.custom_op import LIBRARY, custom_op
from serpent_cli.ops.library import TYPES, Depthwise, Norm, library
from serpent_cli.ops.threads import drive


def compiled(x: Tensor) -> bool:
    """Whether the compiled kernel serves tensors of this one's device and type."""
    if x.device.type != "cpu" or x.dtype not in TYPES or not x.numel():
        return False
    return forced_backend() in (None, "native") and native.unavailable() is None


def working_type(x: Tensor) -> torch.dtype:
    """The type that a pass over `x` leaves behind: autocast's where that is on."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def gated_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    gate: Tensor | None = None,
    epsilon: float = 1e-5,
    *,
    overwrite: bool = False,
) -> Tensor:
    """LN(x)·SiLU(gate), or LN(x) alone, over the last axis.

    Args:
        x: (..., C), fp32 or bf16.
        weight: (C), fp32.
        bias: (C), fp32.
        gate: (..., C), like x.
        epsilon: Added to the variance.
        overwrite: The result may take the place of x, where no gradient will ask for it.

    Returns:
        (..., C) in autocast's type where it is on, otherwise in x's.
    """
    kind = working_type(x)
    short = x.to(kind).contiguous()
    short_gate = None if gate is None else gate.to(kind).contiguous()
    if not compiled(short) or (short_gate is not None and not compiled(short_gate)):
        return norm_by_torch(x, weight, bias, gate, epsilon)
    if overwrite and not torch.is_grad_enabled():
        _norm_over(short, weight, bias, short_gate, epsilon)
        return short
    return _norm(short, weight, bias, short_gate, epsilon)


def norm_by_torch(
    x: Tensor, weight: Tensor, bias: Tensor, gate: Tensor | None, epsilon: float
) -> Tensor:
    """The same by torch's own operations."""
    y = functional.layer_norm(x, weight.shape, weight, bias, epsilon)
    if gate is None:
        return y
    if y.requires_grad or gate.requires_grad:
        return y * functional.silu(gate)
    return y.mul_(functional.silu(gate, inplace=True))  # saves two passes; nobody else holds them


def depthwise_silu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """SiLU of the 3x3 depthwise convolution of a token map, zero-padded at the border.

    Args:
        x: (B, H, W, D), fp32 or bf16.
        weight: (D, 1, 3, 3), fp32.
        bias: (D), fp32.

    Returns:
        (B, H, W, D) in autocast's type where it is on, otherwise in x's.
    """
    short = x.to(working_type(x)).contiguous()
    if compiled(short):
        return _depthwise(short, weight, bias)
    return depthwise_by_torch(x, weight, bias)


def depthwise_by_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same by torch's own operations."""
    planes = functional.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=1, groups=len(bias))
    y = planes.permute(0, 2, 3, 1).contiguous()
    return functional.silu(y, inplace=not y.requires_grad)


def _floats(*parameters: Tensor) -> list[Tensor]:
    return [parameter.detach().float().contiguous() for parameter in parameters]


def _norm_record(
    x: Tensor, gate: Tensor | None, parameters: list[Tensor], epsilon: float
) -> tuple[Norm, int]:
    """The call's record without outputs, and how many work items it has."""
    channels = x.shape[-1]
    rows = x.numel() // channels
    record = Norm(
        rows, channels, TYPES[x.dtype], epsilon, x.data_ptr(),
        None if gate is None else gate.data_ptr(), *(p.data_ptr() for p in parameters),
    )  # fmt: skip
    return record, -(-rows // library().norm_rows())


def _norm_forward(
    x: Tensor, weight: Tensor, bias: Tensor, gate: Tensor | None, epsilon: float
) -> Tensor:
    return _norm_into(torch.empty_like(x), x, weight, bias, gate, epsilon)


def _norm_overwrite(
    x: Tensor, weight: Tensor, bias: Tensor, gate: Tensor | None, epsilon: float
) -> None:
    _norm_into(x, x, weight, bias, gate, epsilon)


def _norm_into(
    to: Tensor, x: Tensor, weight: Tensor, bias: Tensor, gate: Tensor | None, epsilon: float
) -> Tensor:
    parameters = _floats(weight, bias)
    record, items = _norm_record(x, gate, parameters, epsilon)
    record.to = to.data_ptr()
    drive(library().norm_forward, record, items, x.numel())
    return to


def _norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor, gate: Tensor | None, epsilon: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    parameters, grad = _floats(weight, bias), grad.to(x.dtype).contiguous()
    record, items = _norm_record(x, gate, parameters, epsilon)
    grad_x = torch.empty_like(x)
    grad_gate = x.new_empty(0) if gate is None else torch.empty_like(gate)
    sums = torch.empty(2, items, x.shape[-1])
    record.grad_to, record.grad_x = grad.data_ptr(), grad_x.data_ptr()
    record.grad_gate = None if gate is None else grad_gate.data_ptr()
    record.grad_weight, record.grad_bias = sums[0].data_ptr(), sums[1].data_ptr()
    drive(library().norm_backward, record, items, x.numel())
    by_weight, by_bias = sums.sum(1)
    return grad_x, by_weight.to(weight.dtype), by_bias.to(bias.dtype, copy=True), grad_gate


def _norm_fake(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _norm_backward_fake(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor, gate: Tensor | None, epsilon: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    del grad, epsilon
    grad_gate = x.new_empty(0) if gate is None else torch.empty_like(gate)
    return torch.empty_like(x), torch.empty_like(weight), torch.empty_like(bias), grad_gate


def _norm_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs[:4])
    ctx.epsilon = inputs[4]


def _norm_autograd(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    x, weight, bias, gate = ctx.saved_tensors
    grad_x, by_weight, by_bias, grad_gate = _norm_back(grad, x, weight, bias, gate, ctx.epsilon)
    return grad_x, by_weight, by_bias, None if gate is None else grad_gate, None


def _depthwise_record(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Depthwise, list[Tensor]]:
    """The call's record without outputs, and the parameters, which must outlive it."""
    taps, kept_bias = _floats(weight.flatten(1).T, bias)
    record = Depthwise(
        *x.shape, TYPES[x.dtype], x.data_ptr(), taps.data_ptr(), kept_bias.data_ptr()
    )
    return record, [taps, kept_bias]


def _depthwise_forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    record, kept = _depthwise_record(x, weight, bias)
    to = torch.empty_like(x)
    record.to = to.data_ptr()
    drive(library().depthwise_forward, record, x.shape[0] * x.shape[1], x.numel())
    del kept
    return to


def _depthwise_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    grad = grad.to(x.dtype).contiguous()
    record, kept = _depthwise_record(x, weight, bias)
    batch, channels = x.shape[0], x.shape[3]
    grad_x = torch.empty_like(x)
    taps, by_bias = torch.empty(batch, 9, channels), torch.empty(batch, channels)
    record.grad_to, record.grad_x = grad.data_ptr(), grad_x.data_ptr()
    record.grad_weight, record.grad_bias = taps.data_ptr(), by_bias.data_ptr()
    groups = -(-channels // library().depthwise_group())
    drive(library().depthwise_backward, record, batch * groups, x.numel())
    del kept
    by_weight = taps.sum(0).T.reshape(weight.shape)
    return grad_x, by_weight.to(weight.dtype), by_bias.sum(0).to(bias.dtype)


def _depthwise_fake(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _depthwise_backward_fake(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    del grad
    return torch.empty_like(x), torch.empty_like(weight), torch.empty_like(bias)


def _depthwise_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs)


def _depthwise_autograd(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _depthwise_back(grad, *ctx.saved_tensors)


_norm = custom_op("gated_norm", _norm_forward, _norm_fake)
_norm_over = custom_op("gated_norm_", _norm_overwrite, lambda *_: None, changes=("x",))
_norm_back = custom_op("gated_norm_backward", _norm_backward, _norm_backward_fake)
_depthwise = custom_op("depthwise_silu", _depthwise_forward, _depthwise_fake)
_depthwise_back = custom_op(
    "depthwise_silu_backward", _depthwise_backward, _depthwise_backward_fake
)
torch.library.register_autograd(
    "serpent::gated_norm", _norm_autograd, setup_context=_norm_context, lib=LIBRARY
)
torch.library.register_autograd(
    "serpent::depthwise_silu", _depthwise_autograd, setup_context=_depthwise_context, lib=LIBRARY
)
