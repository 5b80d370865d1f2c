"""Causal depthwise convolution along the lines of a map, each line for itself (V2M, Mamba).

By causal-conv1d's kernel on an NVIDIA GPU where somebody has installed it, otherwise by torch's own
convolution, whose kernel then reaches as far ahead as back, with zeros ahead.
"""

import functools
import importlib
import importlib.util

import torch
from torch import Tensor
from torch.nn import functional

# An import that finds no kernel, or one for another torch or driver; another interface.
FAILURES = (ImportError, OSError, RuntimeError, AttributeError, TypeError, ValueError)
PATHS = ("row", "col", "row_rev", "col_rev")
MOST_TAPS, CHANNELS_BY = 4, 8  # of their kernel, where a pixel's channels lie side by side


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor, path: str) -> Tensor:
    """y_t = bias + sum over j < T of weight_j · x_(t-T+1+j), with t along each line of a path.

    Args:
        x: (B, H, W, D).
        weight: (D, 1, T).
        bias: (D).
        path: `row`, `col`, `row_rev` or `col_rev`: which way t runs.

    Returns:
        (B, H, W, D), contiguous.

    Raises:
        ValueError: Another path.
    """
    if path not in PATHS:
        raise ValueError(f"a causal convolution runs along {', '.join(PATHS)}, not {path!r}")
    short = x.dtype in (torch.float32, torch.bfloat16, torch.float16)
    fits = weight.shape[2] <= MOST_TAPS and x.shape[3] % CHANNELS_BY == 0
    if x.is_cuda and short and fits and unavailable() is None:
        return theirs(x, weight, bias, path)
    return ours(x, weight, bias, path)


def ours(x: Tensor, weight: Tensor, bias: Tensor, path: str) -> Tensor:
    """By torch: odd kernels keep the map's size, so that nothing is cut off or copied."""
    d, _, taps = weight.shape
    if path.endswith("_rev"):
        kernel = functional.pad(weight.flip(2), (taps - 1, 0))
    else:
        kernel = functional.pad(weight, (0, taps - 1))
    along_rows = path.startswith("row")
    kernel = kernel.unsqueeze(2 if along_rows else 3)
    padding = (0, taps - 1) if along_rows else (taps - 1, 0)
    # The gradient that a convolution gives its bias can differ in its last bits from one run of the
    # program to the next; that of a sum does not, so that a training goes on bit by bit.
    apart = bias.requires_grad and torch.is_grad_enabled()
    inside = None if apart else bias
    y = functional.conv2d(x.permute(0, 3, 1, 2), kernel, inside, padding=padding, groups=d)
    y = y.permute(0, 2, 3, 1).contiguous()
    return y + bias if apart else y


def theirs(x: Tensor, weight: Tensor, bias: Tensor, path: str) -> Tensor:
    """By causal-conv1d: each line a sequence, (B · lines, D, length), channels side by side."""
    lines = x if path.startswith("row") else x.transpose(1, 2)
    if path.endswith("_rev"):
        lines = lines.flip(2)
    sequences = lines.contiguous().flatten(0, 1).transpose(1, 2)
    function = importlib.import_module("causal_conv1d").causal_conv1d_fn
    y: Tensor = function(sequences, weight.squeeze(1).to(x.dtype), bias.to(x.dtype))
    y = y.transpose(1, 2).unflatten(0, lines.shape[:2])
    if path.endswith("_rev"):
        y = y.flip(2)
    return (y if path.startswith("row") else y.transpose(1, 2)).contiguous()


@functools.cache
def unavailable(device: str = "cuda") -> str | None:
    """Why causal-conv1d cannot run on this machine; None after a tiny run came out right."""
    if importlib.util.find_spec("causal_conv1d") is None:
        return "causal-conv1d is not installed"
    x = torch.arange(24.0).view(1, 1, 3, 8) / 7
    weight, bias = torch.arange(32.0).view(8, 1, 4) / 9, torch.arange(8.0)
    try:
        y = theirs(x.to(device), weight.to(device), bias.to(device), "row_rev").cpu()
    except FAILURES as error:
        return f"its self-test failed: {type(error).__name__}: {error}".splitlines()[0]
    right = torch.allclose(y, ours(x, weight, bias, "row_rev"), rtol=1e-3)
    return None if right else "its self-test gave a wrong result"
