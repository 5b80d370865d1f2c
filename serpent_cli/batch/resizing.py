"""The size that a result is resampled to, and whether the memory suffices for it."""

from serpent_cli.errors import SerpentError
from serpent_cli.imaging.geometry import Geometry
from serpent_cli.restoration.memory_budget import budget_or_default, gibibytes
from serpent_cli.restoration.restorer import Restorer

CODING_COPIES = 3
"""A result while it is encoded: itself, and a codec's copies as `restoration.footprint` counts."""


def resampled_size(
    size: Geometry, height: int, width: int, restorer: Restorer, pixel_bytes: int
) -> tuple[tuple[int, int], int]:
    """What a size means for one picture.

    Args:
        size: As the user gave it.
        height: Rows of the input, or of its region.
        width: Columns of it.
        restorer: Enlarges it first.
        pixel_bytes: Bytes of one pixel, alpha included.

    Returns:
        Rows and columns of the result, and the bytes that the process reaches for them.

    Raises:
        SerpentError: More than the restorer's budget, whatever the tiles.
        UsageError: A side that no picture has.
    """
    wanted = size.target(height, width)
    enlarged = height * width * restorer.scale**2
    held = height * width + enlarged + CODING_COPIES * wanted[0] * wanted[1]
    peak = restorer.costs.base_bytes + 2 * restorer.costs.weight_bytes + held * pixel_bytes
    budget = budget_or_default(restorer.budget)
    if peak > budget:
        raise SerpentError(
            f"resampling to {wanted[1]} x {wanted[0]} needs at least {gibibytes(peak)} of memory",
            hint=f"ask for a smaller --size, or give --max-memory {gibibytes(peak)} or more",
        )
    return wanted, peak
