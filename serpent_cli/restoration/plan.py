"""From a picture's size and a memory budget to a plan: whole, or tiles of a fixed ladder."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.model.limits import inference_bytes_per_pixel, size_multiple
from serpent_cli.restoration.footprint import FRAGMENTS, Sizes, Streams, streamed_bytes, whole_bytes
from serpent_cli.restoration.memory_budget import gibibytes
from serpent_cli.tiling.grid import Span, rounded_up, spans
from serpent_cli.zoo.card import Card

if TYPE_CHECKING:
    import torch
    from torch import nn

LADDER = (1536, 1024, 768, 512, 384, 256, 192, 128)
"""Largest sides of tiles in input pixels, widest first; fixed, so that results repeat.

Larger pictures are tiled even when they would fit: maps beyond that outgrow a CPU's caches.
"""

DEVICE_LADDER = (4096, 3072, 2048, *LADDER)
"""The same on a device with memory of its own, which large maps keep busy."""

SPARED = 0.05
"""A smaller tile is preferred, for its memory, to one that spares less than this share of work."""

LEAST_TILE = 4
"""Smallest side of a tile, in steps of the network's grid."""

BASE_BYTES = 420 * 2**20
"""Resident bytes of the interpreter, torch and the codecs before any picture is read."""

MAX_OVERLAP = 64
"""Most input pixels that neighbouring tiles share. Scans look farther, but what lies there changes
the result by little: `serpent eval deblur --tile 256` scores as without tiles.
"""


