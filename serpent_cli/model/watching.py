"""How far a forward pass has come, by its layers, for whoever waits for a large picture."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import accumulate

from torch import nn

from serpent_cli.model.block import Block, SBlock
from serpent_cli.model.config import ModelConfig
from serpent_cli.model.limits import block_macs
from serpent_cli.model.unet import Down, Serpent

TOKENS = 4**3
"""Tokens of the finest map to count with, divisible by three merges; no share depends on it."""


@contextmanager
def watched(network: nn.Module, on_share: Callable[[float], None]) -> Generator[None]:
    """Within, tell of the share (0 to 1) of each forward pass that is done, after each layer.

    The results stay the same bits. On a GPU a layer has only been queued when it is told of. Other
    networks than `Serpent` itself, compiled ones among them, are left alone.

    Args:
        network: What is run.
        on_share: Called in the thread of the forward pass.
    """
    if not isinstance(network, Serpent):
        yield
        return
    steps = layers(network)
    total = sum(cost for _, cost in steps)
    reached = accumulate(cost for _, cost in steps)
    handles = [
        layer.register_forward_hook(_teller(on_share, done / total))
        for (layer, _), done in zip(steps, reached, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _teller(on_share: Callable[[float], None], share: float) -> Callable[..., None]:
    def tell(layer: nn.Module, given: object, output: object) -> None:
        del layer, given, output  # None: the output stays what it is
        on_share(share)

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
