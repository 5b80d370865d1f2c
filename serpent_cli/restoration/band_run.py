"""One pass over a picture by bands: rows are read, restored in tiles, blended and given away."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from serpent_cli.imaging.alpha import fill_transparent
from serpent_cli.imaging.bands import BandReader, channel_count, resized
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.restoration.difference import DifferenceMeter
from serpent_cli.restoration.footprint import FILL_CONTEXT
from serpent_cli.restoration.forward import Forward
from serpent_cli.restoration.plan import Plan
from serpent_cli.restoration.region import Region, cut
from serpent_cli.tiling.blend import OnTile, blended


class RegionReader:
    """A part of a picture that is read by bands.

    Args:
        reader: The whole picture.
        part: What of it.
    """

    def __init__(self, reader: BandReader, part: Region) -> None:
        self._reader = reader
        self._left, self._top, self.width, self.height = part
        self.head = resized(reader.head, self.height, self.width)

    def rows(self, start: int, stop: int) -> Picture:
        """Rows [start, stop) of the part; the start should not go back."""
        band = self._reader.rows(self._top + start, self._top + stop)
        return cut(band, (self._left, 0, self.width, band.height))

    def constant_alpha(self) -> int | float | None:
        """The alpha that all pixels have; None if there is none, or they differ.

        Reads rows until two pixels differ.
        """
        first = None
        if self.head.alpha is None:
            return None
        for start in range(0, self.height, self._reader.step):
            alpha = self.rows(start, min(start + self._reader.step, self.height)).alpha
            if alpha is None:
                return None
            first = alpha.flat[0] if first is None else first
            if (alpha != first).any():
                return None
        return first


class BandRun:
    """Restores a picture band by band.

    Args:
        forward: The network.
        part: What to restore.
        plan: In which tiles.
        on_tile: Called with (tiles done, tiles in all), alpha's included; first with none done.
        place: What of the part is wanted; the rest is context. All of it by default.

    Attributes:
        change: How the result differs from the input there, where both are equally large.
    """

    def __init__(
        self,
        forward: Forward,
        part: RegionReader,
        plan: Plan,
        on_tile: OnTile | None,
        place: Region | None = None,
    ) -> None:
        self._place = place or (0, 0, part.width, part.height)
        self.forward, self.part, self.plan = forward, part, plan
        self.change = DifferenceMeter()
        self._on_tile = on_tile
        self._rows, self._columns = plan.rows, plan.columns
        head, self._alpha = part.head, part.constant_alpha()
        colours = 1 if head.grey else 3
        self._planes = [slice(0, colours)]
        if head.alpha is not None and self._alpha is None:
            self._planes.append(slice(colours, colours + 1))
        self._given: dict[int, Samples] = {}

    def bands(self) -> Iterator[Samples]:
        """Yield the restored rows (h, W·scale, C) from the top, in the picture's depth.

        C is as `Picture.channels` has it; a band is valid until the next one.

        Raises:
            PictureError: The input is damaged, or the network's output is not usable.
        """
        head, s = self.part.head, self.forward.scale
        high, wide = self._rows[0].length * s, head.width * s
        whole = np.empty((high, wide, channel_count(head)), head.pixels.dtype)
        if self._alpha is not None:
            whole[..., -1] = self._alpha
        blocks = blended(
            self.forward.stream(self._tiles()), self._rows, self._columns, s,
            [place.stop - place.start for place in self._planes], self._on_tile,
        )  # fmt: skip
        for row, finished in groupby(blocks, key=lambda block: block.row):
            count = 0
            for block in finished:
                count, columns = len(block.samples), block.place[1]
                place = self._planes[block.plane]
                whole[:count, columns, place] = to_depth(block.samples, whole.dtype)
            self._compare(row, whole[:count])
            yield whole[:count]

    def _tiles(self) -> Iterator[Samples]:
        """The tiles in the order in which they are blended."""
        for number, row in enumerate(self._rows):
            given, planes = self._read(row.start, row.stop)
            if self.forward.scale == 1:
                self._given[number] = given
            for plane in planes[: len(self._planes)]:
                for column in self._columns:
                    yield plane[:, column.start : column.stop]

    def _read(self, start: int, stop: int) -> tuple[Samples, list[Samples]]:
        """Colours as they are, and what the network is given: colours, then alpha."""
        head = self.part.head
        top, bottom = start, stop
        if head.alpha is not None:
            # On this grid colours are averaged alike wherever the rows begin.
            top = max(0, start // FILL_CONTEXT - 1) * FILL_CONTEXT
            bottom = min(head.height, (-(-stop // FILL_CONTEXT) + 1) * FILL_CONTEXT)
        band = self.part.rows(top, bottom)
        wanted = slice(start - top, stop - top)
        colours = 1 if head.grey else 3
        given = band.pixels[wanted, :, :colours]
        if band.alpha is None:
            return given, [given[..., 0] if head.grey else given]
        filled = fill_transparent(band.pixels, band.alpha)[wanted]
        return given, [filled[..., 0] if head.grey else filled, band.alpha[wanted]]

    def _compare(self, row: int, band: Samples) -> None:
        given = self._given.pop(row, None)
        if given is None:
            return
        left, top, width, height = self._place
        start = self._rows[row].start
        wanted = np.s_[max(0, top - start) : max(0, top + height - start), left : left + width]
        before, after = given[: len(band)][wanted], band[..., : given.shape[2]][wanted]
        if before.size:
            self.change.add(before, after)
