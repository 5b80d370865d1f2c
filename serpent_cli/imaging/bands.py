"""Pictures by bands: rows in order, in memory that does not grow with the picture's height.

To read a picture whole is to read all of its bands. What cannot be decoded row by row, such as
JPEG and interlaced PNG, is decoded whole behind the same interface.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from serpent_cli.imaging.damage import CutOffError, one_sentence
from serpent_cli.imaging.orientation import stored_view
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.stored_samples import split_channels

_WHOLE_BAND = 64


@dataclass(frozen=True)
class Layout:
    """What planning needs to know of a picture before it is read.

    Attributes:
        height: Rows.
        width: Columns.
        sample_bytes: Bytes of one sample.
        channels: Samples per pixel of a `Picture`: 3, or 4 with alpha.
        whole: It is decoded whole even when it is read by bands.
        step: Rows that are decoded at one time.
    """

    height: int
    width: int
    sample_bytes: int
    channels: int
    whole: bool
    step: int


@dataclass(frozen=True)
class BandSource:
    """A picture whose rows come one band after another.

    Attributes:
        head: All of the picture but its samples; see `resized`.
        step: Most rows that are decoded at one time.
        begin: Starts at the top of what is stored and yields bands (h, w, C) without a gap, the
            channels as `Picture.channels` has them; may be called again.
        notes: What only the samples tell, one sentence each; complete when all rows were read.
        orientation: EXIF value that the stored rows still need; the head is upright.
        picture: The picture, where its format gives no rows: it is held whole.
    """

    head: Picture
    step: int
    begin: Callable[[], Iterator[Samples]]
    notes: Callable[[], tuple[str, ...]] = field(default=tuple[str, ...])
    orientation: int = 1
    picture: Picture | None = None

    def layout(self) -> Layout:
        """What planning needs to know, of bands that stand upright."""
        head, whole = self.head, self.picture is not None
        return Layout(
            head.height, head.width, head.pixels.itemsize, head.samples_per_pixel, whole, self.step
        )

    def whole(self) -> Picture:
        """The picture with all of its rows, upright.

        Raises:
            PictureError, DamageError: What is found in the pixels.
        """
        if self.picture is not None:
            return self.picture
        made, turn = empty_like(self.head), self.orientation
        opacity = None if made.alpha is None else stored_view(made.alpha, turn)
        stored = replace(made, pixels=stored_view(made.pixels, turn), alpha=opacity)
        bottom = 0
        for band in self.begin():
            bottom = fill_in(stored, bottom, band)
        return replace(made, warnings=made.warnings + self.notes())

    def upright(self) -> "BandSource":
        """The same in bands that stand upright; what lies on its side is read whole."""
        return self if self.orientation == 1 else in_memory(self.whole())


def in_memory(picture: Picture) -> BandSource:
    """Bands of a picture that is decoded already."""

    def begin() -> Iterator[Samples]:
        for top in range(0, picture.height, _WHOLE_BAND):
            yield all_channels(picture.rows(top, top + _WHOLE_BAND))

    head = resized(picture, picture.height, picture.width)
    return BandSource(head, min(_WHOLE_BAND, picture.height), begin, picture=picture)


def all_channels(picture: Picture) -> Samples:
    """`Picture.channels` with an axis of them, be it one: (H, W, C)."""
    channels = picture.channels()
    return channels[..., None] if channels.ndim == 2 else channels


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


def empty_like(head: Picture) -> Picture:
    """All of a head, and samples that are still to be filled in."""
    pixels = np.empty(head.pixels.shape, head.pixels.dtype)
    alpha = None if head.alpha is None else np.empty(head.alpha.shape, head.alpha.dtype)
    return replace(head, pixels=pixels, alpha=alpha)


def fill_in(picture: Picture, top: int, channels: Samples) -> int:
    """Put rows (h, W, C), C as `Picture.channels` has it, into a picture; returns their end."""
    rows = slice(top, top + len(channels))
    picture.pixels[rows] = channels[..., :1] if picture.grey else channels[..., :3]
    if picture.alpha is not None:
        picture.alpha[rows] = channels[..., -1]
    return rows.stop


def channel_count(picture: Picture) -> int:
    """Channels that a file holds of a picture, 1 to 4."""
    return (1 if picture.grey else 3) + (picture.alpha is not None)


class BandReader:
    """Gives rows of a picture; made by `open_bands`.

    Args:
        source: What the format gives.
        name: How the user calls the picture.
    """

    def __init__(self, source: BandSource, name: str) -> None:
        self.head, self.step, self.layout = source.head, source.step, source.layout()
        self._source, self._name = source, name
        self._rewind()

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each thing that reading could not keep, complete after the last row.

        Raises:
            PictureError: Most of a picture's float samples lie outside [0, 1].
        """
        return self.head.warnings + self._source.notes()

    def rows(self, start: int, stop: int) -> Picture:
        """Rows [start, stop) of the picture, with its metadata.

        Rows are decoded in order: the start should not go back. If it does, decoding begins anew at
        the top.

        Raises:
            PictureError: The picture is damaged or truncated.
        """
        with one_sentence(self._name):
            pixels, alpha, _ = split_channels(self._gather(start, stop), 1)
        return replace(self.head, pixels=pixels, alpha=alpha)

    def _rewind(self) -> None:
        self._bands = self._source.begin()
        self._held: deque[Samples] = deque()
        self._top = self._bottom = 0

    def _gather(self, start: int, stop: int) -> Samples:
        """The channels (stop - start, W, C) of rows."""
        if not 0 <= start < stop <= self.head.height:
            raise ValueError(f"there are no rows {start} to {stop}")
        if start < self._top:
            self._rewind()
        while self._bottom < stop:
            band = next(self._bands, None)
            if band is None:
                raise CutOffError("rows are missing")
            self._held.append(band)
            self._bottom += len(band)
            self._drop(start)
        self._drop(start)
        parts: list[Samples] = []
        at = self._top
        for band in self._held:
            parts.append(band[max(0, start - at) : max(0, stop - at)])
            at += len(band)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _drop(self, start: int) -> None:
        """Forget bands that end before row `start`."""
        while self._held and self._top + len(self._held[0]) <= start:
            self._top += len(self._held.popleft())
