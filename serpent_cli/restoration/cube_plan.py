"""From a cube's size and a memory budget to tiles."""

from serpent_cli.errors import SerpentError
from serpent_cli.restoration.footprint import FRAGMENTS
from serpent_cli.restoration.memory_budget import gibibytes
from serpent_cli.restoration.plan import (
    LADDER,
    Costs,
    Plan,
    demanded_side,
    on_grid,
    overlap_for,
    padded_pixels,
    smaller_side,
    tile_spans,
)
from serpent_cli.tiling.grid import rounded_up

CUBE_LADDER = (*LADDER, 96, 64)
"""As of photographs, and smaller ones: a cube may have hundreds of bands."""

FLOAT = 4
COPIES = 7
"""Times that a tile of all bands is held, as fp32: as read, in units of noise, what is expected of
it, how the network changes it, as a result, the blender's window, and what is written of it."""


def plan_cube(
    shape: tuple[int, int, int],
    costs: Costs,
    budget: int | None,
    tile: str | int = "auto",
) -> Plan:
    """Decide how to restore a cube.

    Args:
        shape: T, H and W.
        costs: The network's needs.
        budget: Bytes that the process may reach; None for no limit.
        tile: `auto`, `whole`, or the side of a tile.

    Raises:
        UsageError: A demanded tile is smaller than the network allows.
        SerpentError: Even the smallest tile exceeds the budget; the hint names one that is enough.
    """
    if tile == "whole":
        sides = [max(shape[1:])]
    elif tile == "auto":
        sides = on_grid(CUBE_LADDER, costs)
    else:
        sides = [demanded_side(int(tile), costs)]
    plans = [_plan(shape, costs, side) for side in sides]
    for plan in plans:
        if budget is None or plan.peak_bytes <= budget:
            return plan
    needed = gibibytes(min(plan.peak_bytes for plan in plans))
    raise SerpentError(
        f"this cube of {shape[0]} bands needs {needed} of memory", f"give --max-memory {needed}"
    )


def next_cube_plan(plan: Plan, shape: tuple[int, int, int], costs: Costs) -> Plan | None:
    """The plan with the next smaller tile after memory ran out; None if there is none.

    Args:
        plan: What was too large.
        shape: T, H and W.
        costs: The network's needs.
    """
    longest = max(plan.rows[0].length, plan.columns[0].length)
    side = smaller_side(longest, CUBE_LADDER, costs)
    return None if side is None else _plan(shape, costs, side)


def _plan(shape: tuple[int, int, int], costs: Costs, side: int) -> Plan:
    bands, height, width = shape
    side = rounded_up(side, costs.multiple)
    rows, columns = tile_spans(height, width, side, costs)
    held, padded = (
        costs.bytes_per_pixel + COPIES * FLOAT * bands,
        padded_pixels(rows, columns, costs),
    )
    below = (overlap_for(costs, side) * FLOAT * bands * width) if len(rows) > 1 else 0
    peak = costs.base_bytes + 2 * costs.weight_bytes + int(padded * held * FRAGMENTS) + below
    return Plan(rows, columns, side, len(rows) * len(columns) * padded, peak)
