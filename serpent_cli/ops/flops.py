"""How many operations all of ours take, for torch's own counter; see `cross_scan.flops`."""

from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

from serpent_cli.ops import passes as passes  # tells torch of the convolution
from serpent_cli.ops.cross_scan.flops import scan_flops as scan_flops


@register_flop_formula(torch.ops.serpent.depthwise_silu)
def _flops_convolution(x: Any, *_: Any, **__: Any) -> int:
    b, h, w, d = x
    return 2 * 9 * b * h * w * d


@register_flop_formula(torch.ops.serpent.depthwise_silu_backward)
def _flops_convolution_backward(_grad: Any, x: Any, *_: Any, **__: Any) -> int:
    b, h, w, d = x
    return 2 * 2 * 9 * b * h * w * d  # both factors' gradients
