"""Every mixer's block against its own scans, products and convolutions alone.

The block is a norm, the mixer and the residual, on a map of 256 x 256 with 64 channels, with as
many states as its paper has, on one thread. What it does besides, activations, gates, norms and
copies, is what the bar leaves room for.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, get_args

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.timing import Row
from serpent_cli.model.block import Block
from serpent_cli.model.config import Mixer, ModelConfig
from serpent_cli.model.limits import block_macs
from serpent_cli.restoration.allocator import reused_memory

SIDE, WIDTH, BAR = 256, 64, 1.5
ROUNDS = 5
FORMS: dict[str, dict[str, Any]] = {
    "ss2d": {"state_size": 16},
    "spatial": {},
    "plain": {"state_size": 16},
    "v2m": {"state_size": 16},
    "mhs": {"state_size": 16, "expand": 1.0},
    "evssm": {"state_size": 8},
}
HEAVY = ("mm", "addmm", "bmm", "linear", "convolution", "conv2d", "cross_scan")


class Heavy(TorchDispatchMode):
    """Within, every product, convolution and scan is noted, to be run again by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[], object]] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operation, and keep it if it is one of the heavy ones."""
        del types
        given = dict(kwargs or {})
        if func._overloadpacket.__name__.removeprefix("mkldnn_") in HEAVY:
            self.calls.append(lambda: func(*args, **given))
        return func(*args, **given)


def config_of(mixer: str) -> ModelConfig:
    """A network of the mixer with blocks of 64 channels."""
    return ModelConfig(widths=(WIDTH,) * 4, mixer=mixer, **FORMS[mixer])  # pyright: ignore


def both(block: Callable[[], object], calls: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """CPU seconds of the cheapest run of each, taken in turns, on one thread.

    Not by the wall clock: there are many short passes, and whatever else runs would stretch them.
    """
    whole = alone = float("inf")
    for _ in range(ROUNDS):
        whole = min(whole, cpu_seconds(block))
        alone = min(alone, cpu_seconds(lambda: [call() for call in calls]))
    return whole, alone


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU seconds of a run of this process."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


@torch.no_grad()
def rows(mixers: Sequence[str] = get_args(Mixer)) -> list[Row]:
    """For each mixer its block, and the block's operations alone."""
    found: list[Row] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with reused_memory(hand_back=True):
        for mixer in mixers:
            config = config_of(mixer)
            torch.manual_seed(0)
            block, x = Block(config, WIDTH, 0).eval(), torch.randn(1, SIDE, SIDE, WIDTH)
            with Heavy() as heavy:
                block(x)
            whole, alone = both(lambda block=block, x=x: block(x), heavy.calls)
            macs = block_macs(config, 0, SIDE**2) / 1e9
            size = sum(p.numel() for p in block.parameters()) / 1e3
            what = f"block {SIDE}²×{WIDTH}, {macs:.2f} GMAC, {size:.1f} k parameters"
            name = f"{mixer}, N {config.state_size}: {what}"
            found.append(Row(name, whole * 1e3, "ms", alone * 1e3, BAR))
    torch.set_num_threads(threads)
    return found
