"""What a format gives to be read by bands: everything but the pixels, and the rows in order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from serpent_cli.imaging.picture import Picture, Samples


@dataclass(frozen=True)
class BandSource:
    """A picture whose rows come one band after another.

    Attributes:
        head: All of the picture but its samples; see `resized`.
        step: Most rows that are decoded at one time.
        begin: Starts at the top and yields bands (h, W, C) without a gap, the channels as
            `Picture.channels` has them; may be called again.
        notes: What only the samples tell, one sentence each; complete when all rows were read.
        whole: The picture is held whole.
    """

    head: Picture
    step: int
    begin: Callable[[], Iterator[Samples]]
    notes: Callable[[], tuple[str, ...]] = field(default=tuple[str, ...])
    whole: bool = False


def blank(
    height: int, width: int, dtype: np.dtype[np.generic], *, alpha: bool
) -> tuple[Samples, Samples | None]:
    """Pixels (H, W, 3) and alpha (H, W), if any, that take no memory: one sample, repeated."""
    nothing = np.zeros((), dtype)
    plane = np.broadcast_to(nothing, (height, width))
    return np.broadcast_to(nothing, (height, width, 3)), plane if alpha else None


def resized(picture: Picture, height: int, width: int) -> Picture:
    """Keep all of a picture but its samples, at another size: a head."""
    pixels, alpha = blank(height, width, picture.pixels.dtype, alpha=picture.alpha is not None)
    return replace(picture, pixels=pixels, alpha=alpha)


def channel_count(picture: Picture) -> int:
    """Channels that a file holds of a picture, 1 to 4."""
    return (1 if picture.grey else 3) + (picture.alpha is not None)