@dataclass(frozen=True)
class Costs:
    """What a network needs, as `model.limits` and its card state it.

    Attributes:
        scale: Output pixels per input pixel and axis.
        multiple: Tiles start and end on multiples of this many input pixels.
        margin: Input pixels of context that a tile needs on each side.
        bytes_per_pixel: Peak bytes of activations per input pixel.
        weight_bytes: Bytes of its parameters.
        base_bytes: Resident bytes of the process before any picture is read, with what is kept free
            for others in it.
    """

    scale: int
    multiple: int
    margin: int
    bytes_per_pixel: float
    weight_bytes: int
    base_bytes: int = BASE_BYTES

    @classmethod
    def of(cls, model: "nn.Module", card: Card, held: "torch.dtype", reserved: int = 0) -> Self:
        """The costs of weights whose activations are held in a type.

        Args:
            model: The network.
            card: What is known about its weights.
            held: The type.
            reserved: Bytes that others in the process may take meanwhile.
        """
        return cls(
            scale=card.scale, multiple=size_multiple(card.config), margin=card.margin,
            bytes_per_pixel=inference_bytes_per_pixel(card.config, held),
            weight_bytes=4 * sum(p.numel() for p in model.parameters()),
            base_bytes=BASE_BYTES + reserved,
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How one picture will be restored.

    Attributes:
        rows: Rows of tiles, in input pixels.
        columns: Columns of tiles.
        tile: Largest side of a tile in input pixels; None restores the picture whole.
        pixels: Input pixels that the network computes, overlap and padding included.
        peak_bytes: Predicted peak of the process's resident memory.
        device_bytes: Predicted peak of a device's own memory; 0 where it has none.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    tile: int | None
    pixels: int
    peak_bytes: int
    device_bytes: int = 0

    @property
    def height(self) -> int:
        """Input rows."""
        return self.rows[-1].stop

    @property
    def width(self) -> int:
        """Input columns."""
        return self.columns[-1].stop

    @property
    def tiles(self) -> int:
        """Number of tiles; 1 for the whole picture."""
        return len(self.rows) * len(self.columns)


def overlap_for(costs: Costs, tile: int) -> int:
    """Overlap of neighbouring tiles: twice the margin up to a limit, on the grid."""
    return rounded_up(min(2 * costs.margin, MAX_OVERLAP, tile // 2), costs.multiple)


def make_plan(
    height: int,
    width: int,
    costs: Costs,
    budget: int | None,
    tile: str | int = "auto",
    *,
    vram: int | None = None,
    sample_bytes: int = 1,
    channels: int = 3,
    streams: Streams | None = None,
) -> Plan:
    """Decide how to restore a picture.

    Args:
        height: Input rows.
        width: Input columns.
        costs: The network's needs.
        budget: Resident bytes that the process may reach; None for no limit.
        tile: `auto`, `whole`, or the side of a tile in input pixels.
        vram: Bytes that the network may take of a device's own memory; None: it has none.
        sample_bytes: Bytes of one sample of the picture.
        channels: Channels held, alpha included.
        streams: Neither input nor result is held whole; None: both are.

    Raises:
        UsageError: A demanded tile is smaller than the network allows, or exceeds a budget.
        SerpentError: Even the smallest tile exceeds a budget; the hint names one that is enough.
    """
    apart, sizes = vram is not None, Sizes(height, width, costs.scale, sample_bytes, channels)

    def plan(side: int | None) -> Plan:
        return _plan(sizes, side, costs, streams, apart=apart)

    if tile != "auto":
        demanded = plan(None if isinstance(tile, str) else demanded_side(tile, costs))
        if excess := _excess([demanded], budget, vram):
            what, option, least = excess
            raise UsageError(
                f"a {width} x {height} picture with --tile {tile} needs {least} of {what}",
                hint=f"leave --tile out, or give {option} {least}",
            )
        return demanded
    ladder = on_grid(DEVICE_LADDER if apart else LADDER, costs)
    sides = [None] if height * width <= max(ladder) ** 2 else []
    plans = [plan(side) for side in (*sides, *ladder)]
    if excess := _excess(plans, budget, vram):
        what, option, least = excess
        raise SerpentError(
            f"a {width} x {height} picture needs at least {least} of {what}",
            hint=f"give {option} {least} or more",
        )
    fitting = [each for each in plans if not _excess([each], budget, vram)]
    if fitting[0].tiles == 1:
        return fitting[0]
    enough = min(each.pixels for each in fitting) * (1 + SPARED)
    return [each for each in fitting if each.pixels <= enough][-1]


def _excess(plans: list[Plan], budget: int | None, vram: int | None) -> tuple[str, str, str] | None:
    """Which memory none of the plans can do with, its option, and what would be enough of it."""
    memory = min(each.peak_bytes for each in plans)
    device = min(each.device_bytes for each in plans)
    if budget is not None and memory > budget:
        return "memory", "--max-memory", gibibytes(memory)
    if vram is not None and device > vram:
        return "the device's memory", "--max-vram", gibibytes(device)
    return None


def next_plan(
    plan: Plan, costs: Costs, *, apart: bool, streams: Streams | None = None
) -> Plan | None:
    """The plan with the next smaller tile after memory ran out; None if there is none.

    Args:
        plan: What was too large.
        costs: The network's needs.
        apart: The network has a device's own memory.
        streams: Neither input nor result is held whole; None: both are.
    """
    side = smaller_side(plan.tile or max(plan.height, plan.width), DEVICE_LADDER, costs)
    if side is None:
        return None
    vram = sys.maxsize if apart else None
    return make_plan(plan.height, plan.width, costs, None, side, vram=vram, streams=streams)


def smaller_side(side: int, ladder: Sequence[int], costs: Costs) -> int | None:
    """The widest rung that is at most half as wide; None if there is none."""
    return next((rung for rung in on_grid(ladder, costs) if rung <= side // 2), None)


def padded_pixels(rows: tuple[Span, ...], columns: tuple[Span, ...], costs: Costs) -> int:
    """Input pixels of the largest tile, padded to the network's grid."""
    high, wide = (rounded_up(axis[0].length, costs.multiple) for axis in (rows, columns))
    return high * wide


def _plan(
    sizes: Sizes, tile: int | None, costs: Costs, streams: Streams | None, *, apart: bool
) -> Plan:
    if tile is None:
        rows, columns = (Span(0, sizes.height),), (Span(0, sizes.width),)
    else:
        rows, columns = tile_spans(sizes.height, sizes.width, tile, costs)
    count = len(rows) * len(columns)
    padded = padded_pixels(rows, columns, costs)
    network = int(padded * costs.bytes_per_pixel * FRAGMENTS)
    on_machine = 0 if apart else network
    if streams is None:
        used = whole_bytes(sizes, rows, on_machine, tiled=count > 1)
    else:
        used = streamed_bytes(sizes, rows, columns, on_machine, streams)
    peak = costs.base_bytes + 2 * costs.weight_bytes + used
    return Plan(rows, columns, tile, count * padded, peak, apart * (network + costs.weight_bytes))


def tile_spans(
    height: int, width: int, tile: int, costs: Costs
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Rows and columns of tiles that overlap as a network needs it."""
    overlap, multiple = overlap_for(costs, tile), costs.multiple
    return spans(height, tile, overlap, multiple), spans(width, tile, overlap, multiple)


def on_grid(sides: Sequence[int], costs: Costs) -> list[int]:
    """Sides of tiles on the network's grid, without those too small to overlap on it."""
    multiple = costs.multiple
    return [side // multiple * multiple for side in sides if side >= LEAST_TILE * multiple]


def demanded_side(tile: int, costs: Costs) -> int:
    """The side of tiles on the network's grid that somebody asks for.

    Raises:
        UsageError: It is too small.
    """
    least = LEAST_TILE * costs.multiple
    if tile < least:
        raise UsageError(f"a tile must have at least {least} pixels", hint=f"use --tile {least}")
    return tile // costs.multiple * costs.multiple


def share_memory(budget: int | None, workers: int) -> int | None:
    """What each of several workers may let one process reach, if all did alike."""
    if budget is None or workers == 1:
        return budget
    return BASE_BYTES + max(0, budget - BASE_BYTES) // workers
