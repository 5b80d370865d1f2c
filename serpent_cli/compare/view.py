"""How large a pair is shown: both pictures on one grid of pixels, the finer of the two."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serpent_cli.errors import UsageError

MAX_PIXELS = 40_000_000
"""More pixels than this are reduced in the page: decoded, two pictures fill 320 MB of a browser."""
MAX_SIDE = 32_767
"""The longest side of a picture that every browser shows."""

Size = tuple[int, int]
"""Height and width."""
Side = Literal["before", "after"]


@dataclass(frozen=True)
class View:
    """The common grid of a pair.

    Attributes:
        height: Rows of both copies in the page.
        width: Columns of both copies in the page.
        share: Length of the copies' sides as a share of the larger picture's; 1 when not reduced.
        enlarged: The side whose own picture is smaller than the other; None for equal sizes.
        factor: How many times smaller it is.
    """

    height: int
    width: int
    share: float = 1.0
    enlarged: Side | None = None
    factor: float = 1.0

    @property
    def pixels(self) -> int:
        """Pixels of one copy."""
        return self.height * self.width


def plan_view(
    before: Size, after: Size, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE
) -> View | None:
    """Find the common grid, or None if the two have unrelated shapes.

    >>> plan_view((100, 150), (400, 600))
    View(height=400, width=600, share=1.0, enlarged='before', factor=4.0)
    """
    small, large = sorted((before, after), key=math.prod)
    if not _same_shape(small, large):
        return None
    share = min(1.0, math.sqrt(max_pixels / math.prod(large)), max_side / max(large))
    height, width = (max(1, math.floor(side * share)) for side in large)
    enlarged: Side | None = None
    if before != after:
        enlarged = "before" if small == before else "after"
    return View(height, width, share, enlarged, large[1] / small[1])


def unrelated(before: Path, after: Path, sizes: tuple[Size, Size]) -> UsageError:
    """The error for a pair that `plan_view` refuses."""
    first, second = (f"{width}x{height}" for height, width in sizes)
    return UsageError(
        f"{before} is {first} and {after} is {second}: they do not have the same shape",
        "compare a picture with a version of itself, of any size but not cropped or turned",
    )


def _same_shape(small: Size, large: Size) -> bool:
    """Tell whether the small size is the large one divided by some number and rounded."""
    by_width = small[1] * large[0] / large[1]
    by_height = small[0] * large[1] / large[0]
    return abs(by_width - small[0]) < 1 or abs(by_height - small[1]) < 1
