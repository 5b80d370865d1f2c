"""Sizes as ImageMagick writes them: `1920x1080`, `x1080`, `50%`, `1920x1080!`, with `^`, `>`, `<`.

Source: ImageMagick, "Command-line Processing", section Image Geometry
(https://imagemagick.org/script/command-line-processing.php#geometry), and what its `-resize` makes
of them: a half pixel is rounded up. Where it would leave a picture as it is because a share of a
side rounds to nothing, that side becomes one pixel.
"""

import math
import re
from dataclasses import dataclass

from serpent_cli.errors import UsageError

MAX_SIDE = (1 << 31) - 1
"""No side gets longer than this."""

_NUMBER = r"(?:[0-9]{1,9}(?:\.[0-9]{0,6})?|\.[0-9]{1,6})"
_FORM = re.compile(rf"(?P<width>{_NUMBER})?%?(?:[xX](?P<height>{_NUMBER})?%?)?")
_SIGNS = "%!^<>"
_HINT = (
    "Write width and height in pixels, as in 1920x1080, 1920 or x1080, or a share, as in 50% or"
    " 150%x80%; behind them ! for exactly that size, ^ to fill it, > to shrink only, < to enlarge"
    " only"
)


@dataclass(frozen=True)
class Geometry:
    """A wanted size, which fits itself to each picture.

    Attributes:
        width: Wanted width, in pixels or, with `percent`, in hundredths of the picture's;
            None: as it comes from the height.
        height: Wanted height, likewise; None: as it comes from the width.
        percent: Both are hundredths of the picture's sides.
        exact: `!`: the sides are taken as they are; else the picture's proportions are kept.
        fill: `^`: the picture covers width x height (or a square of the one side given); else it
            fits into it.
        shrink_only: `>`: no side gets longer; of no effect with `percent`, as in ImageMagick.
        enlarge_only: `<`: no side gets shorter; likewise.
    """

    width: float | None = None
    height: float | None = None
    percent: bool = False
    exact: bool = False
    fill: bool = False
    shrink_only: bool = False
    enlarge_only: bool = False

    @classmethod
    def parse(cls, text: str) -> "Geometry":
        """Read a geometry.

        Raises:
            UsageError: It makes no sense.

        >>> Geometry.parse("50%").target(1080, 1920)
        (540, 960)
        """
        bare = text.strip()
        # Signs may stand anywhere for ImageMagick; behind the numbers, in any order, for us.
        tail = re.search(rf"[{_SIGNS}]*$", bare)
        signs = tail[0] if tail else ""
        body = bare[: len(bare) - len(signs)]
        found = _FORM.fullmatch(body)
        if not found or not (found["width"] or found["height"]):
            raise UsageError(f"invalid size {text!r}", _HINT)
        if len(set(signs)) < len(signs) or {"<", ">"} <= set(signs) or {"!", "^"} <= set(signs):
            raise UsageError(f"the signs of {text!r} contradict or repeat each other", _HINT)
        percent = "%" in bare
        sides = [float(found[name]) if found[name] else None for name in ("width", "height")]
        if any(side == 0 for side in sides):
            raise UsageError(f"a side of {text!r} is 0", _HINT)
        if not percent and any(side is not None and side != int(side) for side in sides):
            raise UsageError(f"{text!r} asks for parts of pixels", _HINT)
        return cls(
            *sides,
            percent=percent,
            exact="!" in signs,
            fill="^" in signs,
            shrink_only=">" in signs,
            enlarge_only="<" in signs,
        )

    def target(self, height: int, width: int) -> tuple[int, int]:
        """Fit the size to a picture.

        Args:
            height: Rows of the picture.
            width: Columns of the picture.

        Returns:
            Wanted rows and columns, each at least 1.

        Raises:
            UsageError: A side would be longer than `MAX_SIDE`.
        """
        if self.percent:
            across = 100.0 if self.width is None else self.width
            down = across if self.height is None else self.height
            # A share given for the height alone leaves the width as it is; no sign matters here.
            return self._checked(_rounded(height * down / 100), _rounded(width * across / 100))
        if self.exact:
            wanted = (int(self.height or height), int(self.width or width))
        else:
            scale = self._scale(height, width)
            wanted = (_rounded(height * scale), _rounded(width * scale))
        if self.shrink_only:
            wanted = (min(wanted[0], height), min(wanted[1], width))
        if self.enlarge_only:
            wanted = (max(wanted[0], height), max(wanted[1], width))
        return self._checked(*wanted)

    @staticmethod
    def _checked(height: int, width: int) -> tuple[int, int]:
        if max(height, width) > MAX_SIDE:
            raise UsageError(
                f"the size {width}x{height} is beyond any picture", "Ask for a smaller one"
            )
        return height, width

    def _scale(self, height: int, width: int) -> float:
        """Factor that keeps the proportions of height x width."""
        across, down = self.width, self.height
        if self.fill:
            # One number alone is the least that both sides are to have.
            across, down = across or down, down or across
        factors = [
            wanted / side
            for wanted, side in ((across, width), (down, height))
            if wanted is not None
        ]
        return max(factors) if self.fill else min(factors)


def _rounded(length: float) -> int:
    """Round to the nearest pixel, halves up; at least one."""
    return max(1, math.floor(length + 0.5))
