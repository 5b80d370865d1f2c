"""How many operations ours take, for torch's own counter, `torch.utils.flop_counter`.

Who counts imports this; what computes does not: the counter loads Triton, which takes a while, and
where half of it is installed fails.
"""

from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

from serpent_cli.ops import cross_scan as cross_scan  # tells torch of the scan
from serpent_cli.ops import passes as passes  # and of the convolution


def scan_flops(batch: int, length: int, d: int, k: int, n: int, r: int) -> int:
    """Operations (two per multiply-add) of one scan: 2·B·(4.5·K·N·D·L + R·K·D·L)."""
    return int(2 * batch * (4.5 * n + r) * k * d * length)


@register_flop_formula(torch.ops.serpent.cross_scan)
def _scan(u: Any, _dbc: Any, dt_weight: Any, _bias: Any, A_log: Any, *_: Any, **__: Any) -> int:
    (b, h, w, d), (k, r, _), n = u, dt_weight, A_log[2]
    return scan_flops(b, h * w, d, k, n, r)


@register_flop_formula(torch.ops.serpent.cross_scan_backward)
def _scan_backward(
    _g: Any, u: Any, _dbc: Any, dt_weight: Any, _bias: Any, A_log: Any, *_: Any, **__: Any
) -> int:
    (b, h, w, d), (k, r, _), n = u, dt_weight, A_log[2]
    return 3 * scan_flops(b, h * w, d, k, n, r)  # forward again, then both factors' gradients


@register_flop_formula(torch.ops.serpent.depthwise_silu)
def _convolution(x: Any, *_: Any, **__: Any) -> int:
    b, h, w, d = x
    return 2 * 9 * b * h * w * d


@register_flop_formula(torch.ops.serpent.depthwise_silu_backward)
def _convolution_backward(_grad: Any, x: Any, *_: Any, **__: Any) -> int:
    b, h, w, d = x
    return 2 * 2 * 9 * b * h * w * d  # both factors' gradients
