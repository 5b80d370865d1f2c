"""Seamless blending of overlapping tiles, block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serpent_cli.tiling.grid import Span

Floats = NDArray[np.float32]

OnTile = Callable[[int, int], object]
"""Called with (tiles done, tiles in all), first with none done."""


@dataclass(frozen=True)
class Block:
    """A part of a picture that no later tile touches.

    Attributes:
        row: Row of tiles to whose end it belongs.
        plane: Which of the planes that lie over each other.
        top: Its place in the result.
        left: Its place in the result.
        samples: (h, w, channels), valid until the next block.
    """

    row: int
    plane: int
    top: int
    left: int
    samples: NDArray[Any]

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the result."""
        height, width = self.samples.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def in_order(
    rows: Sequence[Span], columns: Sequence[Span], planes: int
) -> Iterator[tuple[int, int, int]]:
    """Row, plane and column of every tile, in the order in which `blended` takes them."""
    for row in range(len(rows)):
        for plane in range(planes):
            for column in range(len(columns)):
                yield row, plane, column


def blended(
    tiles: Iterator[NDArray[Any]],
    rows: Sequence[Span],
    columns: Sequence[Span],
    scale: int,
    channels: Sequence[int],
    on_tile: OnTile | None = None,
) -> Iterator[Block]:
    """Make a picture of its restored tiles: the one way for all that is restored by tiles.

    Args:
        tiles: (h·scale, w·scale, channels of the plane) each, `in_order`, float32; they are
            consumed. The only tile of a plane is passed on as it is, in any type.
        rows: Spans of the tile rows.
        columns: Spans of the tile columns.
        scale: Output pixels per input pixel.
        channels: Of each plane.
        on_tile: Hears of every tile.

    Yields:
        Blocks that cover each plane once, a row of tiles after the other and in it plane by plane.
    """
    single = len(rows) * len(columns) == 1
    blenders = [] if single else [Blender(rows, columns, scale, each) for each in channels]
    total = len(rows) * len(columns) * len(channels)
    if on_tile is not None:
        on_tile(0, total)
    for done, (row, plane, column) in enumerate(in_order(rows, columns, len(channels)), start=1):
        tile = next(tiles)
        finished = (0, 0, tile) if single else blenders[plane].add(row, column, tile)
        yield Block(row, plane, *finished)
        if on_tile is not None:
            on_tile(done, total)


def windows(axis: Sequence[Span], scale: int = 1) -> list[Floats]:
    """Weights of each span along one axis: raised cosines that sum to one at every pixel.

    A tile is least reliable at its rim, where it lacks context: the outer quarter of each overlap
    has weight zero, and the raised cosine lies in between.

    Args:
        axis: The spans that cover the axis, as `spans` gives them.
        scale: Output pixels per input pixel.

    Returns:
        For each span a float32 vector with `scale` weights per pixel.
    """
    shapes: list[NDArray[np.float64]] = []
    for index, span in enumerate(axis):
        position = np.arange(span.length * scale, dtype=np.float64) + np.float64(0.5)
        weight = np.ones(span.length * scale)
        if index > 0:
            weight *= _ramp(position, (axis[index - 1].stop - span.start) * scale)
        if index + 1 < len(axis):
            shared = (span.stop - axis[index + 1].start) * scale
            weight *= _ramp(span.length * scale - position, shared)
        shapes.append(weight)
    total = np.zeros(axis[-1].stop * scale)
    for span, weight in zip(axis, shapes, strict=True):
        total[span.start * scale : span.stop * scale] += weight
    return [
        (weight / total[span.start * scale : span.stop * scale]).astype(np.float32)
        for span, weight in zip(axis, shapes, strict=True)
    ]


def _ramp(distance: NDArray[np.float64], overlap: int) -> NDArray[np.float64]:
    """Weight at a distance from the tile's rim: 0, raised cosine, 1; symmetric in the overlap."""
    rim = overlap / 4
    progress = np.clip((distance - rim) / max(overlap - 2 * rim, 1.0), 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * progress)


