"""How far a forward pass has come, by its layers, for whoever waits for a large picture."""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import accumulate
from threading import Lock
from typing import Protocol

import torch
from torch import nn

from serpent_cli.model.block import Block, SBlock
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.limits import block_macs
from serpent_cli.model.unet import Down, Serpent

TOKENS = 4**3
"""Tokens of the finest map to count with, divisible by three merges; no share depends on it."""

QUEUING = ("cuda", "xpu")
"""Devices that work behind the program, and whose events tell how far they are."""


class Event(Protocol):
    """A mark in the work that a device has been given."""

    def query(self) -> bool:
        """Whether the device has done all that was before the mark."""
        ...


@contextmanager
def watched(
    network: nn.Module,
    on_share: Callable[[float], None],
    mark: Callable[[], Event] | None = None,
) -> Generator[Callable[[], None]]:
    """Within, tell of the share (0 to 1) of each forward pass that is done, after each layer.

    On a CPU each layer is told of when it ends, in the thread of the forward pass. A GPU is only
    given its work then: an event marks each layer, and those that the GPU has passed are told of
    when somebody asks. The results stay the same bits. Other networks than `Serpent` itself,
    compiled ones among them, are left alone.

    Args:
        network: What is run.
        on_share: Is told.
        mark: Makes an event of what the device has been given until now; None: the device's own
            events, or none if it has none.

    Yields:
        Asks the GPU how far it is, and tells; for any thread. On a CPU it does nothing.
    """
    if not isinstance(network, Serpent):
        yield lambda: None
        return
    behind = Behind(on_share)
    mark = mark or _marker(next(network.parameters()).device)
    steps = layers(network)
    total = sum(cost for _, cost in steps)
    handles = [
        layer.register_forward_hook(_teller(behind, mark, done / total))
        for (layer, _), done in zip(steps, accumulate(cost for _, cost in steps), strict=True)
    ]
    try:
        yield behind.tell
    finally:
        for handle in handles:
            handle.remove()


class Behind:
    """Layers that a device has been given and may not have done yet.

    Args:
        on_share: Told of each that is done, in their order.
    """

    def __init__(self, on_share: Callable[[float], None]) -> None:
        self.on_share = on_share
        self._ahead: deque[tuple[Event, float]] = deque()
        self._lock = Lock()

    def add(self, event: Event, share: float) -> None:
        """A layer has been given to the device; the event marks its end."""
        self._ahead.append((event, share))

    def tell(self) -> None:
        """Tell of all layers that have been done since the last call."""
        with self._lock:
            try:
                while self._ahead and self._ahead[0][0].query():
                    self.on_share(self._ahead.popleft()[1])
            except RuntimeError:  # the device failed: who waits for the result says so
                self._ahead.clear()


def _marker(device: torch.device) -> Callable[[], Event] | None:
    if device.type not in QUEUING:
        return None
    streams = torch.get_device_module(device)
    return lambda: streams.current_stream(device).record_event()


def _teller(behind: Behind, mark: Callable[[], Event] | None, share: float) -> Callable[..., None]:
    def tell(layer: nn.Module, given: object, output: object) -> None:
        del layer, given, output  # None: the output stays what it is
        if mark is None:
            behind.on_share(share)
        else:
            behind.add(mark(), share)

    return tell


def layers(network: Serpent) -> list[tuple[nn.Module, float]]:
    """The layers in the order in which they run, each with its multiply-adds per `TOKENS` tokens.

    A block counts as two, its mixer and its feed-forward.
    """
    config, patch = network.config, network.config.patch_size
    c = config.widths
    downs: tuple[Down, ...] = (network.d1, network.d2, network.d3)
    found: list[tuple[nn.Module, float]] = [(network.patchifier, TOKENS * 27 * patch**2 * c[0])]
    for level, down in enumerate(downs):
        found += _blocks(config, down.blocks, level)
        found.append((down.merge, TOKENS // 4 ** (level + 1) * 4 * c[level] * c[level + 1]))
    found += _blocks(config, network.b, 3)
    for level, up in ((3, network.u3), (2, network.u2), (1, network.u1)):
        found += _blocks(config, up.blocks, level)
        found.append((up.expand, TOKENS // 4**level * 4 * c[level] * c[level - 1]))
    growth = patch * config.scale
    return [*found, (network.depatchifier, TOKENS * 27 * growth**2 * c[0])]


def _blocks(config: ModelConfig, blocks: SBlock, level: int) -> list[tuple[nn.Module, float]]:
    tokens = TOKENS // 4**level
    cost = block_macs(config, level, tokens)
    found: list[tuple[nn.Module, float]] = []
    for block in blocks:
        assert isinstance(block, Block)
        if not block.has_feed_forward:
            found.append((block, cost))
            continue
        second: nn.Module = block.feed_forward
        own = tokens * sum(p.numel() for p in second.parameters())  # each weight, once a token
        found += [(block.mixer, cost - own), (second, own)]
    return found
