"""The least time of a network's kernels one by one: bytes over bandwidth, or products over rate."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from bench.device_limits import copy_bandwidth, product_rate
from serpent_cli.ops import flops as flops  # tells the registry of our operations


class Roofline(TorchDispatchMode):
    """Within, every operation adds the larger of what its bytes and what its products take.

    Args:
        device: Where it runs; its copy bandwidth and its rates of products are measured.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.bandwidth = copy_bandwidth(device)
        self.rates = {
            dtype: product_rate(device, dtype) for dtype in (torch.float32, torch.bfloat16)
        }
        self.seconds, self.kernels = 0.0, 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation, and count it unless it only looks at memory in another way."""
        del types
        kwargs = dict(kwargs or {})
        out = func(*args, **kwargs)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        made = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        known = {x.untyped_storage().data_ptr() for x in given}
        writes = any(a.alias_info and a.alias_info.is_write for a in func._schema.arguments)
        fresh = [x for x in made if x.untyped_storage().data_ptr() not in known]
        if not fresh and not writes:
            return out
        moved = sum(x.nbytes for x in given) + sum(x.nbytes for x in (made if writes else fresh))
        dtype = torch.bfloat16 if made and made[0].dtype == torch.bfloat16 else torch.float32
        formula = flop_registry.get(func._overloadpacket)
        products = formula(*args, **kwargs, out_val=out) / 2 if formula else 0.0
        self.seconds += max(moved / self.bandwidth, products / self.rates[dtype])
        self.kernels += 1
        return out
