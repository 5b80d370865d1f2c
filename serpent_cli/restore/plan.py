"""From a picture's size and a memory budget to a plan: whole, or tiles of a fixed ladder."""

from dataclasses import dataclass

from serpent_cli.errors import SerpentError, UsageError
from serpent_cli.tiling.grid import Span, spans, tile_count

LADDER = (768, 512, 384, 256, 192, 128)
"""Largest sides of tiles in input pixels, widest first; fixed, so that results repeat.

Maps of larger tiles outgrow the caches: above 768 a pixel takes longer than its overlap saves.
"""

WHOLE_PIXELS = 2**20
"""Larger pictures are tiled even when they would fit the memory, for the same reason."""

LEAST_TILE = 4
"""Smallest side of a tile, in steps of the network's grid."""

BASE_BYTES = 420 * 2**20
"""Resident bytes of the interpreter, torch and the codecs before any picture is read."""


MAX_OVERLAP = 64
"""Most input pixels that neighbouring tiles share. Scans look farther, but what lies there changes the
result by little: `serpent eval deblur --tile 256` scores as without tiles.
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
    """

    scale: int
    multiple: int
    margin: int
    bytes_per_pixel: float
    weight_bytes: int


@dataclass(frozen=True)
class Plan:
    """How one picture will be restored.

    Attributes:
        height: Input rows.
        width: Input columns.
        tile: Side of a tile in input pixels; None restores the picture whole.
        overlap: Least input pixels that neighbouring tiles share.
        tiles: Number of tiles; 1 for the whole picture.
        peak_bytes: Predicted peak of the process's resident memory.
    """

    height: int
    width: int
    tile: int | None
    overlap: int
    tiles: int
    peak_bytes: int


def overlap_for(costs: Costs, tile: int) -> int:
    """Overlap of neighbouring tiles: twice the margin up to a limit, on the grid."""
    wanted = min(2 * costs.margin, MAX_OVERLAP, tile // 2)
    return -(-wanted // costs.multiple) * costs.multiple


def peak_bytes(
    height: int, width: int, tile: int | None, costs: Costs, sample_bytes: int, channels: int
) -> int:
    """Predicted peak resident bytes of the process.

    Args:
        height: Input rows.
        width: Input columns.
        tile: Side of a tile; None for the whole picture.
        costs: The network's needs.
        sample_bytes: Bytes of one sample of the picture.
        channels: Channels held, alpha included.
    """
    side_h = height if tile is None else min(tile, height)
    side_w = width if tile is None else min(tile, width)
    padded = -(-side_h // costs.multiple) * -(-side_w // costs.multiple) * costs.multiple**2
    result = height * width * costs.scale**2
    picture = (height * width + result) * channels * sample_bytes
    band = side_h * width * costs.scale**2 * 3 * 4
    working = padded * costs.bytes_per_pixel + 2 * band
    # While a codec works no tile does: its copies of the picture compete with the activations.
    coding = 2 * result * channels * sample_bytes
    return int(BASE_BYTES + 2 * costs.weight_bytes + picture + max(working, coding))


def make_plan(
    height: int,
    width: int,
    costs: Costs,
    budget: int,
    tile: str | int = "auto",
    *,
    sample_bytes: int = 1,
    channels: int = 3,
) -> Plan:
    """Decide how to restore a picture.

    Args:
        height: Input rows.
        width: Input columns.
        costs: The network's needs.
        budget: Resident bytes that the process may reach.
        tile: `auto`, `whole`, or the side of a tile in input pixels.
        sample_bytes: Bytes of one sample of the picture.
        channels: Channels held, alpha included.

    Raises:
        UsageError: A demanded tile is smaller than the network allows.
        SerpentError: Even the smallest tile exceeds the budget; the hint names one that is enough.
    """

    def plan(side: int | None) -> Plan:
        overlap = 0 if side is None else overlap_for(costs, side)
        count = 1 if side is None else tile_count(height, width, side, overlap, costs.multiple)
        peak = peak_bytes(height, width, side, costs, sample_bytes, channels)
        return Plan(height, width, side, overlap, count, peak)

    if isinstance(tile, int):
        return plan(_demanded(tile, costs))
    whole = plan(None)
    if tile == "whole":
        return whole
    if whole.peak_bytes <= budget and height * width <= WHOLE_PIXELS:
        return whole
    rungs = _ladder(costs)
    for side in rungs:
        candidate = plan(side)
        if candidate.peak_bytes <= budget:
            return candidate if candidate.tiles > 1 else whole
    least = plan(rungs[-1]).peak_bytes
    raise SerpentError(
        f"a {width} x {height} picture needs at least {_gibibytes(least)} of memory",
        hint=f"give --max-memory {_gibibytes(least)} or more",
    )


def smaller(plan: Plan, costs: Costs) -> int | None:
    """Side of the next smaller tile after memory ran out; None if there is none."""
    side = plan.tile or max(plan.height, plan.width)
    fitting = [rung for rung in _ladder(costs) if rung <= side // 2]
    return fitting[0] if fitting else None


def plan_spans(plan: Plan, multiple: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Spans of a plan's tile rows and tile columns."""
    if plan.tile is None:
        whole = -(-max(plan.height, plan.width) // multiple) * multiple
        return spans(plan.height, whole, 0, multiple), spans(plan.width, whole, 0, multiple)
    rows = spans(plan.height, plan.tile, plan.overlap, multiple)
    return rows, spans(plan.width, plan.tile, plan.overlap, multiple)


def _ladder(costs: Costs) -> list[int]:
    """The ladder on the network's grid, without tiles too small to overlap on it."""
    multiple = costs.multiple
    return [side // multiple * multiple for side in LADDER if side >= LEAST_TILE * multiple]


def _demanded(tile: int, costs: Costs) -> int:
    least = LEAST_TILE * costs.multiple
    if tile < least:
        raise UsageError(f"a tile must have at least {least} pixels", hint=f"use --tile {least}")
    return tile // costs.multiple * costs.multiple


def _gibibytes(count: int) -> str:
    return f"{-(-count * 10 // 2**30) / 10:.1f}G"
