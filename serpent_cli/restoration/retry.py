"""What happens after memory ran out: the same work again, in ever smaller tiles."""

from collections.abc import Callable
from typing import TypeVar

from serpent_cli.errors import SerpentError
from serpent_cli.restoration.allocator import return_memory
from serpent_cli.restoration.forward import out_of_memory

Plan = TypeVar("Plan")
Result = TypeVar("Result")


def in_smaller_tiles(
    run: Callable[[Plan], Result], plan: Plan, following: Callable[[Plan], Plan | None]
) -> Result:
    """Run a plan, and after memory ran out one with smaller tiles.

    Args:
        run: Works by a plan; called again with the next one.
        plan: The first one.
        following: The plan after one that took too much; None if there is none.

    Raises:
        SerpentError: Memory ran out even with the smallest tile.
    """
    while True:
        try:
            return run(plan)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            smaller = following(plan)
            if smaller is None:
                raise SerpentError(
                    "memory ran out even with the smallest tile",
                    hint="close other programs, or restore a part with --region",
                ) from error
            plan = smaller
        # Only now: until here the error holds the frames, and what they hold.
        return_memory()
