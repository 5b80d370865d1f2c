"""What happens after memory ran out: the same work again, in ever smaller tiles."""

import sys
from collections.abc import Callable
from typing import TypeVar

from serpent_cli.errors import SerpentError
from serpent_cli.restoration.allocator import return_memory
from serpent_cli.restoration.footprint import Streams
from serpent_cli.restoration.forward import out_of_memory
from serpent_cli.restoration.plan import Costs, Plan, make_plan, smaller

Result = TypeVar("Result")


def in_smaller_tiles(
    run: Callable[[Plan], Result], plan: Plan, costs: Costs, *, apart: bool, streams: bool
) -> Result:
    """Run a plan, and after memory ran out one with smaller tiles.

    Args:
        run: Works by a plan; called again with the next one.
        plan: The first one.
        costs: The network's needs.
        apart: The network has a device's own memory.
        streams: Neither input nor result is held whole.

    Raises:
        SerpentError: Memory ran out even with the smallest tile.
    """
    while True:
        try:
            return run(plan)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            side = smaller(plan, costs)
            if side is None:
                raise SerpentError(
                    "memory ran out even with the smallest tile",
                    hint="close other programs, or restore a part with --region",
                ) from error
        # Only now: until here the error holds the frames, and what they hold.
        return_memory()
        vram, kind = sys.maxsize if apart else None, Streams() if streams else None
        plan = make_plan(plan.height, plan.width, costs, None, side, vram=vram, streams=kind)