class Blender:
    """Sums weighted tiles; what no later tile touches leaves it at once.

    Tiles are added row by row, each row from left to right. Beside the present tile only those rows
    are held, in the picture's full width, that two rows of tiles share.

    Args:
        rows: Spans of the tile rows.
        columns: Spans of the tile columns.
        scale: Output pixels per input pixel.
        channels: Channels of a tile.
    """

    def __init__(
        self, rows: Sequence[Span], columns: Sequence[Span], scale: int, channels: int = 3
    ) -> None:
        self.rows, self.columns, self.scale = rows, columns, scale
        self._row_weights = windows(rows, scale)
        self._column_weights = windows(columns, scale)
        shared = max(_shared(rows, i) for i in range(len(rows))) * scale
        self._below = np.zeros((shared, columns[-1].stop * scale, channels), np.float32)
        height, width = (max(span.length for span in axis) * scale for axis in (rows, columns))
        self._window = np.zeros((height, width, channels), np.float32)

    def add(self, row: int, column: int, tile: Floats) -> tuple[int, int, Floats]:
        """Add a tile.

        Args:
            row: Its place among the rows of tiles.
            column: Its place in the row.
            tile: (h·scale, w·scale, channels); it is consumed.

        Returns:
            Top and left of the block of the picture that this tile finishes, and the block, a view
            that is valid until the next tile is added. The blocks of a row of tiles lie side by
            side and are equally high.
        """
        s, left = self.scale, self.columns[column].start * self.scale
        _scale_rim(tile, self._row_weights[row], axis=0)
        _scale_rim(tile, self._column_weights[column], axis=1)
        window = self._put(row, column, tile)
        high, wide = _finished(self.rows, row) * s, _finished(self.columns, column) * s
        # What the next row of tiles goes on with: of this row nothing is added to it any more.
        rest = window[high:, :wide]
        self._below[: len(rest), left : left + wide] = rest
        return self.rows[row].start * s, left, window[:high, :wide]

    def _put(self, row: int, column: int, tile: Floats) -> Floats:
        """The tile's place in the picture: the tile, and what earlier tiles left there."""
        s, (high, wide) = self.scale, tile.shape[:2]
        window = self._window[:high, :wide]
        kept = _shared(self.columns, column - 1) * s if column > 0 else 0
        if kept:
            passed = _finished(self.columns, column - 1) * s
            # A copy: the two places may overlap.
            window[:, :kept] = self._window[:high, passed : passed + kept].copy()
            window[:, :kept] += tile[:, :kept]
        above = _shared(self.rows, row - 1) * s if row > 0 else 0
        left = self.columns[column].start * s
        below = self._below[:above, left + kept : left + wide]
        np.add(below, tile[:above, kept:], out=window[:above, kept:])
        window[above:, kept:] = tile[above:, kept:]
        return window


def _scale_rim(tile: Floats, weights: Floats, axis: int) -> None:
    """Multiply a tile by weights along an axis, where they are not one: at its rims."""
    inner = np.flatnonzero(weights == 1)
    first, last = (inner[0], inner[-1] + 1) if len(inner) else (0, 0)
    if len(inner) < last - first:  # a third tile reaches in between
        first = last = 0
    for part in (slice(0, first), slice(last, None)):
        if axis == 0:
            tile[part] *= weights[part, None, None]
        else:
            tile[:, part] *= weights[None, part, None]


def _shared(axis: Sequence[Span], index: int) -> int:
    """Pixels that a span shares with the next one."""
    return axis[index].stop - axis[index + 1].start if index + 1 < len(axis) else 0


def _finished(axis: Sequence[Span], index: int) -> int:
    """Pixels of a span that the next one does not reach."""
    return axis[index].length - _shared(axis, index)
