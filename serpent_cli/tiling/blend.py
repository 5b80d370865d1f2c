"""Seamless blending of overlapping tiles, one band of rows at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serpent_cli.tiling.grid import Span

Floats = NDArray[np.float32]


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


class BandBlender:
    """Sums weighted tiles into a band as high as one tile; finished rows leave it at once.

    Add the tiles row by row; after each row of tiles call `finish_row`, which returns the picture's
    rows that no later tile touches.

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
        height = max(span.length for span in rows) * scale
        self._band = np.zeros((height, columns[-1].stop * scale, channels), np.float32)

    def add(self, row: int, column: int, tile: Floats) -> None:
        """Add the tile (h·scale, w·scale, channels) of the current row of tiles; it is consumed."""
        span = self.columns[column]
        tile *= self._row_weights[row][:, None, None]
        tile *= self._column_weights[column][None, :, None]
        left, right = span.start * self.scale, span.stop * self.scale
        self._band[: tile.shape[0], left:right] += tile

    def finish_row(self, row: int) -> tuple[int, Floats]:
        """End a row of tiles.

        Returns:
            The first finished output row, and the rows (h, W·scale, channels): a view that is valid
            until `release_row`.
        """
        start = self.rows[row].start
        stop = self.rows[row + 1].start if row + 1 < len(self.rows) else self.rows[row].stop
        return start * self.scale, self._band[: (stop - start) * self.scale]

    def release_row(self, row: int) -> None:
        """Drop the finished rows and move the rest of the band up."""
        if row + 1 == len(self.rows):
            return
        done = (self.rows[row + 1].start - self.rows[row].start) * self.scale
        kept = self._band.shape[0] - done
        if kept > 0:
            self._band[:kept] = self._band[done:].copy()
        self._band[max(kept, 0) :] = 0
